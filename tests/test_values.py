"""NumPy's scalars and vectors count as Python's wherever a value is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import lenetkit
from lenetkit.arrays import Array, Shape
from lenetkit.errors import OptionError, SpecError
from lenetkit.layers.activations import Tanh
from lenetkit.layers.base import Cost, Layer, Params, ParamSpec
from lenetkit.layers.call import Call
from lenetkit.optimizers import SGD, Adam
from lenetkit.options import Configurable, option
from lenetkit.schedules import Moment, Schedule
from lenetkit.values import Mismatch, convert
from tests.support.specs import SMALL

NUMBERS = [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64]


@pytest.mark.parametrize("kind", [*NUMBERS, np.array])
@given(value=st.integers(0, 100))
def test_integers(kind: Any, value: int) -> None:
    for hint, expected in ((int, int), (float, float), (int | None, int), (float | str, float)):
        found = convert(kind(value), hint)
        assert found == value
        assert type(found) is expected


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, np.array])
def test_floats(kind: Any) -> None:
    found = convert(kind(0.375), float)
    assert (type(found), found) == (float, 0.375)
    with pytest.raises(Mismatch, match=r"^value: expected an integer, found 0\.375$"):
        convert(kind(0.375), int)


@pytest.mark.parametrize("kind", [np.bool_, np.array])
def test_truth_values(kind: Any) -> None:
    assert convert(kind(True), bool) is True
    with pytest.raises(Mismatch, match=r"^value: expected a number, found true$"):
        convert(kind(True), float)


def test_strings_and_choices() -> None:
    assert type(convert(np.str_("a"), str)) is str
    assert type(convert(np.str_("a"), Literal["a", "b"])) is str
    assert convert(np.int64(2), Literal[1, 2]) == 2


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int32])
def test_vectors_are_lists(kind: Any) -> None:
    for hint, expected in (
        (tuple[int, ...], (1, 2)),
        (list[int], [1, 2]),
        (tuple[int, int], (1, 2)),
    ):
        found = convert(np.array([1, 2], kind), hint)
        assert found == expected
        assert {type(item) for item in found} == {int}


def test_a_vector_is_not_a_number() -> None:
    with pytest.raises(Mismatch, match=r"^value: expected a number, found \[1\.5\]$"):
        convert(np.array([1.5]), float)


@dataclass(frozen=True, kw_only=True)
class Knobs(Configurable):
    """Options of every type."""

    count: int = option(1, minimum=1, doc="Count.")
    rate: float = option(0.5, above=0, doc="Rate.")
    on: bool = option(False, doc="On.")
    mode: Literal["a", "b"] = option("a", doc="Mode.")
    pair: tuple[int, int] = option((1, 1), doc="Pair.")


def test_options() -> None:
    knobs = Knobs(
        count=np.int64(3),  # type: ignore[arg-type]
        rate=np.float32(0.25),  # type: ignore[arg-type]
        on=np.bool_(True),  # type: ignore[arg-type]
        mode=np.str_("b"),  # type: ignore[arg-type]
        pair=np.array([2, 3]),  # type: ignore[arg-type]
    )
    assert knobs == Knobs(count=3, rate=0.25, on=True, mode="b", pair=(2, 3))
    assert json.dumps(vars(knobs))
    with pytest.raises(OptionError, match=r"^count: expected an integer ≥ 1, found 0$"):
        Knobs(count=np.int64(0))  # type: ignore[arg-type]


CHANGES = {
    "input": np.array([1, 8, 8]),
    "layers.fc1.out_features": np.int64(3),
    "train.epochs": np.uint8(1),
    "train.batch_size": np.array(5),
    "train.shuffle": np.bool_(True),
    "train.optimizer": {"type": np.str_("sgd"), "lr": np.float32(0.5), "momentum": np.float64(0.5)},
    "data.transforms": [np.str_("scale")],
}


def test_changes_to_a_spec(small: Path, tmp_path: Path) -> None:
    network = lenetkit.build(small, CHANGES)
    settings = network.plan.spec.train
    assert (settings.epochs, settings.batch_size, settings.shuffle) == (1, 5, True)
    assert settings.optimizer == SGD(lr=0.5, momentum=0.5)
    again = tmp_path / "again.yaml"
    again.write_text(network.plan.to_yaml(), "utf-8")
    assert lenetkit.build(again).plan.spec == network.plan.spec
    run = lenetkit.Run.create(small, out=tmp_path / "run", set=CHANGES, threads=np.int64(1))  # type: ignore[arg-type]
    assert run.train(pictures=False)["epochs"] == 1


def test_changes_may_be_objects(small: Path) -> None:
    changes = {"layers.relu1": Tanh(), "train.optimizer": Adam(lr=0.5)}
    spec = lenetkit.build(small, changes).plan.spec
    assert spec.layers[1].layer == Tanh()
    assert spec.train.optimizer == Adam(lr=0.5)
    with pytest.raises(SpecError, match=r"layers\.relu1: expected the name of a layer, found Adam"):
        lenetkit.build(small, {"layers.relu1": Adam(lr=0.5)})
    with pytest.raises(SpecError, match=r"the layer is an object, so it takes no 'p' from here$"):
        lenetkit.build(small, {"layers.relu1": {"type": Tanh(), "p": 1}})


def test_a_spec_may_be_a_dict(small: Path) -> None:
    whole = {
        "lenetkit": 1,
        "name": "mine",
        "input": np.array([1, 8, 8]),
        "layers": {"act": Tanh(), "fc": {"type": "linear", "out_features": np.int64(3)}},
    }
    assert lenetkit.build(whole).plan.out_shape == (3,)
    extending = {"extends": small.name, "layers": {"relu1": "tanh"}}
    assert lenetkit.build(extending).plan.spec.layers[1].layer == Tanh()
    with pytest.raises(SpecError, match=r"^the spec: layers\.fc: linear has no option 'units'"):
        lenetkit.build({**whole, "layers": {"fc": {"type": "linear", "units": 3}}})


@dataclass(frozen=True, kw_only=True)
class Half(Layer):
    """Answers with NumPy's numbers wherever it may."""

    in_channels: int | None = option(None, doc="Channels (inferred).")

    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"in_channels": np.int64(in_shape[0])}  # type: ignore[dict-item]

    def output_shape(self, in_shape: Shape) -> Shape:
        return tuple(np.array(in_shape))

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {"weight": ParamSpec(tuple(np.array(in_shape[:1])))}

    def cost(self, in_shape: Shape) -> Cost:
        return Cost(np.prod(in_shape), np.int32(3))  # type: ignore[arg-type]

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return x / 2, None

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Array:
        grads["weight"][...] = 0
        return dy / 2


def test_what_a_layer_answers() -> None:
    plan = lenetkit.load_plan({**_small(), "layers": {"half": Half(), "fc1": _fc()}})
    first = plan.layers[0]
    counts = [plan.count(), first.cost.macs, first.cost.connections, *first.params["weight"].shape]
    assert {type(number) for number in [*counts, *first.out_shape]} == {int}


@dataclass(frozen=True, kw_only=True)
class Rates(Schedule):
    """Rates as NumPy's scalars."""

    def rate(self, lr: float, moment: Moment) -> float:
        return np.float64(lr)


def test_what_a_schedule_answers(small: Path) -> None:
    network = lenetkit.build(small)
    event = next(iter(lenetkit.train(network, schedule=Rates())))
    assert isinstance(event, lenetkit.StepDone)
    assert type(event.lr) is float


def _small() -> dict[str, Any]:
    return dict(yaml.safe_load(SMALL))


def _fc() -> dict[str, Any]:
    return {"type": "linear", "out_features": 3}
