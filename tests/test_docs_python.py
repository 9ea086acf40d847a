"""Every block of docs/python.md runs, in the order of the page."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.registry.catalog import installed

PAGE = Path(lenetkit.__file__).resolve().parents[1] / "docs" / "python.md"
NAMES = ("bag", "boot", "coat", "dress", "pullover", "sandal", "shirt", "sneaker", "top", "trouser")


def test_the_page_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    known: dict[str, Any] = vars(module)
    known |= {
        "images": rng.integers(0, 256, (300, 28, 28), np.uint8),
        "labels": np.array(NAMES * 30),
        "images2": rng.integers(0, 256, (20, 28, 28), np.uint8),
        "labels2": np.array(NAMES * 2),
        "rows": rng.normal(size=(300, 4)),
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        exec(block, known)
    assert known["network"].spec["layers"]["relu1"] == "swish"
    assert known["same"].plan == known["network"].plan
    assert known["variant"].spec["layers"]["relu1"] == "tanh"
    installed.cache_clear()  # other tests do not know `swish`
    x = np.linspace(-5, 5, 101)
    swish = known["Swish"]()
    slope = np.gradient(swish.function(x, x.copy()), x)
    np.testing.assert_allclose(
        swish.derivative(x, swish.function(x, x.copy()))[1:-1], slope[1:-1], atol=0.01
    )
