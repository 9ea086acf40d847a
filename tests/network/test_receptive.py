"""Receptive fields: known values, and the places where the input's gradient is not zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lenetkit
from lenetkit.authoring import Array, Composite, Layer, Reach, ReLU, option
from lenetkit.errors import PluginError
from lenetkit.network.receptive import reaches
from tests.support.specs import plan_of

LENET5 = [(5, 5), (5, 5), (6, 6), (14, 14), (14, 14), (16, 16), *[(28, 28)] * 5]


def plan(layers: dict[str, Any], size: tuple[int, ...] = (1, 12, 12)) -> lenetkit.Plan:
    """The plan of some layers, followed by one that makes them classify."""
    return plan_of(layers | {"last": {"type": "linear", "out_features": 2}}, size)


def conv(**options: Any) -> dict[str, Any]:
    return {"type": "conv2d", "out_channels": 2, **options}


def test_lenet5() -> None:
    assert lenetkit.load_plan("lenet5").receptive_fields() == LENET5


def test_strides_multiply_and_dilation_spreads() -> None:
    layers = {
        "a": conv(kernel_size=3, stride=2),
        "b": conv(kernel_size=[2, 1], dilation=2),
        "c": {"type": "upsample2d", "scale_factor": 3},
        "d": conv(kernel_size=2),
    }
    assert plan(layers).receptive_fields() == [(3, 3), (7, 3), (7, 3), (9, 5), (11, 11)]


def test_a_field_ends_at_the_image() -> None:
    layers = {f"c{i}": conv(kernel_size=5, padding="same") for i in range(4)}
    assert plan(layers, (1, 9, 7)).receptive_fields() == [(5, 5), (9, 7), (9, 7), (9, 7), (9, 7)]


def test_rows_of_values() -> None:
    layers = {"r": "relu", "n": {"type": "group_norm", "num_groups": 2}, "s": "softmax"}
    assert plan(layers, (6,)).receptive_fields() == [(1,), (3,), (6,), (6,)]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"type": "softmax", "dim": 1}, (1, 1)),
        ({"type": "softmax", "dim": 2}, (6, 1)),
        ({"type": "softmax", "dim": -1}, (1, 5)),
        ({"type": "layer_norm", "normalized_shape": 5}, (1, 5)),
        ({"type": "layer_norm"}, (6, 5)),
        ({"type": "group_norm", "num_groups": 1}, (6, 5)),
        ("global_avg_pool2d", (6, 5)),
        ("batch_norm2d", (1, 1)),
        ("dropout", (1, 1)),
        ("gelu", (1, 1)),
    ],
)
def test_layers_without_a_window(layer: Any, expected: tuple[int, int]) -> None:
    assert plan({"x": layer}, (3, 6, 5)).receptive_fields()[0] == expected


def test_flattening_keeps_the_fields() -> None:
    layers = {"c": conv(kernel_size=3), "f": "flatten", "r": "relu"}
    assert plan(layers).receptive_fields() == [(3, 3), (3, 3), (3, 3), (12, 12)]


@dataclass(frozen=True, kw_only=True)
class Untold(Layer):
    """Says nothing of what it reads."""

    def output_shape(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        return in_shape

    def forward(self, params: Any, x: Any, call: Any) -> tuple[Any, Any]:
        return x, None

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        return dy


@dataclass(frozen=True, kw_only=True)
class Mistaken(ReLU):
    """Says it of other shapes than its own."""

    def receptive_field(self, in_shape: tuple[int, ...]) -> tuple[Reach, ...] | None:
        return (Reach.own(3),)


@dataclass(frozen=True, kw_only=True)
class Block(Composite):
    """A residual block whose layers read only to the right."""

    keeps_shape = True

    conv: Layer = option(doc="The layer.")


@dataclass(frozen=True, kw_only=True)
class Mirrored(ReLU):
    """Each unit reads the place opposite its own."""

    def receptive_field(self, in_shape: tuple[int, ...]) -> tuple[Reach, ...]:
        return tuple(Reach(np.arange(n)[::-1], np.arange(n)[::-1] + 1) for n in in_shape[1:])


def test_after_a_layer_that_does_not_say_what_it_reads_fields_are_unknown() -> None:
    layers = {"c": conv(kernel_size=3), "u": Untold(), "r": "relu"}
    assert plan(layers).receptive_fields() == [(3, 3), None, None, None]


def test_a_field_that_does_not_fit_is_the_plugins_fault() -> None:
    expected = "layers.m: Mistaken .*receptive_field does not fit its shapes; expected a Reach for"
    with pytest.raises(PluginError, match=expected):
        plan({"m": Mistaken()}).receptive_fields()


def test_a_block_that_keeps_its_shape_adds_its_input() -> None:
    found = Block(conv=Mirrored()).receptive_field((2, 6, 6))
    assert found
    assert [axis.largest for axis in found] == [6, 6]


sizes = st.integers(1, 3)
pairs = st.tuples(sizes, sizes).map(list)
window = {"kernel_size": pairs, "stride": pairs, "dilation": pairs}
any_layer = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("conv2d"), "out_channels": st.just(2), **window},
    ),
    st.fixed_dictionaries(
        {"type": st.just("conv2d"), "out_channels": st.just(1), "kernel_size": pairs}
        | {"padding": st.just("same")}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("avg_pool2d"),
            "kernel_size": st.just([3, 3]),
            "stride": pairs,
            "dilation": pairs,
            "padding": st.sampled_from([0, 1]),
            "ceil_mode": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("upsample2d"), "scale_factor": st.integers(1, 2)}
        | {"mode": st.sampled_from(["nearest", "bilinear"])}
    ),
    st.sampled_from(["batch_norm2d", "tanh", "dropout", "global_avg_pool2d"]),
    st.just("flatten"),
)


@settings(max_examples=60)
@given(st.lists(any_layer, min_size=1, max_size=4), st.integers(5, 9), st.integers(4, 8))
def test_a_unit_sees_where_the_gradient_of_the_input_is_not_zero(
    layers: list[Any], height: int, width: int
) -> None:
    """For some units of the last layer, rows and columns are exactly those claimed."""
    named = {f"l{i}": layer for i, layer in enumerate(layers)} | {"end": "flatten"}
    try:
        planned = plan(named, (2, height, width))
    except lenetkit.errors.SpecError:  # a window larger than its input
        return
    model = lenetkit.Network(planned, dtype=np.float64)
    rng = np.random.default_rng(0)
    model.params[:] = rng.normal(size=model.params.shape)
    claimed = reaches(planned.spec.input, planned.layers)[-2]
    assert claimed is not None
    units = rng.permutation(planned.layers[-1].in_shape[0])[:12]
    workspace = model.workspace(training=False, fused=False, input_gradient=True)
    x: Array = np.tile(rng.normal(size=(1, 2, height, width)), (len(units), 1, 1, 1))
    for stage in workspace.stages[:-1]:
        x = stage.forward(x)
    dy: Array = np.zeros_like(x)
    dy[np.arange(len(units)), units] = 1
    for stage in reversed(workspace.stages[:-1]):
        dy = stage.backward(dy, stage.grads)
    for unit, seen in zip(units, np.abs(dy).sum(axis=1), strict=True):
        for axis, sums in enumerate((seen.sum(axis=1), seen.sum(axis=0))):
            found = np.flatnonzero(sums)
            start, stop = (int(v[unit]) for v in (claimed[axis].start, claimed[axis].stop))
            assert list(found[[0, -1]]) == [start, stop - 1] if len(found) else start >= stop
