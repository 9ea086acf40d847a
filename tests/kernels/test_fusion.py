"""Fused layers: the same numbers as the layers they replace, and how networks run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.errors import PluginError
from lenetkit.kernels.fused import ConvMaxPool2d, ReLUMaxPool2d
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import LeakyReLU, ReLU
from lenetkit.layers.base import Layer
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan, plan_text
from lenetkit.operations import settings
from lenetkit.testing import Check, layer_checks, parametrize

Array = NDArray[Any]
POOL = MaxPool2d(kernel_size=2)
KERNELS: list[int | tuple[int, int]] = [1, 3, (2, 3)]
WINDOWS: list[int | tuple[int, int]] = [1, 2, 3, (1, 2), (2, 1)]
CONV = Conv2d(out_channels=3, kernel_size=3, in_channels=2)


@parametrize(
    [
        *layer_checks(ReLUMaxPool2d(pool=POOL), (2, 5, 6)),
        *layer_checks(ReLUMaxPool2d(pool=MaxPool2d(kernel_size=3, stride=1, padding=1)), (2, 4, 5)),
        *layer_checks(ConvMaxPool2d(conv=CONV, pool=POOL), (2, 6, 7)),
        *layer_checks(
            ConvMaxPool2d(
                conv=Conv2d(
                    out_channels=4, kernel_size=3, padding=1, groups=2, bias=False, in_channels=2
                ),
                pool=MaxPool2d(kernel_size=(3, 1)),
                relu=False,
            ),
            (2, 7, 4),
        ),
    ]
)
def test_fused_layers_keep_the_contract(check: Check) -> None:
    check()


def passes(
    layers: Sequence[Layer], x: Array, dy: Array, params: dict[str, Array] | None = None
) -> list[Array]:
    """The output of layers in sequence, dL/dx and the gradients of the parameters.

    At most one of them has parameters.
    """
    kernels = NumpyKernels()
    calls = [Call(operations=kernels, training=True) for _ in layers]
    params = params or {}
    saved = []
    for layer, call in zip(layers, calls, strict=True):
        x, kept = layer.forward(params, x, call)
        saved.append(kept)
    x = x.copy()
    grads = {name: np.full_like(values, np.nan) for name, values in params.items()}
    gradient: Array | None = dy.copy()
    for layer, kept, call in zip(reversed(layers), reversed(saved), reversed(calls), strict=True):
        assert gradient is not None
        gradient = layer.backward(params, kept, gradient, grads, call)
    assert gradient is not None
    return [x, gradient, *grads.values()]


@given(data=st.data(), kernel=st.integers(1, 3), stride=st.integers(1, 3))
def test_relu_and_max_pooling_are_the_same_in_either_order(
    data: st.DataObject, kernel: int, stride: int
) -> None:
    """Few distinct values, so that many windows hold their largest value twice."""
    padding = data.draw(st.integers(0, kernel // 2))
    pool = MaxPool2d(kernel_size=kernel, stride=stride, padding=padding)
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    x = rng.integers(-2, 3, (2, 2, 5, 6)).astype(np.float32)
    dy = rng.normal(size=(2, *pool.output_shape((2, 5, 6)))).astype(np.float32)
    alone = passes([ReLU(), pool], x, dy)
    for one, other in zip(passes([ReLUMaxPool2d(pool=pool)], x, dy), alone, strict=True):
        np.testing.assert_array_equal(one, other)


@given(data=st.data())
def test_convolving_and_pooling_in_strips_is_the_same_as_in_sequence(
    data: st.DataObject,
) -> None:
    """Integers, so that the order of summation changes no bit and many windows hold ties."""
    draw = data.draw
    groups = draw(st.sampled_from([1, 2]))
    conv = Conv2d(
        out_channels=draw(st.sampled_from([2, 4])),
        kernel_size=draw(st.sampled_from(KERNELS)),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        in_channels=2,
    )
    pool = MaxPool2d(kernel_size=draw(st.sampled_from(WINDOWS)))
    relu = draw(st.booleans())
    N, in_shape = (
        draw(st.sampled_from([0, 1, 2, 5])),
        (2, *draw(st.tuples(*[st.integers(6, 9)] * 2))),
    )
    assume(min(conv.output_shape(in_shape)[1:]) >= max(pool.window.kernel))
    fused = ConvMaxPool2d(conv=conv, pool=pool, relu=relu)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    specs = conv.param_specs(in_shape)
    params = {name: rng.integers(-2, 3, spec.shape).astype(float) for name, spec in specs.items()}
    x = rng.integers(-2, 3, (N, *in_shape)).astype(float)
    dy = rng.integers(-3, 4, (N, *fused.output_shape(in_shape))).astype(float)
    alone = passes([conv, ReLU(), pool] if relu else [conv, pool], x, dy, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "STRIP", draw(st.sampled_from([1, 500, 10**6])))
        patch.setattr(settings, "SHARED_FROM", draw(st.sampled_from([1, 10**9])))
        patch.setattr(settings, "CHANNELS_LAST_FROM", draw(st.sampled_from([1, 10**9])))
        for one, other in zip(passes([fused], x, dy, params), alone, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_nan_passes_through_and_gets_no_gradient() -> None:
    x = np.array([[[[-1, np.nan, 3, 4], [2, 1, 4, -5]]]])
    y, dx = passes([ReLUMaxPool2d(pool=POOL)], x, np.ones((1, 1, 1, 2)))
    np.testing.assert_array_equal(y, passes([ReLU(), POOL], x, np.ones((1, 1, 1, 2)))[0])
    np.testing.assert_array_equal(y[0, 0], [[np.nan, 4]])
    np.testing.assert_array_equal(dx[0, 0], [[0, 0, 0, 1], [0, 0, 0, 0]])


@dataclass(frozen=True, kw_only=True)
class OtherPool(MaxPool2d):
    """A subclass of pooling, about which nothing is known."""


@dataclass(frozen=True, kw_only=True)
class OtherReLU(ReLU):
    """A subclass of ReLU."""


@pytest.mark.parametrize(
    "layers",
    [
        [ReLU()],
        [OtherReLU(), POOL],
        [POOL, ReLU()],
        [LeakyReLU(), POOL],
        [ReLU(), AvgPool2d(kernel_size=2)],
        [ReLU(), OtherPool(kernel_size=2)],
        [ReLU(), Dropout(), POOL],
        [CONV, ReLU()],
        [CONV, LeakyReLU(), POOL],
        [CONV, Dropout(), POOL],
        [CONV, ReLU(), MaxPool2d(kernel_size=2, stride=1)],
        [CONV, MaxPool2d(kernel_size=2, padding=1)],
    ],
)
def test_other_layers_are_not_fused(layers: list[Layer]) -> None:
    assert NumpyKernels().fuse(layers) is None


@dataclass(frozen=True, kw_only=True)
class OwnConvolution(NumpyKernels):
    """Kernels with their own convolution, which must not be bypassed."""

    def conv2d(self, *arguments: Any) -> Any:
        return super().conv2d(*arguments)


def test_a_kernel_sets_own_convolution_is_called() -> None:
    assert NumpyKernels().fuse([CONV, ReLU(), POOL]) is not None
    assert OwnConvolution().fuse([CONV, ReLU(), POOL]) is None
    assert OwnConvolution().fuse([ReLU(), POOL]) == (2, ReLUMaxPool2d(pool=POOL))


def names(network: Network, *, fused: bool = True) -> list[str]:
    return [step.name for step in network.workspace(training=True, fused=fused).stages]


def test_a_workspace_runs_fused_layers_unless_told_otherwise() -> None:
    network = Network(load_plan("lenet5"))
    fused = "conv1+relu1+pool1 conv2+relu2+pool2 fc1 relu3 fc2 relu4 fc3"
    assert " ".join(names(network)) == fused
    assert names(network, fused=False) == [p.name for p in network.plan.layers]


RANDOM = """
lenetkit: 1
name: random
input: [2, 8, 8]
layers:
  drop1: dropout
  conv1: {type: conv2d, out_channels: 3, kernel_size: 3}
  relu1: relu
  pool1: {type: max_pool2d, kernel_size: 2}
  drop2: dropout
  fc: {type: linear, out_features: 3}
"""


def test_fusion_changes_no_number_and_no_random_draw() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 2, 8, 8)), rng.normal(size=(5, 3))
    found = []
    for fused in (True, False):
        network = Network(plan_text(RANDOM, "test"), seed=1, dtype=np.float64)
        workspace = network.workspace(training=True, fused=fused)
        workspace.reseed(3, 4)
        y = network.forward(x, workspace).copy()
        network.backward(dy.copy(), workspace)
        found.append((y, network.grads))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_second_derivatives_need_unfused_layers() -> None:
    network = Network(load_plan("lenet5"))
    with pytest.raises(ValueError, match="expected a workspace made with fused=False"):
        network.second_backward(np.ones((1, 10)), network.workspace(training=False))


@dataclass(frozen=True, kw_only=True)
class GreedyKernels(NumpyKernels):
    """Fuses too much."""

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        return (4, layers[0]) if len(layers) > 4 else (9, layers[0])


def test_a_fusion_of_two_layers_with_parameters_is_refused() -> None:
    plan = load_plan("lenet5")
    network = Network(plan)
    object.__setattr__(plan.spec, "kernels", GreedyKernels())
    message = (
        r"^GreedyKernels\.fuse: expected 1 to 11 layers, at most one of them with parameters, "
        r"found 4: conv1\+relu1\+pool1\+conv2$"
    )
    with pytest.raises(PluginError, match=message):
        network.workspace(training=True)
