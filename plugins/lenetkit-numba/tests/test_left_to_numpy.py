"""What is left to NumPy: NumPy's results, from conv2d alone and from the fused layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lenetkit_numba import convolution, left_to_numpy, target
from lenetkit_numba.fused import ConvReLUPool2d
from lenetkit_numba.kernels import NumbaKernels
from numpy.typing import NDArray

from lenetkit.authoring import AvgPool2d, Call, Conv2d, Layer, MaxPool2d, NumpyKernels, ReLU
from lenetkit.operations import workers
from lenetkit.testing import Check, layer_checks, parametrize

Array = NDArray[Any]
CONV = Conv2d(out_channels=3, kernel_size=3, in_channels=2)
POOLS: list[MaxPool2d | AvgPool2d] = [MaxPool2d(kernel_size=2), AvgPool2d(kernel_size=2)]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_to_numpy, "FEW", 4)


@parametrize(
    [c for pool in POOLS for c in layer_checks(ConvReLUPool2d(conv=CONV, pool=pool), (2, 6, 7))]
)
def test_the_fused_layer_keeps_the_contract(check: Check) -> None:
    check()


def passes(layers: list[Layer], x: Array, dy: Array, kernels: NumpyKernels) -> list[Array]:
    """The output, dL/dx and the gradients of the first layer's parameters."""
    rng = np.random.default_rng(1)
    shapes = CONV.param_specs(x.shape[1:])
    params = {name: rng.integers(-2, 3, s.shape).astype(float) for name, s in shapes.items()}
    grads = {name: np.empty_like(value) for name, value in params.items()}
    calls = [Call(operations=kernels) for _ in layers]
    saved = []
    for index, layer in enumerate(layers):
        x, kept = layer.forward({} if index else params, x, calls[index])
        saved.append(kept)
    y, gradient = x.copy(), dy.copy()
    for index in reversed(range(len(layers))):
        found = layers[index].backward(
            {} if index else params, saved[index], gradient, grads, calls[index]
        )
        assert found is not None
        gradient = found
    return [y, gradient, *grads.values()]


@pytest.mark.parametrize("N", [1, 4, 5])
@pytest.mark.parametrize("pool", POOLS)
def test_same_results_on_both_sides_of_the_border(
    N: int, pool: MaxPool2d | AvgPool2d, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    forward = convolution.forward

    def watched(*arguments: Any) -> Any:
        used.append(N)
        return forward(*arguments)

    monkeypatch.setattr(convolution, "forward", watched)
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, (N, 2, 8, 8)).astype(float)
    dy = rng.integers(-3, 4, (N, 3, 3, 3)).astype(float) * 4
    expected = passes([CONV, ReLU(), pool], x, dy, NumpyKernels())
    kernels = NumbaKernels()
    for layers in ([ConvReLUPool2d(conv=CONV, pool=pool)], [CONV, ReLU(), pool]):
        for found, right in zip(passes([*layers], x, dy, kernels), expected, strict=True):
            np.testing.assert_array_equal(found, right)
    assert used == ([] if N <= 4 else [5, 5])


def test_it_says_so() -> None:
    kernels, fused = NumbaKernels(), ConvReLUPool2d(conv=CONV, pool=POOLS[0])
    assert kernels.algorithm(fused, (2, 8, 8), 4).startswith("as numpy: ")
    assert kernels.algorithm(fused, (2, 8, 8), 5).startswith("compiled: ")


@pytest.mark.parametrize(
    ("shape", "maps", "left"),
    [
        ((4, 1, 28, 28), 6, True),  # few images
        ((5, 1, 28, 28), 6, False),
        ((4096, 6, 12, 12), 16, False),
        ((15, 32, 30, 30), 8, True),  # many channels, and not one full block
        ((16, 32, 30, 30), 8, False),
        ((15, 31, 30, 30), 8, False),
        ((64, 64, 62, 62), 8, True),  # a block's input leaves the caches
        ((64, 1, 62, 62), 64, True),  # a block's output does
        ((64, 16, 62, 62), 16, False),
    ],
)
def test_what_is_left_to_numpy(
    shape: tuple[int, ...], maps: int, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "lanes", lambda itemsize: 16)
    assert left_to_numpy.is_left(shape, maps, 4) == left


def test_its_threads_are_as_many() -> None:
    with NumbaKernels().limited(2):
        assert workers.threads() == 2
