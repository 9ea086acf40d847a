"""Files of any name, and special files, in the commands that take paths."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Call
from tests.support import bad_models

NAMES = [
    "with spaces.png",
    "数字 七.png",
    "schöne.PNG",
    "-x.png",
    "--json.png",
    "$HOME;'.png",
    "%d.png",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bad_models.write_good(Path("模型 a.safetensors"))
    picture = np.full((30, 20), 255, np.uint8)
    picture[5:25, 9:12] = 0
    for name in NAMES:
        Image.fromarray(picture).save(name)


@pytest.mark.parametrize("name", NAMES)
def test_predict_takes_files_of_any_name(call: Call, name: str) -> None:
    said = call("predict", "模型 a.safetensors", "--json", "--", name)
    assert said.status == 0, said.err
    assert [row["path"] for row in said.json] == [name]
    assert call("predict", "模型 a.safetensors", f".{os.sep}{name}").status == 0


def test_a_name_that_looks_like_an_option_is_explained(call: Call) -> None:
    said = call("predict", "模型 a.safetensors", "-x.png")
    assert said.status == 2
    assert "-x" in said.err
    assert f"write a file name that starts with - as .{os.sep}-x.png" in said.err


def test_specs_and_folders_of_any_name(call: Call) -> None:
    folder = Path("Ordner – 文件夹")
    folder.mkdir()
    for name in ("- spec.yaml", "规格.yaml"):
        (folder / name).write_text(bad_models.SPEC, "utf-8")
        assert call("summary", folder / name).out.startswith("small: input 1×4×4")
    (folder / "child.yaml").write_text("lenetkit: 1\nname: child\nextends: 规格.yaml\n", "utf-8")
    assert call("summary", folder / "child.yaml").out.startswith("child: input 1×4×4")


def test_predict_on_a_folder_of_nothing_and_on_a_folder_of_folders(call: Call) -> None:
    Path("empty").mkdir()
    said = call("predict", "模型 a.safetensors", "empty")
    assert said.status == 2
    assert "empty: no pictures among the 0 files directly in this folder" in said.err
    Path("folders/a.png").mkdir(parents=True)
    assert "no pictures among the 0 files" in call("predict", "模型 a.safetensors", "folders").err


def test_predict_names_files_that_are_not_pictures_and_reads_the_rest(call: Call) -> None:
    Path("notes.txt").write_text("hello", "utf-8")
    things = ["notes.txt", os.devnull, "模型 a.safetensors", NAMES[0]]
    kinds = ["is a text file", "is a device", "is a safetensors file"]
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.png")
        things.append("pipe.png")
        kinds.append("is a pipe; expected a picture")
    said = call("predict", "模型 a.safetensors", *things)
    assert said.status == 0
    assert NAMES[0] in said.out
    for kind in kinds:
        assert kind in said.err
    assert said.err.count("not read: ") == len(kinds)


BROKEN = "two\nlines\x1b[31m"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", BROKEN),
        ("evaluate", f"./{BROKEN}"),
        ("predict", "模型 a.safetensors", BROKEN),
        ("train", f"--resume={BROKEN}"),
        ("plot", f"{BROKEN}/run"),
        ("summary", "lenet5", "--plugin", BROKEN),
    ],
)
def test_a_name_of_several_lines_is_shown_on_one(call: Call, arguments: tuple[str, ...]) -> None:
    said = call(*arguments)
    assert said.status == 2
    assert "two\\nlines\\x1b[31m" in said.err
    assert "two\nlines" not in said.err
    assert "\x1b" not in said.err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_picture_of_such_a_name_found_in_a_folder_is_too(call: Call) -> None:
    Path("folder").mkdir()
    Path("folder", f"{BROKEN}.png").write_bytes(b"no picture")
    said = call("predict", "模型 a.safetensors", "folder")
    assert said.status == 2
    assert said.err.startswith("error: folder/two\\nlines\\x1b[31m.png: is ")
    assert said.err.count("\n") == 1


def test_a_line_break_alone_does_not_corrupt_messages(call: Call) -> None:
    said = call(
        "summary", "lenet5", "--set", "name=null\n", "--set", "train.epoch=1", "--set", "x=1"
    )
    assert said.err.count("error: ") == len(said.err.splitlines()) > 1
