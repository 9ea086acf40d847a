"""A network refuses, in words, what passes return that would stop training or spoil it silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lenetkit
from lenetkit.arrays import Array
from lenetkit.errors import PluginError
from lenetkit.layers.base import Layer, Params, ParamSpec
from lenetkit.layers.call import Call
from lenetkit.layers.results import objection, overlaps_itself
from tests.support.mutants.hidden import (
    Masked,
    MaskedOutput,
    MeanBroadcast,
    OwnKind,
    ReadOnly,
    StateAsOutput,
    SumStrided,
)
from tests.support.mutants.twins import Backwards, Counted, Gain, Identity, Squeeze, Transposed
from tests.support.right_plugins import Bend

EXPECTED = "expected a plain array with memory of its own, as np.array(…) makes"
READ_ONLY = "backward: gave an array that cannot be written to"
SEVERAL = "backward: gave an array with several values in the same memory"


@dataclass(frozen=True, kw_only=True)
class IntoItsInput(Bend):
    """Puts the gradient where its input was, which the layer before it still needs."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, slope = super().forward(params, x, call)
        return y, (x, slope)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        x, slope = saved
        return np.multiply(dy, slope, out=x)


@dataclass(frozen=True, kw_only=True)
class IntoItsWeights(Bend):
    """Puts the gradient where a parameter is."""

    def param_specs(self, in_shape: tuple[int, ...]) -> dict[str, ParamSpec]:
        return {"weight": ParamSpec((2, *in_shape))}

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        grads["weight"][...] = 0
        return np.multiply(dy, saved, out=params["weight"][: len(dy)])


def step(layer: Layer, batch: int = 2) -> None:
    """One forward and one backward pass of a small network in training."""
    spec = {
        "lenetkit": 1,
        "name": "small",
        "input": [3, 4, 4],
        "layers": {
            "conv": {"type": "conv2d", "out_channels": 3, "kernel_size": 1},
            "before": "tanh",
            "it": layer,
            "after": "tanh",
            "fc": {"type": "linear", "out_features": 2},
        },
    }
    network = lenetkit.build(spec)
    workspace = network.workspace(training=True)
    x = np.random.default_rng(0).normal(size=(batch, 3, 4, 4)).astype(np.float32)
    y = network.forward(x, workspace)
    network.backward(np.ones_like(y), workspace)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (MeanBroadcast(), READ_ONLY),
        (ReadOnly(), READ_ONLY),
        (SumStrided(), SEVERAL),
        (Masked(), "backward: gave a MaskedArray"),
        (MaskedOutput(), "forward: gave a MaskedArray"),
        (OwnKind(), "backward: gave a Subclass"),
        (StateAsOutput(), "forward: gave memory of its state kept"),
        (IntoItsInput(), "backward: gave memory of its input"),
        (IntoItsWeights(), "backward: gave memory of its parameter weight"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "",
)
def test_what_is_no_array_of_its_own_is_refused(layer: Layer, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        step(layer)
    method, found = said.split(": ")
    assert str(caught.value) == (
        f"layers.it: {method} of {type(layer).__name__} of this process: {found}; {EXPECTED}"
    )


@pytest.mark.parametrize(
    "layer",
    [Identity(), Squeeze(), Transposed(), Backwards(), Gain(), Counted()],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_what_was_given_and_its_views_are_accepted(layer: Layer, batch: int) -> None:
    step(layer, batch)


def test_overlaps_are_found_whatever_the_strides() -> None:
    x = np.zeros((2, 3, 4))
    views = [x, x.T, x[:, ::2], x[::-1, :, ::-2], x[:0], x[:, :1], np.asfortranarray(x)[:, 1:]]
    assert not any(overlaps_itself(view) for view in views)
    wide = np.lib.stride_tricks.sliding_window_view(np.zeros(9), 3)
    assert overlaps_itself(wide)
    assert overlaps_itself(np.broadcast_to(x[0], x.shape))


def test_another_kind_of_input_may_be_passed_on() -> None:
    given = np.zeros(3).view(np.recarray)
    given.flags.writeable = False
    assert objection(given, given, []) == ""
    assert objection(given[::-1], given, [("its state", given)]) == ""
