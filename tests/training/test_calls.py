"""The calls that train: what they take, and what they say to what they do not."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lenetkit
from lenetkit.data.idx import read_idx
from lenetkit.errors import ArrayError, SpecError
from lenetkit.model.model import Model
from lenetkit.optimizers import SGD
from lenetkit.training.data import load_training_data
from tests.support.specs import small_plan

Array = NDArray[Any]


@pytest.fixture
def network() -> Model:
    return Model(small_plan())


@pytest.fixture
def arrays(make_idx: Callable[..., Path]) -> dict[str, Array]:
    folder = make_idx("arrays")
    return {path.name[:11]: read_idx(path) for path in folder.iterdir()}


@pytest.fixture
def images(arrays: dict[str, Array]) -> Array:
    return arrays["train-image"]


@pytest.fixture
def labels(arrays: dict[str, Array]) -> Array:
    return arrays["train-label"]


@pytest.fixture
def test_set(arrays: dict[str, Array]) -> tuple[Array, Array]:
    return arrays["t10k-images"], arrays["t10k-labels"]


UNTAKEN = "^nothing was trained, because no event was taken; "


def test_train_without_a_loop_warns(network: Model) -> None:
    with pytest.warns(RuntimeWarning, match=UNTAKEN + r"loop over lenetkit\.train") as caught:
        lenetkit.train(network, epochs=3)
    assert caught[0].filename == __file__


def test_events_of_a_run_without_a_loop_warn(small: Path, tmp_path: Path) -> None:
    run = lenetkit.Run.create(small, out=tmp_path / "run")
    with pytest.warns(RuntimeWarning, match=UNTAKEN + r".* or call run\.train\(\)$"):
        run.events()
    run.close()


def test_events_that_were_taken_or_closed_do_not_warn(network: Model, make_idx: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events = lenetkit.train(network, data_dir=make_idx())
        next(events)
        del events
        events = lenetkit.train(network)
        events.close()
        del events


@pytest.mark.parametrize("call", [lenetkit.train, Model.fit])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 1}, "'lr'; it belongs to the optimizer: optimizer={'type': 'adam', 'lr': …}"),
        (
            {"pct_start": 1},
            "'pct_start'; it belongs to the schedule: schedule={'type': 'one_cycle',",
        ),
        ({"epoch": 1}, "'epoch'; did you mean 'epochs'?"),
        ({"foo": 1}, "'foo'; valid: average, batch_size, clip_norm, epochs, optimizer, patience,"),
    ],
)
def test_other_settings_are_refused_at_once(
    call: Callable[..., Any], settings: dict[str, Any], said: str, network: Model
) -> None:
    with pytest.raises(TypeError, match=re.escape(f"{call.__name__}() has no setting {said}")):
        call(network, **settings)


def test_wrong_values_are_refused_at_once(network: Model) -> None:
    with pytest.raises(SpecError, match=r"^train\(\): epochs: expected an integer ≥ 1, found 0$"):
        lenetkit.train(network, epochs=0)
    with pytest.raises(
        SpecError, match=r"^fit\(\): optimizer\.lr: expected a number ≥ 0, found -1$"
    ):
        network.fit(optimizer={"type": "sgd", "lr": -1})
    with pytest.raises(TypeError, match=r"^train\(\) expected a network, as build\(\) makes it"):
        lenetkit.train("lenet5")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected TrainingData, found ndarray; fit\(\) takes arr"):
        lenetkit.train(network, np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^fit\(\) expected images with these labels, found none$"):
        network.fit(labels=[1])


def test_settings_are_those_of_a_spec(make_idx: Callable[..., Path]) -> None:
    data = load_training_data(small_plan(), make_idx())
    bits = set()
    for optimizer in (SGD(lr=0.1), {"type": "sgd", "lr": 0.1}, "{type: sgd, lr: 0.1}"):
        network = Model(small_plan())
        list(lenetkit.train(network, data, optimizer=optimizer, schedule="constant"))
        bits.add(network.params.tobytes())
    assert len(bits) == 1


def test_fit_trains_as_train_does(
    network: Model, images: Array, labels: Array, test_set: Any, tmp_path: Path
) -> None:
    twin = Model(small_plan())
    *_, last = lenetkit.train(twin, data_dir=tmp_path / "arrays")
    assert network.fit(images, labels, test=test_set) is network
    assert network.params.tobytes() == twin.params.tobytes()
    assert isinstance(last, lenetkit.EpochDone)
    row = {**last.figures(), "seconds": network.history[-1]["seconds"]}
    assert network.history[-1] == row
    assert list(row) == [
        "epoch",
        "lr",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "seconds",
    ]


def test_fit_divides_arrays_as_the_spec_says(
    small: Path, images: Array, labels: Array, test_set: Any
) -> None:
    """Exactly as `train` divides files with the same samples."""
    drawn = {"data.limit": 10, "data.validation": 0.4}
    run = lenetkit.Run.create(small, out="run", set=drawn)
    run.train(pictures=False)
    kept = lenetkit.load("run")
    network = lenetkit.fit(small, images, labels, test=test_set, overrides=drawn)
    assert network.params.tobytes() == kept.params.tobytes()
    assert network.history[-1] | {"seconds": 0} == run.network.history[-1] | {"seconds": 0}
    assert "validation_loss" in network.history[-1]
    shared = {"data.test_share": 0.25}
    assert "test_loss" in lenetkit.fit(small, images, labels, overrides=shared).history[-1]
    with pytest.raises(ArrayError, match=r"no `test` beside data\.test_share: 0\.25"):
        lenetkit.fit(small, images, labels, test=test_set, overrides=shared)


def test_fit_of_a_spec_trains_a_new_network(small: Path, images: Array, labels: Array) -> None:
    network = lenetkit.fit(small, images, labels, epochs=3, seed=5, batch_size=4)
    assert [row["epoch"] for row in network.history] == [1, 2, 3]
    assert "test_loss" not in network.history[0]
    again = lenetkit.build(small, {"train.seed": 5, "train.epochs": 3})
    again.fit(images, labels, batch_size=4)
    assert again.params.tobytes() == network.params.tobytes()
    assert network.plan.spec.train.seed == 5


def test_fit_goes_on_from_the_weights_as_they_are(
    network: Model, images: Array, labels: Array
) -> None:
    network.fit(images, labels, epochs=1)
    first = network.params.copy()
    network.fit(images, labels, epochs=1)
    assert (network.params != first).any()
    assert [row["epoch"] for row in network.history] == [1, 2]


def test_fit_reads_the_specs_own_data_without_arrays(
    network: Model, make_idx: Callable[..., Path]
) -> None:
    network.fit(data_dir=make_idx(), epochs=1)
    assert network.dataset == "stripes"


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "rows", "lists"])
@pytest.mark.parametrize("divisor", [1, 255])
def test_fit_takes_arrays_as_people_have_them(
    layout: str, divisor: int, images: Array, labels: Array, network: Model
) -> None:
    plain = Model(network.plan).fit(images, labels)
    given = images if divisor == 1 else images / divisor
    given = {
        "NCHW": given[:, None],
        "NHWC": given[..., None],
        "rows": given.reshape(12, 64),
        "lists": given.tolist(),
    }[layout]
    network.fit(given, labels.tolist())
    np.testing.assert_allclose(network.params, plain.params, atol=1e-3)
    np.testing.assert_allclose(network.probabilities(given), plain.probabilities(images), atol=1e-3)


def test_what_a_network_was_fitted_on_is_what_it_takes(
    network: Model, images: Array, labels: Array
) -> None:
    network.fit(images / 255, labels)
    for call in (network.predict, lambda x: network.fit(x, labels)):
        with pytest.raises(
            ArrayError, match=r"from 0 to 1, as in training, found .*divide by 255$"
        ):
            call(images)


def test_fit_refuses_arrays_that_do_not_fit(network: Model, images: Array, labels: Array) -> None:
    with pytest.raises(ArrayError, match=r"^expected images of 1×8×8, an array \(N, 8, 8\)"):
        network.fit(images[:, 1:], labels)
    with pytest.raises(ArrayError, match=r"^expected 12 labels, one for each image, found shape"):
        network.fit(images, labels[1:])
    with pytest.raises(ArrayError, match=r"^found 2 classes, 0, 9, but the network has 3"):
        network.fit(images, labels // 2 * 9)
    with pytest.raises(TypeError, match=r"^fit\(\) expected labels with these images, found none$"):
        network.fit(images)
    with pytest.raises(ArrayError, match=r"^fit\(\) expected at least one image, found none$"):
        network.fit([], [])
    with pytest.raises(ArrayError, match=r"^arrays: training images: expected pixels .* infinite$"):
        network.fit(np.where(images > 200, np.nan, images), labels)
    assert network.history == []


def test_a_run_says_what_it_is(small: Path, tmp_path: Path) -> None:
    run = lenetkit.Run.create(small, out=tmp_path / "run")
    assert repr(run) == f"<Run small in {tmp_path / 'run'}: 0 of 2 epochs>"
    assert repr(run.progress) == "<Progress: 0 steps, 0 epochs>"
    run.train(pictures=False)
    assert repr(run.progress) == "<Progress: 6 steps, 2 epochs>"
    assert repr(run).endswith(": 2 of 2 epochs>")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("learning_rate", "; it belongs to the optimizer: optimizer={'type': 'adam', 'lr': …}"),
        ("num_epochs", "; did you mean 'epochs'?"),
        ("callbacks", "; there are no callbacks: the loop over the events is yours"),
        ("early_stopping", "; did you mean 'patience'?"),
        ("max_grad_norm", "; did you mean 'clip_norm'?"),
        ("ema_decay", "; did you mean 'average'?"),
        ("validation_split", "; did you mean 'validation'?"),
        ("validation_data", "; arrays that are evaluated after each epoch are test=(images, lab"),
        ("class_names", "; did you mean 'classes'?"),
    ],
)
def test_settings_of_other_frameworks_lead_to_ours(name: str, hint: str) -> None:
    settings: dict[str, Any] = {name: 3}
    with pytest.raises(TypeError, match=re.escape(f"fit() has no setting '{name}'{hint}")):
        lenetkit.build("lenet5").fit([], [], **settings)


def test_a_test_set_is_a_pair() -> None:
    wrong: Any = np.zeros((3, 28, 28))
    with pytest.raises(TypeError, match=r"expected test=\(images, labels\), found ndarray"):
        lenetkit.fit("lenet5", wrong, [0, 1, 2], test=wrong)
