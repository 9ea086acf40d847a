"""Plugins that a program gives: files and classes, by name from then on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lenetkit
from lenetkit.errors import LenetkitWarning, ModelFileError, PluginError
from lenetkit.layers.activations import ReLU, Tanh
from lenetkit.registry.catalog import installed
from lenetkit.registry.given import use
from tests.support.specs import SMALL

FILE = """\
from lenetkit.layers.activations import {base}

class Mine({base}):
    pass

PLUGINS = {{"mine": Mine}}
"""


class Swish(Tanh):
    """A class of this test."""


@pytest.fixture(autouse=True)
def _catalog_of_its_own() -> Iterator[None]:
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


def built(spec: Path, name: str, plugins: Any) -> Any:
    return lenetkit.build(spec, {"layers.relu1": name}, plugins=plugins).plan.layers[1].layer


@pytest.mark.parametrize(
    ("name", "plugins"),
    [("Swish", [Swish]), ("swish", [Swish]), ("wave", {"wave": Swish})],
)
def test_a_class_is_found_by_its_name(name: str, plugins: Any, spec: Path) -> None:
    assert type(built(spec, name, plugins)) is Swish
    assert type(built(spec, name, [])) is Swish  # this process knows it from then on


def test_a_file_is_found_by_the_names_in_it(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FILE.format(base="Tanh"), "utf-8")
    assert isinstance(built(spec, "mine", [tmp_path / "own.py"]), Tanh)
    (tmp_path / "own.py").write_text(FILE.format(base="ReLU"), "utf-8")  # as people edit it
    assert isinstance(built(spec, "mine", [str(tmp_path / "own.py")]), ReLU)


def test_a_class_that_is_defined_again_replaces_the_old(spec: Path) -> None:
    """As when a cell of a notebook runs again."""

    def define(base: type) -> type:
        return type("Again", (base,), {"__module__": "__main__"})

    first, second = define(Tanh), define(ReLU)
    assert type(built(spec, "again", [first])) is first
    network = lenetkit.build(spec, {"layers.relu1": "again"}, plugins=[second])
    assert type(network.plan.layers[1].layer) is second
    assert network.spec["layers"]["relu1"] == "Again"


def test_a_built_in_keeps_its_name(spec: Path) -> None:
    said = r"^tests\.registry\.test_given: 'relu' is the built-in: write '.*:relu' to use this one$"
    with pytest.warns(LenetkitWarning, match=said) as caught:
        assert type(built(spec, "relu", {"relu": Swish})) is ReLU
    assert caught[0].filename == __file__
    assert type(built(spec, f"{Swish.__module__}:relu", [])) is Swish


def test_a_model_file_names_the_class_that_it_needs(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    lenetkit.build(spec, {"layers.relu1": "wave"}, plugins={"wave": Swish}).save(path)
    installed.cache_clear()
    said = (
        "pass plugins=[…] from Python, with the class of tests.registry.test_given that the model"
    )
    with pytest.raises(ModelFileError, match="no layer is registered as 'wave'") as caught:
        lenetkit.load(path)
    assert said in str(caught.value)
    loaded = lenetkit.load(path, plugins={"wave": Swish})
    assert type(loaded.plan.layers[1].layer) is Swish


def test_a_run_and_fit_take_plugins(small: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FILE.format(base="Tanh"), "utf-8")
    changed, plugins = {"layers.relu1": "mine", "train.epochs": 1}, [tmp_path / "own.py"]
    run = lenetkit.Run.create(small, out="a", set=changed, plugins=plugins)
    run.train(pictures=False)
    installed.cache_clear()
    lenetkit.Run.resume("a", plugins=plugins).close()
    images = run.data.train.images
    network = lenetkit.fit(small, images, [0] * 12, overrides=changed, plugins=plugins)
    assert network.spec["layers"]["relu1"] == "mine"


@pytest.mark.parametrize(
    ("plugins", "error", "said"),
    [
        ("own.py", TypeError, r"^expected plugins=\[…\], files or classes, found 'own\.py'$"),
        (3, TypeError, r"found 3$"),
        ([Swish()], TypeError, r"Transform or Kernels, found an object; write Swish$"),
        ([int], TypeError, r"^plugins: expected a file, or a class of Layer, Loss, .*'int'>$"),
        ({"a": 3}, TypeError, r"found 3$"),
        (["none.py"], PluginError, r"^none\.py: no such file; expected a Python file$"),
    ],
)
def test_other_plugins_are_refused(plugins: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        use(plugins)
