"""`lenetkit data`: where files are looked for, and what is said if they are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lenetkit.data import mnist
from lenetkit.data.finding import file_names
from tests.cli.conftest import Call

MakeIdx = Callable[..., Path]
TRAIN_IMAGES = file_names("train")[0]


@pytest.mark.parametrize("command", ["fetch", "info", "show"])
def test_a_data_dir_without_the_files_is_refused_and_described(
    call: Call, small: Path, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "空"
    folder.mkdir()
    (folder / "notes.txt").touch()
    said = call("data", command, "--spec", small, "--data-dir", folder)
    assert said.status == 2
    assert said.err == (
        f"error: no file {TRAIN_IMAGES} or {TRAIN_IMAGES}.gz; {folder} holds notes.txt; expected "
        f"{', '.join(mnist.SHA256)}\n"
    )
    said = call("data", "info", "--spec", small, "--data-dir", tmp_path / "digits")
    assert (said.status, said.err) == (0, "")
    assert f"  {tmp_path / 'digits' / TRAIN_IMAGES}\n" in said.out


def test_the_spec_is_an_argument(call: Call, small: Path) -> None:
    said = call("data", "info", small)
    assert (said.status, said.out) == (0, call("data", "info", "--spec", small).out)
    said = call("data", "info", small, "--spec", small)
    assert said.status == 2
    assert said.err.startswith("error: the spec is given twice, as SPEC and as --spec\n")


@pytest.mark.parametrize("command", [["train", "lenet5"], ["data", "fetch"], ["data", "info"]])
def test_mnist_is_never_downloaded_into_a_folder_that_holds_something_else(
    call: Call, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "letter.docx").touch()
    said = call(*command, "--data-dir", tmp_path)
    assert said.status == 2
    assert "downloading" not in said.err
    assert f"{tmp_path} holds letter.docx; expected train-images-idx3-ubyte, " in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.docx"]


@pytest.mark.parametrize("option", [[], ["--data-dir", "given"]])
def test_offline_the_manual_steps_are_given(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call("data", "fetch", *option)
    assert said.status == 2
    folder = option[-1] if option else "MNIST"
    assert f"downloading train-images-idx3-ubyte.gz to {folder}\n" in said.err
    for mirror in mnist.MIRRORS:
        assert f"    {mirror}train-images-idx3-ubyte.gz: tests have no network" in said.err
    manual = f"  Manually: put {', '.join(mnist.SHA256)} (plain or .gz) into {folder}, or pass "
    assert manual in said.err
    assert list((tmp_path / folder).iterdir()) == []


def test_samples_are_drawn_as_the_network_gets_them(call: Call, small: Path) -> None:
    """In training through all transforms, in evaluation without the random ones."""

    def sheet(*options: str) -> NDArray[np.int64]:
        set_ = "data.transforms=[{type: flip, horizontal: 1}, scale]"
        said = call("data", "show", small, "--set", set_, *options)
        assert (said.status, said.out) == (0, "samples.png\n"), said.err
        with Image.open("samples.png") as picture:
            return np.asarray(picture.convert("L"), np.int64)[200:]  # without the title

    for split, differs in (("train", True), ("test", False)):
        plain, transformed = sheet("--split", split), sheet("--split", split, "--transformed")
        assert (np.abs(plain - transformed).max() > 10) == differs
