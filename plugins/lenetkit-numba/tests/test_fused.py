"""The fused layer beside the layers that it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lenetkit_numba.fused import ConvReLUPool2d
from lenetkit_numba.kernels import NumbaKernels
from numpy.typing import NDArray

from lenetkit.authoring import AvgPool2d, Conv2d, Layer, MaxPool2d, ReLU, ReLUMaxPool2d, Tanh
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan, plan_text
from lenetkit.spec.merge import Override
from lenetkit.training.data import load_training_data
from lenetkit.training.loop import StepDone, start, train

Array = NDArray[Any]
CONV = Conv2d(out_channels=4, kernel_size=3)
LARGEST, MEAN = MaxPool2d(kernel_size=2), AvgPool2d(kernel_size=2)

SPEC = """
lenetkit: 1
name: two
input: [{channels}, {height}, {width}]
kernels: numba
layers:
  conv: {{type: conv2d, out_channels: {maps}, kernel_size: {kernel}, padding: {padding}}}
  relu: relu
  pool: {{type: {pool}, kernel_size: 2}}
  fc: {{type: linear, out_features: 3}}
"""


def passes(plan: Plan, x: Array, dy: Array, *, fused: bool) -> tuple[Array, Array]:
    """The output of the pooling, and all gradients; integers everywhere, so that sums are exact."""
    network = Network(plan, seed=1, dtype=x.dtype)
    network.params[:] = np.random.default_rng(5).integers(-2, 3, network.params.size)
    workspace = network.workspace(training=True, fused=fused)
    y = network.forward(x, workspace).copy()
    network.backward(dy.copy(), workspace)
    return y, network.grads


@settings(deadline=None)
@given(
    N=st.sampled_from([1, 5, 16, 35]),
    channels=st.integers(1, 3),
    maps=st.integers(1, 9),
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    kernel=st.integers(1, 3),
    padding=st.integers(0, 2),
    pool=st.sampled_from(["max_pool2d", "avg_pool2d"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_it_gives_what_the_layers_give_alone(
    N: int, pool: str, dtype: Any, seed: int, **sizes: int
) -> None:
    """Few different values, so that many windows hold their largest value twice."""
    plan = plan_text(SPEC.format(pool=pool, **sizes), "test")
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (N, *plan.spec.input)).astype(dtype)
    dy = 4.0 * rng.integers(-2, 3, (N, 3)).astype(dtype)
    alone = passes(plan, x, dy, fused=False)
    for one, other in zip(passes(plan, x, dy, fused=True), alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_nan_comes_through_wherever_it_is_in_its_window(place: tuple[int, int]) -> None:
    from lenetkit.authoring import Call

    layer = ConvReLUPool2d(conv=Conv2d(out_channels=1, kernel_size=1), pool=LARGEST)
    call = Call(operations=NumbaKernels())
    x = np.array([[[[1.0, 2, 5, 6], [4, 3, 8, 7]]]])
    x[0, 0, place[0], place[1]] = np.nan
    params = {"weight": np.ones((1, 1, 1, 1)), "bias": np.zeros(1)}
    y, saved = layer.forward(params, x, call)
    np.testing.assert_array_equal(y, [[[[np.nan, 8]]]])
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dx = layer.backward(params, saved, np.ones_like(y), grads, call)
    np.testing.assert_array_equal(dx, [[[[0, 0, 0, 0], [0, 0, 1, 0]]]])


@dataclass(frozen=True, kw_only=True)
class OtherConv(Conv2d):
    """Somebody's own convolution."""


@pytest.mark.parametrize(
    ("layers", "fused"),
    [
        ([CONV, ReLU(), LARGEST], (3, ConvReLUPool2d(conv=CONV, pool=LARGEST))),
        ([CONV, ReLU(), MEAN, ReLU()], (3, ConvReLUPool2d(conv=CONV, pool=MEAN))),
        ([CONV, ReLU(), MaxPool2d(kernel_size=2, stride=1)], None),
        ([CONV, ReLU(), MaxPool2d(kernel_size=3)], None),
        ([CONV, ReLU(), MaxPool2d(kernel_size=2, padding=1)], None),
        ([CONV, Tanh(), LARGEST], None),
        ([CONV, LARGEST], None),
        ([CONV, ReLU()], None),
        ([OtherConv(out_channels=1, kernel_size=1), ReLU(), LARGEST], None),
        ([ReLU(), LARGEST], (2, ReLUMaxPool2d(pool=LARGEST))),
    ],
)
def test_what_is_fused(layers: list[Layer], fused: tuple[int, Layer] | None) -> None:
    assert NumbaKernels().fuse(layers) == fused


def test_it_stands_in_for_three_layers_of_lenet5() -> None:
    network = Network(load_plan("lenet5", [Override.from_text("kernels=numba")]))
    names = [step.name for step in network.workspace(training=True).stages]
    assert names == [
        "conv1+relu1+pool1",
        "conv2+relu2+pool2",
        "fc1",
        "relu3",
        "fc2",
        "relu4",
        "fc3",
    ]


@pytest.mark.parametrize("spec", ["lenet5", "lenet5-avgpool", "lenet5-sigmoid", "lenet5-32x32"])
def test_training_goes_as_with_the_numpy_kernels(spec: str) -> None:
    losses = []
    for kernels in ("numpy", "numba"):
        changes = ["data.type=synthetic_digits", "train.epochs=1", f"kernels={kernels}"]
        plan = load_plan(spec, [Override.from_text(change) for change in changes])
        data = load_training_data(plan)
        data = replace(data, train=data.train.take(slice(1000)), test=data.test.take(slice(100)))
        network = Network(plan, seed=0)
        events = train(network, data, plan.spec.train, start(network, plan.spec.train))
        losses.append([event.loss for event in events if isinstance(event, StepDone)])
    assert len(losses[0]) == 16
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-3)


def test_what_it_tells_of_how_it_computes() -> None:
    kernels = NumbaKernels()
    told = r"compiled: \d+ × \d+ images, tiles of 4 outputs × \d maps"
    for layer in (CONV, ConvReLUPool2d(conv=CONV, pool=LARGEST)):
        assert re.fullmatch(told, kernels.algorithm(layer, (1, 28, 28), 64))
    assert kernels.algorithm(ReLUMaxPool2d(pool=LARGEST), (1, 28, 28), 64)  # as NumPy's
    assert kernels.algorithm(Tanh(), (1, 28, 28), 64) == ""
