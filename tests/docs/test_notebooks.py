"""The notebooks of `examples/` run, and their committed outputs are fit for other people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lenetkit

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

ROOT = Path(lenetkit.__file__).resolve().parents[1]
NOTEBOOKS = sorted(path.name for path in (ROOT / "examples").glob("*.ipynb"))


def code_cells(name: str) -> list[dict[str, Any]]:
    """The cells of a notebook that hold code."""
    cells = json.loads((ROOT / "examples" / name).read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_three() -> None:
    assert NOTEBOOKS == ["first-network.ipynb", "why-sgd-fails.ipynb", "your-own-layer.ipynb"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs(name: str, digits: Path) -> None:
    environment = os.environ | {"LENETKIT_DATA": str(digits), "PYTHONUTF8": "1"}
    command = [sys.executable, str(ROOT / "scripts" / "notebooks"), "--check", name]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_with_outputs_of_no_machine_and_no_error(name: str) -> None:
    cells = code_cells(name)
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs
    for output in outputs:
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr", output  # no warning
        texts = "".join(map(str, [output.get("text", ""), *output.get("data", {}).values()]))
        plain = re.sub(r"[A-Za-z0-9+/=\\n]{200,}", "", texts)
        assert not re.search(r"/(home|Users|tmp|root|work|private)/|[A-Z]:\\\\", plain)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_listed(name: str) -> None:
    assert f"../examples/{name}" in (ROOT / "docs" / "notebooks.md").read_text("utf-8")


def test_the_first_network_takes_ten_lines() -> None:
    first, *_ = code_cells("first-network.ipynb")
    lines = [line for line in "".join(first["source"]).splitlines() if line]
    assert len(lines) <= 10
