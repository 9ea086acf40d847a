"""From a spec's `data` to samples that fit the network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import lenetkit
from lenetkit.data.finding import file_names
from lenetkit.data.idx import read_idx, write_idx
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import Place, Split
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import Scale, Standardize
from lenetkit.errors import (
    DataError,
    LenetkitWarning,
    MissingDataError,
    PluginError,
    SpecError,
)
from lenetkit.network.plan import Plan, plan_text
from lenetkit.spec.sections import DataOptions, DataSpec
from lenetkit.training.data import (
    TrainingData,
    load_samples,
    load_training_data,
    place_for,
    with_fitted_transforms,
)
from tests.support.blind_data import CutsARow, SaysItCuts, To255

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
    ("data_dir", "environment", "data_option", "folder", "named_by"),
    [
        ("a", "b", "c", "a", "--data-dir"),
        ("a", None, None, "a", "--data-dir"),
        (None, "b", "c", "c", "data.dir"),
        (None, None, "c", "c", "data.dir"),
        (None, "b", None, "b", "LENETKIT_DATA"),
        (None, None, None, "MNIST", ""),
        (None, "", None, "MNIST", ""),
    ],
)
def test_the_first_folder_that_is_named_is_the_one(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    data_dir: str | None,
    environment: str | None,
    data_option: str | None,
    folder: str,
    named_by: str,
) -> None:
    if environment is not None:
        monkeypatch.setenv("LENETKIT_DATA", environment)
    options: dict[str, Any] = {"dir": str(tmp_path / data_option)} if data_option else {}
    spec = plan(**options)
    place = place_for(spec, Path(data_dir) if data_dir else None, print)
    expected = tmp_path / folder if folder == data_option else Path(folder)
    assert replace(place, report=print) == Place(
        expected.resolve() if folder == data_option else expected, named_by, (1, 8, 8), print
    )


def test_a_note_is_said_once(make_idx: MakeIdx) -> None:
    folder, reports = make_idx("mine"), list[str]()
    load_training_data(plan(type="mnist"), folder, reports.append)
    assert reports == [f"note: {folder}: not MNIST's files; loading them as another data set"]


def test_outputs_without_a_class_are_told(make_idx: MakeIdx) -> None:
    folder, reports = make_idx("mine"), list[str]()
    load_training_data(plan(classes=10), folder, reports.append)
    assert reports == [
        "note: mine has 3 classes, and the network's last layer 10 outputs: "
        "--set layers.fc.out_features=3"
    ]


def test_no_other_folder_replaces_one_that_is_named(
    make_idx: MakeIdx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("given", "environment", "spec", "MNIST"):
        make_idx(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENETKIT_DATA", str(tmp_path / "environment"))
    assert load(tmp_path / "given", dir=str(tmp_path / "spec")).train.dataset == "given"
    assert load_training_data(plan(dir=str(tmp_path / "spec"))).train.dataset == "spec"
    assert load_training_data(plan()).train.dataset == "environment"
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match=r"empty is empty; expected train-images"):
        load(tmp_path / "empty", dir=str(tmp_path / "spec"))
    monkeypatch.setenv("LENETKIT_DATA", str(tmp_path / "empty"))
    with pytest.raises(MissingDataError, match=r"empty \(from LENETKIT_DATA\) is empty"):
        load_training_data(plan())
    monkeypatch.delenv("LENETKIT_DATA")
    assert load_training_data(plan()).train.dataset == "MNIST"


@pytest.mark.parametrize("by", ["data_dir", "spec", "environment"])
def test_the_fallback_does_not_replace_a_folder_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    options: dict[str, Any] = {"fallback": {"type": "synthetic_digits", "train": 20, "test": 10}}
    if by == "spec":
        options["dir"] = str(tmp_path)
    if by == "environment":
        monkeypatch.setenv("LENETKIT_DATA", str(tmp_path))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MissingDataError) as caught:
        load_training_data(plan((1, 28, 28), 10, **options), tmp_path if by == "data_dir" else None)
    assert "holds notes.txt; expected train-images-idx3-ubyte, " in str(caught.value)
    assert "the spec's fallback is not used, because " in str(caught.value)


# --- the fallback ---------------------------------------------------------------------------


def test_fallback_is_used_with_a_warning_if_data_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reports: list[str] = []
    spec = plan((1, 28, 28), 10, fallback={"type": "synthetic_digits", "train": 20, "test": 10})
    data = load_training_data(spec, report=reports.append)
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
    spec = plan(fallback="synthetic_digits")
    samples, source = load_samples(spec, "train", Place(make_idx("mine")))
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
        "mine: training images are 1×6×7; the spec's input is 1×8×8; set `input` to [1, 6, 7], "
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
        f"mine: the {name} samples have 7 classes, but the network's last layer has 3 outputs; "
        "it needs at least 7: --set layers.fc.out_features=7"
    )


def test_labels_of_held_out_samples_are_checked_too(make_idx: MakeIdx) -> None:
    folder = make_idx("mine")
    labels = read_idx(folder / TRAIN_LABELS)
    labels[-1] = 6
    write_idx(folder / TRAIN_LABELS, labels)
    assert "the training samples have 7 classes" in refusal(folder, validation=4)


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


def rows_of(part: Any, whole: Any) -> list[int]:
    """Where the images of a part are in the whole; all images differ."""
    places = {image.tobytes(): row for row, image in enumerate(whole.images)}
    return [places[image.tobytes()] for image in part.images]


@pytest.mark.parametrize(("held_out", "count"), [(1, 1), (5, 5), (9, 9), (0.25, 3), (0.01, 1)])
def test_held_out_samples_are_drawn_across_the_classes_by_the_seed(
    make_idx: MakeIdx, held_out: float, count: int
) -> None:
    folder = make_idx()
    everything = load(folder).train
    data = load(folder, validation=held_out)
    assert data.validation is not None
    rows = [rows_of(part, everything) for part in (data.train, data.validation)]
    assert sorted(rows[0] + rows[1]) == list(range(12))
    assert [sorted(part) for part in rows] == rows  # in the files' order
    assert (len(rows[1]), len(data.test)) == (count, 6)
    per_class = np.bincount(data.validation.labels, minlength=3)
    assert per_class.max() - per_class.min() <= 1
    assert rows_of(load(folder, validation=held_out).validation, everything) == rows[1]


def test_another_seed_holds_out_others(make_idx: MakeIdx) -> None:
    folder, drawn = make_idx(train=60), set()
    for seed in range(5):
        spec = plan(validation=6)
        spec = replace(spec, spec=replace(spec.spec, train=replace(spec.spec.train, seed=seed)))
        drawn.add(load_training_data(spec, folder).digests()["validation"])
    assert len(drawn) == 5


@pytest.mark.parametrize("held_out", [10, 12, 1_000_000, 0.9])
def test_holding_out_a_whole_class_is_refused(make_idx: MakeIdx, held_out: float) -> None:
    found = 11 if held_out == 0.9 else held_out
    assert refusal(make_idx(), validation=held_out) == (
        "data.validation: expected at most 9 of the 12 training samples, so that each class keeps "
        f"one, found {found:,}"
    )


def test_a_share_of_all_samples_is_refused_as_a_spec() -> None:
    with pytest.raises(SpecError, match=r"data.validation: expected a number of samples, or a sha"):
        plan(validation=1.0)


def test_a_limit_draws_training_samples_across_the_classes(make_idx: MakeIdx) -> None:
    folder = make_idx(train=30)
    everything = load(folder)
    data = load(folder, limit=9, validation=3)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 3, 6)
    rows = rows_of(data.train, everything.train) + rows_of(data.validation, everything.train)
    assert np.bincount(everything.train.labels[rows]).tolist() == [3, 3, 3]
    assert data.test.digest == everything.test.digest


@pytest.mark.parametrize("limit", [2, 13])
def test_limits_that_cannot_be_met_are_refused(make_idx: MakeIdx, limit: int) -> None:
    assert refusal(make_idx(), limit=limit) == (
        "data.limit: expected from 3 (one of each class) to 12, the number of training samples, "
        f"found {limit}"
    )


def test_a_share_of_the_training_samples_can_be_the_test_set(make_idx: MakeIdx) -> None:
    folder = make_idx("own", train=30)
    everything = load(folder).train
    for name in (TEST_IMAGES, TEST_LABELS):
        (folder / name).unlink()
    assert "to use a share of the training samples as the test set: data.test_share: 0.1" in (
        refusal(folder)
    )
    data = load(folder, test_share=0.2, limit=12)
    assert (len(data.train), len(data.test)) == (12, 6)
    assert np.bincount(data.test.labels).tolist() == [2, 2, 2]
    rows = rows_of(data.train, everything) + rows_of(data.test, everything)
    assert len(set(rows)) == 18
    whole = plan(test_share=0.2, limit=12)
    for split, part in (("train", data.train), ("test", data.test)):
        again, _ = load_samples(whole, cast(Split, split), Place(folder))
        assert again.digest == part.digest


def test_a_test_share_beside_test_files_is_refused(make_idx: MakeIdx) -> None:
    assert refusal(make_idx("own"), test_share=0.2) == (
        "data.test_share: own has a test set of 6 samples; leave data.test_share out"
    )


def test_a_class_without_training_samples_is_named(make_idx: MakeIdx) -> None:
    folder = make_idx("own", classes=3)
    write_idx(folder / TRAIN_LABELS, (np.arange(12) % 2 * 2).astype(np.uint8))
    assert refusal(folder) == (
        "own: no training samples of class '1'; expected some of each class; leave out classes "
        "that are not there, and number the others without gaps"
    )
    write_idx(folder / TRAIN_LABELS, (np.arange(12) % 2).astype(np.uint8))
    assert "no training samples of class '2'" in refusal(folder)  # the test set has some


def test_from_python_the_fallback_warns_at_the_callers_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fallback = {"data.fallback": {"type": "synthetic_digits", "train": 20, "test": 10}}
    network = lenetkit.build("lenet5", {"train.epochs": 1, **fallback})
    with pytest.warns(LenetkitWarning, match="fallback is used instead: synthetic_digits") as told:
        events = list(lenetkit.train(network))
    assert [warning.filename for warning in told] == [__file__]
    assert {event.dataset for event in events} == {"synthetic digits"}
    assert isinstance(events[-1], lenetkit.EpochDone)
    assert events[-1].test.dataset == "synthetic digits"


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
    spec = plan()
    data = DataSpec(SyntheticDigits(), DataOptions(transforms=()))
    spec = replace(spec, spec=replace(spec.spec, data=data))
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


@pytest.mark.parametrize("transforms", [("scale", CutsARow()), (SaysItCuts(), "scale"), (To255(),)])
def test_images_that_differ_in_training_are_refused_before_it(
    make_idx: MakeIdx, transforms: tuple[Any, ...]
) -> None:
    spec = plan(transforms=())
    named = tuple(Scale() if transform == "scale" else transform for transform in transforms)
    changed = replace(spec.spec.data, options=replace(spec.spec.data.options, transforms=named))
    with pytest.raises(PluginError, match=r"^data.transforms: \w+ of .*images .* in training, but"):
        load_training_data(replace(spec, spec=replace(spec.spec, data=changed)), make_idx())
