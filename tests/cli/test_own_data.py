"""People's own data, from the command line: what is refused says what reads it, and that does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import lenetkit
from lenetkit.data.finding import file_names
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.source import SPLITS
from lenetkit.data.strokes import draw_digits
from tests.cli.conftest import Call
from tests.support.specs import SMALL

MakeIdx = Callable[..., Path]
NAMES = [name for split in SPLITS for name in file_names(split)]
IDX = ("--set", "data.type=idx")


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 and 100 drawn digits, sorted by class, in a folder of the current one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "digits"
    folder.mkdir()
    for seed, (split, count) in enumerate((("train", 200), ("test", 100))):
        images, labels = file_names("train" if split == "train" else "test")
        classes = np.sort(np.arange(count) % 10)
        write_idx(folder / images, draw_digits(classes, np.random.default_rng(seed)))
        write_idx(folder / labels, classes.astype(np.uint8))
    return folder


def change(folder: Path, what: str, how: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Rewrite the images or the labels of both splits."""
    for name in NAMES:
        if what in name:
            write_idx(folder / name, how(read_idx(folder / name)))


def train(call: Call, folder: Path, *more: str) -> Any:
    return call("train", "lenet5", "--data-dir", folder, "--epochs", "1", "--out", "run", *more)


def expect_refused(call: Call, folder: Path, option: str, words: str) -> None:
    """Refused by a message with the option, which then reads the data."""
    said = train(call, folder, *IDX)
    assert said.status == 2
    assert words in said.err
    assert f"data.{option.replace('=', ': ')}" in said.err
    assert f"--set data.{option}" in said.err
    assert not Path("run").exists()
    said = call("data", "info", "--data-dir", folder, *IDX, "--set", f"data.{option}")
    assert said.status == 0, said.err


def test_dotted_names_in_the_named_folder_are_what_is_used(call: Call, digits: Path) -> None:
    for name in NAMES:
        (digits / name).rename(digits / name.replace("-idx", ".idx"))
    before = sorted(digits.iterdir())
    said = train(call, digits)
    assert said.status == 0
    assert "\ndigits: 200 training + 100 test images\n" in said.err
    assert sorted(digits.iterdir()) == before


def test_labels_from_one(call: Call, digits: Path) -> None:
    change(digits, "labels", lambda labels: labels + 1)
    expect_refused(call, digits, "label_offset=1", "labels start at 1 and go up to 10")
    train(call, digits, *IDX, "--set", "data.label_offset=1")
    rows = call("evaluate", "run", "--data-dir", digits).out.splitlines()[4:14]
    assert [row.split()[0] for row in rows] == [str(label) for label in range(1, 11)]


def test_transposed_and_labels_from_one(call: Call, digits: Path) -> None:
    change(digits, "labels", lambda labels: labels + 1)
    change(digits, "images", lambda images: images.transpose(0, 2, 1))
    for how in ((), IDX):
        said = train(call, digits, *how)
        assert said.status == 2
        *_, settings = said.err.splitlines()
        assert settings == "  together: --set data.label_offset=1 --set data.transpose=true"
    assert train(call, digits, *settings.split()[1:]).status == 0


def test_evaluate_takes_the_options_that_its_messages_name(call: Call, digits: Path) -> None:
    assert train(call, digits, *IDX).status == 0
    shutil.copytree(digits, "others")
    change(Path("others"), "labels", lambda labels: labels + 1)
    for data in ((), ("--data", "idx")):
        said = call("evaluate", "run", "--data-dir", "others", *data)
        assert said.status == 2
        assert "--set data.label_offset=1" in said.err
        said = call("evaluate", "run", "--data-dir", "others", *data, "--json",
                    "--set", "data.label_offset=1")  # fmt: skip
        assert said.status == 0, said.err
        own = call("evaluate", "run", "--data-dir", digits, "--json")
        assert said.json["confusion"] == own.json["confusion"]
    for path in ("train.seed=3", "data.transforms=[]", "data.preparation=resize"):
        said = call("evaluate", "run", "--data-dir", digits, "--set", path)
        assert said.status == 2
        assert "evaluate takes the model as it is; expected options of the data set" in said.err


def test_an_archive_is_a_data_dir(call: Call, digits: Path) -> None:
    shutil.make_archive("mine", "zip", digits)
    assert train(call, Path("mine.zip"), *IDX).status == 0
    said = call("evaluate", "run", "--data-dir", digits, "--json")
    assert (said.json["dataset"], said.json["same_as_training"]) == ("digits", True)


def test_classes_of_other_names_are_compared_by_number_and_said(call: Call, digits: Path) -> None:
    named = "--set=data.classes=[a,b,c,d,e,f,g,h,i,j]"
    assert train(call, digits, *IDX, named).status == 0
    said = call("evaluate", "run", "--data-dir", digits)
    assert said.err == ""
    said = call("evaluate", "run", "--data-dir", digits, "--data", "idx")
    assert said.err == (
        "warning: the classes of digits are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, those of the model a, b, "
        "c, d, e, f, g, h, i, j; they are compared by number\n"
    )


def test_more_classes_than_outputs_say_what_to_set(call: Call, digits: Path) -> None:
    change(digits, "labels", lambda labels: np.arange(len(labels), dtype=np.uint8) % 12)
    said = train(call, digits, *IDX)
    assert said.status == 2
    *_, remedy = said.err.split()
    assert remedy == "layers.fc3.out_features=12"


def test_held_out_samples_of_a_sorted_set(call: Call, digits: Path) -> None:
    said = train(call, digits, *IDX, "--set", "data.validation=50", "--epochs", "2")
    assert said.status == 0
    assert "digits: 150 training + 50 held out + 100 test images" in said.err
    assert "held out" in said.err.splitlines()[2]
    columns = Path("run/metrics.csv").read_text("utf-8").splitlines()[0]
    assert columns.endswith(",seconds,validation_loss,validation_accuracy")
    said = call("evaluate", "run", "--data-dir", digits, "--split", "train", "--json")
    assert np.sum(said.json["confusion"], axis=1).tolist() == [15] * 10
    assert said.json["same_as_training"] is True


def test_a_run_with_drawn_samples_resumes(call: Call, digits: Path) -> None:
    drawn = ["--set", "data.validation=0.2", "--set", "data.limit=100"]
    assert train(call, digits, *IDX, *drawn).status == 0
    said = call("train", "--resume", "run", "--epochs", "2", "--data-dir", digits)
    assert said.status == 0
    assert "80 training + 20 held out + 100 test images" in said.err


def test_training_files_only(call: Call, digits: Path) -> None:
    for name in file_names("test"):
        (digits / name).unlink()
    expect_refused(call, digits, "test_share=0.1", "no file t10k-images-idx3-ubyte")
    train(call, digits, *IDX, "--set", "data.test_share=0.1")
    said = call("evaluate", "run", "--data-dir", digits, "--json")
    assert (said.json["n"], said.json["same_as_training"]) == (20, True)
    said = call("data", "fetch", "--data-dir", digits, *IDX, "--set", "data.test_share=0.1")
    assert said.out == "digits, train: 200 images\n"
    said = call(
        "data", "info", "--data-dir", digits, *IDX, "--set", "data.test_share=0.1", "--json"
    )
    assert (said.json["train"]["n"], said.json["test"]["n"]) == (180, 20)


def test_channels_last(call: Call, digits: Path) -> None:
    change(digits, "images", lambda images: images[..., None])
    expect_refused(call, digits, "channels=last", "channels last")


def test_transposed(call: Call, digits: Path) -> None:
    change(digits, "images", lambda images: images.transpose(0, 2, 1))
    expect_refused(call, digits, "transpose=true", "transposed")


def test_label_columns(call: Call, digits: Path) -> None:
    change(digits, "labels", lambda labels: labels[:, None])
    assert call("data", "info", "--data-dir", digits, *IDX).status == 0
    change(digits, "labels", lambda labels: np.hstack([labels, labels]))
    expect_refused(call, digits, "label_column=0", "columns; say which column is the class")


def test_pictures_given_to_predict_are_never_turned(call: Call, digits: Path) -> None:
    """Two models of the same weights, one of them trained on transposed files."""
    assert train(call, digits, *IDX).status == 0
    shutil.move("run", "upright")
    change(digits, "images", lambda images: images.transpose(0, 2, 1))
    assert train(call, digits, *IDX, "--set", "data.transpose=true").status == 0
    Image.fromarray(read_idx(digits / NAMES[2])[0].T).resize((280, 280)).save("seven.png")
    answers = [call("predict", run, "seven.png", "--json").json for run in ("run", "upright")]
    assert answers[0] == answers[1]


# --- evaluate names the data that it used --------------------------------------------------------


def test_evaluate_says_by_digest_where_data_are_not_those_of_the_training(
    call: Call, digits: Path, tmp_path: Path
) -> None:
    assert train(call, digits, *IDX, "--set", "data.title=mine").status == 0
    said = call("evaluate", "run", "--data-dir", digits, "--json")
    assert (said.err, said.json["same_as_training"]) == ("", True)
    shutil.copytree(digits, tmp_path / "other")
    change(tmp_path / "other", "images", lambda images: images[::-1])
    said = call("evaluate", "run", "--data-dir", tmp_path / "other")
    assert said.status == 0
    first, *files = said.err.splitlines()
    assert first.startswith("note: these mine test samples are not those of the training: their d")
    assert files == [f"  {tmp_path / 'other' / name}" for name in file_names("test")]
    said = call("evaluate", "run", "--data", "idx", "--data-dir", tmp_path / "other", "--json")
    assert "note: the model was trained on mine, not on other" in said.err
    assert (said.json["dataset"], said.json["same_as_training"]) == ("other", False)


# --- a folder of pictures ------------------------------------------------------------------------


def test_a_network_is_trained_on_a_folder_of_pictures(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for label, name in enumerate(("dark", "grey", "light")):
        for number in range(20):
            path = tmp_path / "shades" / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = Image.new("L", (9, 7), 100 * label + number)
            shade.paste(255 - 100 * label, (2, 2, 5, 5))
            shade.save(path)
    Path("small.yaml").write_text(SMALL, "utf-8")
    own = ["--set", "data.type=folder", "--set", "data.title=null"]
    said = call("train", "small.yaml", *own, "--data-dir", "shades")
    assert said.status == 2
    assert "data.test_share: 0.1" in said.err
    own += ["--set", "data.test_share=0.2", "--set", "data.validation=0.25"]
    said = call(
        "train", "small.yaml", *own, "--data-dir", "shades", "--out", "run", "--epochs", "1"
    )
    assert said.status == 0, said.err
    assert "shades: 36 training + 12 held out + 12 test images" in said.err
    said = call("evaluate", "run", "--data-dir", "shades", "--json")
    assert said.json["same_as_training"] is True
    said = call("predict", "run", "shades/light/3.jpg", "--json")
    assert said.json[0]["label"] in ("dark", "grey", "light")


def test_a_model_of_arrays_is_evaluated_on_what_is_named(call: Call, digits: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28), np.uint8), np.arange(40) % 10
    lenetkit.fit("lenet5", images, labels, epochs=1).save("model.safetensors")
    said = call("evaluate", "model.safetensors")
    assert (said.status, said.out, said.err) == (
        2,
        "",
        "error: model.safetensors: was trained on arrays from Python, which it does not hold; pass "
        "files of such data with --data-dir, or evaluate it from Python: "
        "lenetkit.load(…).evaluate(X, y)\n",
    )
    assert call("evaluate", "model.safetensors", "--data-dir", digits).status == 0
