"""Layers inside a layer: each with its own names, draws, state and scratch memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lenetkit.arrays import Views
from lenetkit.authoring import (
    Array,
    BatchNorm2d,
    Call,
    Composite,
    Conv2d,
    Dropout,
    Layer,
    Linear,
    NumpyKernels,
    Params,
    ReLU,
    ShapeError,
    option,
)
from lenetkit.testing import Check, layer_checks, parametrize

CONV = Conv2d(out_channels=2, kernel_size=3, padding=1)


@dataclass(frozen=True, kw_only=True)
class Residual(Composite):
    """y = x + body(x)."""

    keeps_shape = True
    body: tuple[Layer, ...] = option(doc="Layers, in order.")

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return x + y, saved

    def backward(self, params: Params, saved: Any, dy: Array, grads: Params, call: Call) -> Any:
        through: Any = super().backward(params, saved, dy, grads, call)
        return dy + through


BLOCK = Residual(body=(BatchNorm2d(), ReLU(), Dropout(p=0.2), CONV))
NESTED = Residual(body=(Residual(body=(CONV, Dropout(p=0.3))), Dropout(p=0.3)))


@parametrize([*layer_checks(BLOCK, (2, 4, 5)), *layer_checks(NESTED, (2, 4, 5))])
def test_contract(check: Check) -> None:
    check()


def test_names_start_with_the_inner_layers() -> None:
    assert list(BLOCK.param_specs((2, 4, 5))) == [
        "body0.weight", "body0.bias", "body3.weight", "body3.bias",
    ]  # fmt: skip
    assert list(BLOCK.state_specs((2, 4, 5))) == ["body0.running_mean", "body0.running_var"]
    assert "body0.body0.weight" in NESTED.param_specs((2, 4, 5))
    assert BLOCK.cost((2, 4, 5)).macs == CONV.cost((2, 4, 5)).macs


def test_inner_layers_draw_other_numbers_and_repeat_them() -> None:
    call, x = Call(NumpyKernels(), training=True), np.ones((3, 40))
    two = Composite2(first=Dropout(p=0.5), second=Dropout(p=0.5))
    y, _ = two.forward({}, x, call)
    assert 0.05 < np.count_nonzero(y) / y.size < 0.45
    call.begin()
    np.testing.assert_array_equal(two.forward({}, x, call)[0], y)
    call.rng_key = (1,)
    call.begin()
    assert (two.forward({}, x, call)[0] != y).any()


def test_inner_scratch_is_not_shared() -> None:
    call = Call(NumpyKernels())
    a = call.inner("a").scratch("y", (3,), np.float64)
    b = call.inner("b").scratch("y", (3,), np.float64)
    assert not np.shares_memory(a, b)
    assert call.scratch_bytes == a.nbytes + b.nbytes


def test_inner_state_is_the_layers_own() -> None:
    state = Views({"norm.mean": np.zeros(2), "other": np.ones(1)})
    inner = Call(NumpyKernels(), state=state).inner("norm")
    inner.state["mean"][...] = 3
    assert state["norm.mean"].tolist() == [3, 3]
    assert list(inner.state) == ["mean"]


def test_a_shape_that_does_not_fit_names_the_inner_layer() -> None:
    with pytest.raises(ShapeError, match=r"^body0: expected an image"):
        BLOCK.output_shape((7,))
    with pytest.raises(ShapeError, match=r"make 3 of 7; expected the same shape"):
        Residual(body=(Linear(out_features=3),)).output_shape((7,))


@dataclass(frozen=True, kw_only=True)
class Composite2(Composite):
    """Two layers."""

    first: Layer = option(doc="First.")
    second: Layer = option(doc="Second.")
