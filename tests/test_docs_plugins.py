"""Every command of docs/plugins.md, run in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import lenetkit

ROOT = Path(lenetkit.__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "plugins.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]


def write_files(folder: Path) -> None:
    """The page's plugin and its tests."""
    names = ("celu.py", "test_celu.py", "layers.py", "residual.py")
    for name, source in zip(names, blocks("python"), strict=True):
        (folder / name).write_text(source, "utf-8")


def test_the_page_has_commands() -> None:
    assert len(commands()) >= 10
    assert {command[0] for command in commands()} == {"lenetkit", "python"}


def test_the_page_names_the_scaffolds_worked_examples(tmp_path: Path) -> None:
    from lenetkit import scaffold

    scaffold.write("my-layers", tmp_path)
    written = (tmp_path / "my-layers" / "pyproject.toml").read_text("utf-8")
    assert "prelu = " in written
    assert "adadelta = " in written


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_celu.py"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_command_works_as_written(tmp_path: Path) -> None:
    """In a new virtual environment that sees this one's packages, so nothing is downloaded."""
    venv.create(tmp_path / "venv", with_pip=True)
    folder = "Scripts" if os.name == "nt" else "bin"
    python = tmp_path / "venv" / folder / "python"
    site = subprocess.run(
        [str(python), "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    inherited = [path for path in sys.path if path.endswith("site-packages")]
    paths = [str(ROOT), *inherited]
    Path(site, "inherited.pth").write_text("\n".join(paths) + "\n", "utf-8")
    write_files(tmp_path)
    environment = os.environ | {
        "PYTHONUTF8": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # pip reads it as the value of --build-isolation
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for command in commands():
        program = [str(python), *(["-m", "lenetkit"] if command[0] == "lenetkit" else [])]
        done = subprocess.run(
            [*program, *command[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True,
            encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
