"""Networks of a user's own arrays: labels, rows of features, activations, held-out samples."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.data.given import ANY_SCALE
from lenetkit.errors import ArrayError, ModelFileError, ShapeError, SpecError
from lenetkit.files import tensorfile
from lenetkit.model.model import Model
from lenetkit.training.data import load_training_data
from lenetkit.training.divergence import DivergedError
from lenetkit.training.loop import EpochDone
from tests.support.specs import small_plan

RNG = np.random.default_rng(0)
IMAGES: NDArray[Any] = RNG.integers(0, 256, (12, 8, 8), np.uint8)
NUMBERS = np.arange(12) % 3
ROWS: dict[str, Any] = {
    "lenetkit": 1,
    "name": "rows",
    "input": [4],
    "layers": {
        "fc1": {"type": "linear", "out_features": 8},
        "relu1": "relu",
        "fc2": {"type": "linear", "out_features": 3},
    },
    "train": {"epochs": 20, "optimizer": {"type": "adam", "lr": 0.05}},
}
FEATURES = RNG.normal(0, 3, (90, 4))
TRUE = np.array(["low", "middle", "high"])[(FEATURES[:, 0] > 0) * 1 + (FEATURES[:, 1] > 0)]

LABELS: dict[str, Any] = {
    "strings": np.array(["cat", "dog", "emu"])[NUMBERS],
    "objects": np.array(["cat", "dog", "emu"], object)[NUMBERS],
    "from 1": NUMBERS + 1,
    "from -5": NUMBERS.astype(np.int8) * 7 - 5,
    "floats": NUMBERS + 1.0,
    "class numbers": NUMBERS,
    "digits as text": np.array(["7", "8", "9"])[NUMBERS],
    "objects of NumPy's": np.array([*map(np.int16, (3, 4, 6))], object)[NUMBERS],
    "strings of any length": np.array(["cat", "dog", "emu"], np.dtypes.StringDType())[NUMBERS],
    "beyond int64": np.uint64(1 << 63) + NUMBERS.astype(np.uint64),
}


def through_a_file(network: Model, path: Path) -> Model:
    network.save(path)
    return lenetkit.load(path)


COPIES: dict[str, Callable[[Model, Path], Model]] = {
    "itself": lambda network, path: network,
    "copy.deepcopy": lambda network, path: copy.deepcopy(network),
    "pickle": lambda network, path: pickle.loads(pickle.dumps(network)),
    "a model file": through_a_file,
}


@pytest.mark.parametrize("kind", LABELS)
def test_predict_answers_in_the_labels_that_it_was_given(kind: str, tmp_path: Path) -> None:
    labels = LABELS[kind]
    network = Model(small_plan()).fit(IMAGES, labels, test=(IMAGES, labels))
    plain = Model(small_plan()).fit(IMAGES, NUMBERS)
    assert network.params.tobytes() == plain.params.tobytes()
    classes = np.unique(labels)
    for how, copied in COPIES.items():
        twin = copied(network, tmp_path / "m.safetensors")
        answers = twin.predict(IMAGES)
        assert answers.dtype.kind == np.array(labels.tolist()).dtype.kind, how
        np.testing.assert_array_equal(answers, classes[plain.predict(IMAGES)])
        result = twin.evaluate(IMAGES, labels)
        assert result.accuracy == plain.evaluate(IMAGES, NUMBERS).accuracy
        assert result.accuracy == float(np.mean(answers == labels))
        again = twin.evaluate(IMAGES, np.eye(3)[NUMBERS])
        np.testing.assert_array_equal(again.confusion, result.confusion)
    names = [f"{c:.0f}" if isinstance(c, float) else str(c) for c in classes.tolist()]
    assert network.classes == tuple(names)


def test_truth_values_are_labels() -> None:
    network = Model(small_plan("layers.fc1.out_features=2")).fit(IMAGES, NUMBERS > 0)
    assert network.predict(IMAGES).dtype == bool
    assert network.classes == ("False", "True")


def test_labels_stay_what_they_were_at_first() -> None:
    network = Model(small_plan()).fit(IMAGES, LABELS["strings"])
    with pytest.raises(ArrayError, match=r"^'cot' is no class of the network; did you mean"):
        network.evaluate(IMAGES, ["cot"] * 12)
    with pytest.raises(ArrayError, match=r"^expected labels as in training, 'cat', 'dog', 'emu', "):
        network.fit(IMAGES, NUMBERS)
    with pytest.raises(ArrayError, match=r"^test: 'ewe' is no class of the network; they are"):
        Model(small_plan()).fit(IMAGES, LABELS["strings"], test=(IMAGES[:1], ["ewe"]))
    network = Model(small_plan()).fit(IMAGES, NUMBERS)
    with pytest.raises(ArrayError, match=r"^3 is no class of the network; the nearest is 2$"):
        network.fit(IMAGES, NUMBERS + 1)


@pytest.mark.parametrize(
    ("labels", "classes", "names", "answers"),
    [
        (np.array(["cat", "emu"])[NUMBERS % 2], ["emu", "dog", "cat"], "emu dog cat", "U"),
        (NUMBERS % 2 + 1, range(1, 4), "1 2 3", "i"),
        (NUMBERS % 2, range(3), "0 1 2", "i"),
        (np.eye(3)[NUMBERS], ("x", "y", "z"), "x y z", "U"),
    ],
)
def test_classes_may_be_named_that_have_no_samples(
    labels: Any, classes: Any, names: str, answers: str, tmp_path: Path
) -> None:
    network = Model(small_plan()).fit(IMAGES, labels, classes=classes)
    assert network.classes == tuple(names.split())
    twin = through_a_file(network, tmp_path / "m.safetensors")
    assert twin.predict(IMAGES).dtype.kind == answers
    assert set(twin.predict(IMAGES).tolist()) <= set(classes)
    assert twin.evaluate(IMAGES, [classes[-1]] * 12).labels.tolist() == [2] * 12
    assert twin.fit(IMAGES, labels, classes=classes).classes == network.classes


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["cat", "dog"], "expected 3 different labels, one for each output, found 'cat', 'dog'; "),
        (["cat", "dog", "dog"], "expected 3 different labels, .* found 'cat', 'dog', 'dog'$"),
        (["emu", "dog", "cat"], "expected those of the first training, 'cat', 'dog', 'emu', in"),
        ({"cat", "dog", "emu"}, r"expected classes=\[…\], labels in order, found {"),
        ("cat", r"expected classes=\[…\], labels in order, found 'cat'"),
    ],
)
def test_wrong_classes_are_refused(classes: Any, said: str) -> None:
    network = Model(small_plan()).fit(IMAGES, LABELS["strings"])
    with pytest.raises((ArrayError, TypeError), match=said):
        network.fit(IMAGES, LABELS["strings"], classes=classes)


def test_too_few_classes_say_how_to_name_the_others() -> None:
    with pytest.raises(ArrayError, match=r"; or name those without samples too: classes=\[…\]$"):
        Model(small_plan()).fit(IMAGES, LABELS["strings"].astype("U1")[NUMBERS % 2])
    with pytest.raises(ArrayError, match=r"^classes: expected none, because the network learns"):
        lenetkit.fit(
            {**ROWS, "task": "regression", "loss": "mean_squared_error"},
            FEATURES,
            FEATURES[:, :3],
            classes=[1, 2, 3],
        )


def test_what_a_mask_hides_is_not_learned() -> None:
    hidden = np.ma.array(IMAGES, mask=IMAGES > 200)
    with pytest.raises(ArrayError, match=r"^images: [0-9,]+ of the values are masked; expected"):
        Model(small_plan()).fit(hidden, NUMBERS)
    with pytest.raises(ArrayError, match=r"^labels: 4 of the values are masked; expected"):
        Model(small_plan()).fit(IMAGES, np.ma.array(NUMBERS, mask=NUMBERS == 1))
    shown = np.ma.array(IMAGES, mask=False)
    Model(small_plan()).fit(shown, NUMBERS)


def test_sparse_arrays_are_refused_with_the_fix() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    with pytest.raises(ArrayError, match=r"found csr_array; a sparse array: \.toarray\(\)$"):
        Model(small_plan()).fit(sparse.csr_array(IMAGES.reshape(12, -1)), NUMBERS)


def test_numbers_that_floats_do_not_tell_apart_are_no_labels() -> None:
    labels = np.array([1, 1 << 63, (1 << 63) + 1], np.uint64)
    network = Model(small_plan()).fit(IMAGES, labels[NUMBERS])
    assert set(network.predict(IMAGES).tolist()) <= set(labels.tolist())
    assert network.predict(IMAGES).dtype == np.uint64
    with pytest.raises(ArrayError, match=r"found 9.2.*, which float64 does not tell from its"):
        Model(small_plan()).fit(IMAGES, (NUMBERS + 2.0**63).tolist())


def test_digits_as_text_are_no_class_numbers() -> None:
    network = Model(small_plan()).fit(IMAGES, NUMBERS.astype(str))
    assert network.labels == ("0", "1", "2")
    assert network.predict(IMAGES).dtype.kind == "U"


def test_names_from_files_are_taken(make_idx: Callable[..., Path]) -> None:
    plan = small_plan("data.classes=[cat, dog, emu]")
    network = Model(plan)
    network.fit(data_dir=make_idx())
    data = load_training_data(plan, make_idx("again"))
    by_name = np.array(["cat", "dog", "emu"])[data.test.labels]
    result = network.evaluate(data.test.images, by_name)
    assert result.loss == network.evaluate(data.test.images, data.test.labels).loss
    assert network.predict(data.test.images).dtype == np.intp
    assert repr(result).startswith("<Evaluation of 6 samples of cat, dog, emu: accuracy ")


@pytest.mark.parametrize(
    "labels",
    [
        *('["a", "b"]', '["a", "b", "b"]', '["a", "b", 1]', "[1, 2, NaN]", "[1, 2, 1e999]", "{}"),
        *('[true, false, "x"]', f"[1, 2, {1 << 70}]", '[["a"], "b", "c"]', "[0, 1, true]", "x"),
    ],
)
def test_damaged_labels_in_a_model_file_are_named(labels: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    Model(small_plan()).save(path)
    tensors, metadata = tensorfile.read(path)
    tensorfile.write(path, tensors, {**metadata, "labels": labels})
    with pytest.raises(ModelFileError, match="labels: expected 3 different whole numbers, strings"):
        lenetkit.load(path)


def test_rows_of_features_are_learned_on_their_own_scale(tmp_path: Path) -> None:
    network = lenetkit.fit(ROWS, FEATURES, TRUE)
    assert network.spec["data"]["transforms"] == []
    assert network.evaluate(FEATURES, TRUE).accuracy > 0.9
    network.save(tmp_path / "m.safetensors")
    loaded = lenetkit.load(tmp_path / "m.safetensors")
    assert loaded.pixels == network.pixels == ANY_SCALE
    np.testing.assert_array_equal(loaded.predict(FEATURES * 1e3), network.predict(FEATURES * 1e3))
    with pytest.raises(ArrayError, match=r"^images: expected real numbers, found float64 of shape"):
        network.predict(FEATURES * np.nan)
    tensors, metadata = tensorfile.read(tmp_path / "m.safetensors")
    tensorfile.write(tmp_path / "n.safetensors", tensors, {**metadata, "image_shape": "[1, 2, 2]"})
    with pytest.raises(
        ModelFileError, match=r"image_shape: expected \[features\], found \[1, 2, 2\]"
    ):
        lenetkit.load(tmp_path / "n.safetensors")


@pytest.mark.parametrize(
    ("transforms", "said"),
    [
        (["scale"], r"need no transforms: set data\.transforms to \[\]$"),
        ([{"type": "pad", "padding": 1}], r"^pad takes images, .*, not 4 features$"),
        (["elastic"], r"^Elastic takes images, .*, not 4 features$"),
    ],
)
def test_transforms_of_images_are_refused_for_features(transforms: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lenetkit.fit({**ROWS, "data": {"transforms": transforms, "type": "mnist"}}, FEATURES, TRUE)


def test_no_image_range_in_a_file_is_for_features_only(tmp_path: Path) -> None:
    Model(small_plan()).fit(IMAGES, NUMBERS).save(tmp_path / "m.safetensors")
    tensors, metadata = tensorfile.read(tmp_path / "m.safetensors")
    tensorfile.write(tmp_path / "m.safetensors", tensors, {**metadata, "pixels": "null"})
    with pytest.raises(ModelFileError, match="pixels: expected two numbers, low and high, found"):
        lenetkit.load(tmp_path / "m.safetensors")


def test_activations_are_those_of_every_layer() -> None:
    network = Model(small_plan())
    found = network.activations(np.concatenate([IMAGES] * 30))  # more than a batch
    assert list(found) == ["conv1", "relu1", "pool1", "drop1", "fc1"]
    shapes = {name: values.shape[1:] for name, values in found.items()}
    assert shapes == {layer.name: layer.out_shape for layer in network.plan.layers}
    np.testing.assert_array_equal(found["relu1"], np.maximum(found["conv1"], 0))
    np.testing.assert_array_equal(found["drop1"], found["pool1"])
    outputs = network.forward(IMAGES[:, None] / 255)
    np.testing.assert_allclose(found["fc1"][-12:], outputs, rtol=1e-4, atol=1e-6)


def test_forward_takes_a_batch_as_the_first_layer_does() -> None:
    network = Model(small_plan())
    batch = (IMAGES[:, None] / 255).astype(np.float32)
    outputs = network.forward(batch)
    kept = outputs.copy()
    network.forward(batch[::-1])
    np.testing.assert_array_equal(outputs, kept)  # memory of its own
    workspace = network.workspace(training=False)
    np.testing.assert_array_equal(network.forward(batch, workspace), kept)
    chances = network.plan.spec.loss.probabilities(kept)
    np.testing.assert_allclose(chances, network.probabilities(IMAGES), rtol=1e-5)
    said = r"^forward\(\) expected a batch \(N, 1, 8, 8\), found \(12, 8, 8\)$"
    with pytest.raises(ShapeError, match=said):
        network.forward(IMAGES)


@pytest.mark.parametrize("validation", [3, 0.25])
def test_held_out_samples_choose_the_epoch(validation: float) -> None:
    network = Model(small_plan("train.epochs=6"))
    twin, weights = copy.deepcopy(network), []
    network.fit(IMAGES, NUMBERS, validation=validation)
    data = twin.training_data(IMAGES, NUMBERS, validation=validation)
    for event in lenetkit.train(twin, data):
        if isinstance(event, EpochDone):
            weights.append(twin.params.tobytes())
    held_out = [row["validation_accuracy"] for row in network.history]
    best = held_out.index(max(held_out))
    assert network.params.tobytes() == weights[best]
    assert json.loads(network.metadata["metrics"])["epoch"] == best + 1
    assert len(data.validation or ()) == 3


def test_averaged_weights_are_what_is_chosen(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"average": 0.5, "patience": 3, "epochs": 6}
    spec = Model(small_plan()).spec
    network = lenetkit.build(spec)
    network.fit(IMAGES, NUMBERS, validation=3, **settings)
    changed = {f"train.{name}": value for name, value in settings.items()} | {"data.validation": 3}
    run = lenetkit.Run.create(spec, out=tmp_path / "a", set=changed, data=(IMAGES, NUMBERS))
    run.train(pictures=False)
    assert network.params.tobytes() == lenetkit.load(tmp_path / "a").params.tobytes()
    assert len(network.history) == len(run.history["epoch"])


def test_wrong_validation_is_refused() -> None:
    for wrong, said in ((1.5, "a share below 1"), (-1, "≥ 0, found -1"), ("x", "a number")):
        with pytest.raises(SpecError, match=r"data\.validation: expected .*" + said):
            lenetkit.fit(ROWS, FEATURES, TRUE, validation=wrong)  # type: ignore[arg-type]
        with pytest.raises(SpecError, match=r"^fit\(\): validation: expected .*" + said):
            lenetkit.build(ROWS).fit(FEATURES, TRUE, validation=wrong)  # type: ignore[arg-type]


def test_a_diverging_fit_says_where_as_the_command_does() -> None:
    network = Model(small_plan())
    network.params[:] = 1e38
    with pytest.raises(DivergedError, match=r"training stopped\.\n  It began in layers\."):
        network.fit(IMAGES, NUMBERS)


def test_normalized_features_may_be_on_any_scale(tmp_path: Path) -> None:
    """In training and afterwards; the model records what was measured."""
    rows = np.random.default_rng(0).normal(size=(200, 3)) * [1e-6, 1.0, 1e6] + [0, 50, -1e7]
    labels = (rows[:, 0] > 0) * 1
    spec = {
        "lenetkit": 1,
        "name": "features",
        "input": [3],
        "layers": {"fc1": {"type": "linear", "out_features": 2}},
        "data": {"transforms": ["normalize"]},
    }
    network = lenetkit.fit(spec, rows, labels, epochs=30, optimizer={"type": "adam", "lr": 0.05})
    assert network.evaluate(rows, labels).accuracy > 0.95
    assert network.predict(rows * 1000).shape == (200,)
    network.save(tmp_path / "features.safetensors")
    loaded = lenetkit.load(tmp_path / "features.safetensors")
    np.testing.assert_array_equal(loaded.probabilities(rows), network.probabilities(rows))
    before = network.spec["data"]["transforms"]
    network.fit(rows + 5, labels, epochs=1)  # goes on: what was measured first stays
    assert network.spec["data"]["transforms"] == before


def test_a_network_in_float64_is_one_again_when_loaded(tmp_path: Path) -> None:
    network = lenetkit.build("lenet5", dtype=np.float64)
    network.save(tmp_path / "double.safetensors")
    loaded = lenetkit.load(tmp_path / "double.safetensors")
    assert loaded.dtype == np.float64
    np.testing.assert_array_equal(loaded.params, network.params)


def test_a_spec_that_could_not_be_read_again_is_not_saved(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(4, 14_000))
    spec = {
        "lenetkit": 1,
        "name": "wide",
        "input": [14_000],
        "layers": {"fc1": {"type": "linear", "out_features": 2}},
        "data": {"transforms": ["normalize"]},
    }
    network = lenetkit.fit(spec, rows, [0, 1, 0, 1], epochs=1)
    with pytest.raises(ModelFileError, match="a model file takes 500,000; leave normalize"):
        network.save(tmp_path / "wide.safetensors")
