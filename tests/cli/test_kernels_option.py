"""`--kernels` replaces the spec's or the model's convolution and pooling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lenetkit.errors import PluginError
from lenetkit.model import model
from lenetkit.registry.catalog import installed

Call = Callable[..., Any]

OTHER = '''
from dataclasses import dataclass

from lenetkit.kernels.numpy_kernels import NumpyKernels


@dataclass(frozen=True, kw_only=True)
class Other(NumpyKernels):
    """NumPy's, under another name."""


PLUGINS = {"other": Other}
'''


@pytest.fixture(autouse=True)
def _fresh_catalog() -> Iterator[None]:
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def trained(call: Call, small: Path) -> Path:
    """A run trained with kernels that are no longer available."""
    Path("other.py").write_text(OTHER, "utf-8")
    arguments = ("--kernels", "other", "--plugin", "other.py", "--out", "run", "--quiet")
    assert call("train", small, *arguments).status == 0
    installed.cache_clear()
    return Path("run")


def test_train_uses_the_given_kernels(trained: Path) -> None:
    assert "kernels: other\n" in (trained / "spec.yaml").read_text("utf-8")


def test_unknown_kernels_are_named(call: Call, small: Path, trained: Path) -> None:
    said = call("train", small, "--kernels", "nunpy")
    assert said.status == 2
    assert said.err.startswith(
        "error: --kernels nunpy: kernels: no kernel set is registered as 'nunpy'; did you mean"
    )
    with pytest.raises(PluginError, match=r"^no kernel set is registered as 'nunpy'; did you"):
        model.load(trained, kernels="nunpy")


def test_a_model_runs_without_the_kernels_it_was_trained_with(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    pixels = np.eye(20, dtype=np.uint8) * 255
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    for arguments in (("evaluate", trained), ("predict", trained, tmp_path / "digit.png")):
        without = call(*arguments, "--json")
        assert without.status == 2
        assert "no kernel set is registered as 'other'" in without.err
        assert without.err.endswith(
            "\n  or pass --kernels numpy: kernels only decide how a model is computed\n"
        )
        assert call(*arguments, "--kernels", "numpy", "--json").status == 0
    facts = call("evaluate", trained, "--kernels", "numpy", "--json").json
    result = json.loads((trained / "result.json").read_text("utf-8"))
    assert facts["accuracy"] == result["test_accuracy"]
