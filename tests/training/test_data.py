"""From a spec's `data` to samples that fit the network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.idx_folder import IdxFolder, file_names
from lenetkit.data.source import Place
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import Scale, Standardize
from lenetkit.errors import DataError, MissingDataError
from lenetkit.network.plan import Plan, plan_text
from lenetkit.spec.sections import DataOptions, DataSpec
from lenetkit.training.data import (
    TrainingData,
    load_samples,
    load_training_data,
    place_for,
    with_fitted_transforms,
)

MakeIdx = Callable[..., Path]
TRAIN_IMAGES, TRAIN_LABELS = file_names("train")
TEST_IMAGES, TEST_LABELS = file_names("test")


def plan(
    shape: tuple[int, ...] = (1, 8, 8), classes: int = 3, transforms: Any = ("scale",), **data: Any
) -> Plan:
    """A network of one layer, on IDX files unless `data` says otherwise."""
    spec = {
        "lenetkit": 1,
        "name": "tiny",
        "input": list(shape),
        "layers": {"flat": "flatten", "fc": {"type": "linear", "out_features": classes}},
        "data": {"type": "idx", "transforms": list(transforms)} | data,
    }
    return plan_text(json.dumps(spec), "tiny.yaml")


def load(folder: Path, **options: Any) -> TrainingData:
    return load_training_data(plan(**options), folder)


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, **options)
    return str(caught.value)


# --- places to look --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_dir", "environment", "data_option", "folders", "download_to"),
    [
        ("a", "b", "c", ["a", "b", "c", "MNIST"], "c"),
        ("a", "b", None, ["a", "b", "MNIST"], "b"),
        ("a", None, "c", ["a", "c", "MNIST"], "c"),
        (None, "b", "c", ["b", "c", "MNIST"], "c"),
        ("a", None, None, ["a", "MNIST"], "a"),
        (None, "b", None, ["b", "MNIST"], "b"),
        (None, None, "c", ["c", "MNIST"], "c"),
        (None, None, None, ["MNIST"], "MNIST"),
        (None, "", None, ["MNIST"], "MNIST"),
    ],
)
def test_places_are_in_order_and_downloads_go_to_the_last_named(
    monkeypatch: pytest.MonkeyPatch,
    data_dir: str | None,
    environment: str | None,
    data_option: str | None,
    folders: list[str],
    download_to: str,
) -> None:
    if environment is not None:
        monkeypatch.setenv("LENETKIT_DATA", environment)
    spec = DataSpec(IdxFolder(), DataOptions(dir=data_option, transforms=()))
    place = place_for(spec, Path(data_dir) if data_dir else None, print)
    assert place == Place(tuple(map(Path, folders)), Path(download_to), print)


def test_first_place_that_has_the_files_is_used(
    make_idx: MakeIdx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("given", "environment", "spec", "MNIST"):
        make_idx(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENETKIT_DATA", str(tmp_path / "environment"))
    used = []
    for name in ("given", "environment", "spec", "MNIST"):
        data = load(tmp_path / "given", dir=str(tmp_path / "spec"))
        used.append(data.train.dataset)
        for file in (tmp_path / name).iterdir():
            file.unlink()
    assert used == ["given", "environment", "spec", "MNIST"]
    with pytest.raises(MissingDataError, match=r"looked in .*given, .*environment, .*spec, MNIST"):
        load(tmp_path / "given", dir=str(tmp_path / "spec"))


# --- the fallback ---------------------------------------------------------------------------


def test_fallback_is_used_with_a_warning_if_data_is_missing(tmp_path: Path) -> None:
    reports: list[str] = []
    spec = plan((1, 28, 28), 10, fallback={"type": "synthetic_digits", "train": 20, "test": 10})
    data = load_training_data(spec, tmp_path / "none", reports.append)
    assert (len(data.train), len(data.test)) == (20, 10)
    assert data.train.dataset == data.test.dataset == "synthetic digits"
    assert data.preparation == "digit"
    warnings = [report for report in reports if report.startswith("warning: ")]
    assert len(warnings) == 1  # both splits come from the fallback: one search, one warning
    assert TRAIN_IMAGES in warnings[0]


def test_without_a_fallback_missing_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no file train-images"):
        load(tmp_path)


def test_fallback_is_not_used_if_data_is_found(make_idx: MakeIdx) -> None:
    samples, source = load_samples(
        DataSpec(IdxFolder(), DataOptions(fallback=SyntheticDigits(), transforms=())),
        "train",
        Place((make_idx("mine"),)),
    )
    assert samples.dataset == "mine"
    assert source == IdxFolder()


def test_damaged_data_is_an_error_despite_a_fallback(make_idx: MakeIdx) -> None:
    folder = make_idx()
    (folder / TRAIN_IMAGES).write_bytes(b"")
    message = refusal(folder, fallback={"type": "synthetic_digits", "train": 20, "test": 10})
    assert str(folder / TRAIN_IMAGES) in message


def test_the_fallback_never_replaces_a_single_split(make_idx: MakeIdx) -> None:
    folder = make_idx("mine", size=(28, 28))
    (folder / TEST_IMAGES).unlink()
    message = refusal(
        folder,
        shape=(1, 28, 28),
        classes=10,
        fallback={"type": "synthetic_digits", "train": 20, "test": 10},
    )
    assert TEST_IMAGES in message


# --- what does not fit ----------------------------------------------------------------------


def test_data_that_fits_is_loaded(make_idx: MakeIdx) -> None:
    data = load(make_idx("mine", channels=3, size=(5, 7), classes=4), shape=(3, 5, 7), classes=4)
    assert data.train.images.shape == (12, 3, 5, 7)
    assert data.test.images.shape == (6, 3, 5, 7)
    assert data.validation is None
    assert data.preparation == "resize"


def test_images_of_another_size_are_refused_with_the_remedy(make_idx: MakeIdx) -> None:
    assert refusal(make_idx("mine", size=(6, 7))) == (
        "mine: images are 1×6×7; the spec's input is 1×8×8; set `input` to [1, 6, 7], "
        "or pad the images with a transform"
    )


def test_message_gives_the_shape_after_the_transforms(make_idx: MakeIdx) -> None:
    transforms = [{"type": "pad", "padding": 2}, "scale"]
    message = refusal(make_idx("mine", size=(6, 6)), transforms=transforms)
    assert "images are 1×6×6, 1×10×10 after the transforms; the spec's input is 1×8×8" in message
    assert "set `input` to [1, 10, 10]" in message


def test_padding_makes_images_fit(make_idx: MakeIdx) -> None:
    folder = make_idx(size=(6, 4))
    data = load(folder, transforms=[{"type": "pad", "padding": [1, 2]}, "scale"])
    assert data.pipeline.images(data.train.images, np.float32).shape == (12, 1, 8, 8)


def test_channels_must_fit_too(make_idx: MakeIdx) -> None:
    assert "images are 3×8×8; the spec's input is 1×8×8" in refusal(make_idx(channels=3))


def test_test_images_must_fit_too(make_idx: MakeIdx) -> None:
    folder = make_idx()
    write_idx(folder / TEST_IMAGES, np.zeros((6, 8, 9), np.uint8))
    assert "images are 1×8×9" in refusal(folder)


@pytest.mark.parametrize("name", ["training", "test"])
def test_more_classes_than_outputs_are_refused(make_idx: MakeIdx, name: str) -> None:
    folder = make_idx("mine")
    path = folder / (TRAIN_LABELS if name == "training" else TEST_LABELS)
    labels = read_idx(path)
    labels[-1] = 6
    write_idx(path, labels)
    assert refusal(folder) == (
        f"mine: {name} labels go up to 6, but the network's last layer has 3 outputs; "
        "it needs at least 7"
    )


def test_labels_of_held_out_samples_are_checked_too(make_idx: MakeIdx) -> None:
    folder = make_idx("mine")
    labels = read_idx(folder / TRAIN_LABELS)
    labels[-1] = 6
    write_idx(folder / TRAIN_LABELS, labels)
    assert "training labels go up to 6" in refusal(folder, validation=4)


def test_fewer_classes_than_outputs_are_fine(make_idx: MakeIdx) -> None:
    assert len(load(make_idx(classes=2), classes=10).train) == 12


@pytest.mark.parametrize("transforms", [["scale"], ["standardize"]])
@pytest.mark.parametrize(("counts", "name"), [((0, 6), "training"), ((12, 0), "test")])
def test_empty_splits_are_refused(
    make_idx: MakeIdx, counts: tuple[int, int], name: str, transforms: list[str]
) -> None:
    folder = make_idx("mine", train=counts[0], test=counts[1])
    assert refusal(folder, transforms=transforms) == f"mine: there are no {name} samples"


# --- validation and fitting -----------------------------------------------------------------


@pytest.mark.parametrize("held_out", [1, 5, 11])
def test_the_last_training_samples_are_held_out(make_idx: MakeIdx, held_out: int) -> None:
    folder = make_idx()
    everything = load(folder).train
    data = load(folder, validation=held_out)
    assert data.validation is not None
    kept = 12 - held_out
    assert (len(data.train), len(data.validation), len(data.test)) == (kept, held_out, 6)
    np.testing.assert_array_equal(data.train.images, everything.images[:kept])
    np.testing.assert_array_equal(data.validation.images, everything.images[kept:])
    np.testing.assert_array_equal(data.validation.labels, everything.labels[kept:])


@pytest.mark.parametrize("held_out", [12, 13, 1_000_000])
def test_holding_out_everything_is_refused(make_idx: MakeIdx, held_out: int) -> None:
    assert refusal(make_idx(), validation=held_out) == (
        f"data.validation: expected fewer than the 12 training samples, found {held_out:,}"
    )


def test_transforms_are_fitted_to_training_samples_only(make_idx: MakeIdx) -> None:
    data = load(make_idx(), transforms=["standardize"], validation=5)
    expected = Standardize().fitted(data.train.images)
    assert expected.mean is not None
    assert data.pipeline.transforms == (expected,)
    assert expected != Standardize().fitted(data.test.images)


def test_fitted_transforms_are_part_of_the_plan_and_its_spec(make_idx: MakeIdx) -> None:
    before = plan(transforms=["standardize", "one_hot"])
    data = load_training_data(before, make_idx())
    after = with_fitted_transforms(before, data.pipeline)
    assert after.spec.data.options.transforms == data.pipeline.transforms
    assert before.spec.data.options.transforms[0] == Standardize()
    again = plan_text(after.to_yaml(), "again.yaml")
    assert again.spec.data.options.transforms == data.pipeline.transforms
    refitted = again.spec.data.options.transforms[0].fitted(np.zeros((1, 1, 8, 8), np.uint8))
    assert refitted == data.pipeline.transforms[0]


def test_a_plan_with_nothing_to_fit_is_unchanged(make_idx: MakeIdx) -> None:
    before = plan()
    data = load_training_data(before, make_idx())
    assert with_fitted_transforms(before, data.pipeline) == before
    assert data.pipeline.transforms == (Scale(),)
    assert data.pipeline.classes == 3


def test_a_folder_that_is_not_read_is_named(tmp_path: Path) -> None:
    told: list[str] = []
    spec = DataSpec(SyntheticDigits(), DataOptions(transforms=()))
    place_for(spec, tmp_path, told.append)
    assert told == [f"note: {tmp_path} is ignored: the data set reads no files"]
    place_for(spec, None, told.append)
    assert len(told) == 1


# --- how pictures are prepared --------------------------------------------------------------


def test_preparation_is_as_the_spec_says(make_idx: MakeIdx) -> None:
    folder = make_idx("mine", channels=1, size=(28, 28), classes=4)
    fit = {"shape": (1, 28, 28), "classes": 4}
    assert load(folder, **fit).preparation == "resize"  # noise up to the edge
    assert load(folder, **fit, preparation="digit").preparation == "digit"


def test_digits_have_one_channel(make_idx: MakeIdx) -> None:
    folder = make_idx("mine", channels=3, size=(5, 7), classes=4)
    with pytest.raises(DataError, match=r"data\.preparation: 'digit' makes images of one channel"):
        load(folder, shape=(3, 5, 7), classes=4, preparation="digit")
