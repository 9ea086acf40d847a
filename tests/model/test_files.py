"""Model files from any source: loaded, or refused with one error that lists every problem."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lenetkit.cli.main import run
from lenetkit.errors import ModelFileError
from lenetkit.files import tensorfile
from lenetkit.model import file, model
from lenetkit.network.network import Network
from lenetkit.network.plan import plan_text
from lenetkit.runs import checkpoint
from lenetkit.runs.checkpoint import Best, State
from lenetkit.training.loop import start
from tests.support import bad_models


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return bad_models.write_all(tmp_path_factory.mktemp("models"))


def refused(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        model.load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert len(said) < 5000
    said.encode()
    return said


def test_a_good_file_is_loaded(corpus: dict[str, Path]) -> None:
    path = corpus["one more"].with_name("good.safetensors")
    images = np.zeros((2, 4, 4), np.uint8)
    assert model.load(path).predict(images).shape == (2,)
    before = set(path.parent.iterdir())
    assert set(path.parent.iterdir()) == before


@pytest.mark.parametrize("name", bad_models.BAD)
def test_intact_files_that_are_not_models_are_refused(corpus: dict[str, Path], name: str) -> None:
    said, expected = refused(corpus[name]), bad_models.BAD[name].said
    for part in (expected,) if isinstance(expected, str) else expected:
        assert part in said


@pytest.mark.parametrize("name", bad_models.RAW)
def test_files_that_are_not_model_files_are_refused(corpus: dict[str, Path], name: str) -> None:
    said = refused(corpus[f"raw: {name}"])
    assert "damaged" in said or "expected a model file" in said
    assert ("\n" in said) == (name == "pickle")  # which is told how to convert it


@pytest.mark.parametrize("name", ["spec: huge layer", "raw: huge shape", "raw: huge header"])
def test_claimed_sizes_take_no_memory(corpus: dict[str, Path], name: str) -> None:
    refused(corpus[name])  # imports everything needed
    tracemalloc.start()
    try:
        refused(corpus[name])
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_checkpoint_is_not_taken_for_a_model(tmp_path: Path) -> None:
    network = Network(plan_text(bad_models.SPEC, "spec"))
    progress = start(network, network.plan.spec.train)
    path = tmp_path / "checkpoint.safetensors"
    state = State(0, 0, 1, 0.0, Best(), {}, {}, {}, [])
    checkpoint.save(path, network, progress, state, dict(bad_models.IMAGES))
    expected = tmp_path / "model.safetensors"
    assert refused(path) == f"{path}: is the checkpoint of a run; expected its model, {expected}"


@pytest.mark.parametrize("command", ["evaluate", "predict"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("spec", "is a text file"),
        ("picture", "is a PNG picture"),
        ("folder", "is a folder"),
        ("nothing", "no such file"),
    ],
)
def test_commands_say_which_file_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str, said: str
) -> None:
    path = tmp_path / kind
    if kind == "spec":
        path.write_text(bad_models.SPEC, "utf-8")
    elif kind == "picture":
        Image.new("L", (4, 4)).save(path, "PNG")
    elif kind == "folder":
        path.mkdir()
    assert run([command, str(path), *([str(path)] if command == "predict" else [])]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: {said}; expected a model file, such as runs/NAME/001/model.safetensors\n"
    )


def test_initial_weights_that_are_not_finite_are_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    bad_models.write_good(path)
    tensors, metadata = tensorfile.read(path)
    tensors["fc.bias"][0], tensors["conv.weight"][0] = np.nan, np.inf
    tensorfile.write(path, tensors, metadata)
    with pytest.raises(ModelFileError) as caught:
        file.load_matching(Network(plan_text(bad_models.SPEC, "spec")), path)
    assert str(caught.value) == (
        f"{path}: cannot be used as initial weights:\n"
        "  conv.weight: has non-finite values\n"
        "  fc.bias: has non-finite values"
    )
