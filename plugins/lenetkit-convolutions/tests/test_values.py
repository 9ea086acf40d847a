"""What the layers are, on numbers small enough to follow; and the example spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lenetkit_convolutions.conv_transpose2d import ConvTranspose2d
from lenetkit_convolutions.dilated_pyramid2d import DilatedPyramid2d
from lenetkit_convolutions.separable_conv2d import SeparableConv2d

from lenetkit.arrays import Views
from lenetkit.authoring import Array, Call, Layer, NumpyKernels, Scratch
from lenetkit.layers.base import with_inferred
from lenetkit.network.plan import load_plan

SPEC = Path(__file__).resolve().parents[1] / "separable.yaml"


def output(layer: Layer, params: dict[str, Array], x: Array) -> Array:
    """What comes out in inference."""
    return layer.forward(params, x, Call(operations=NumpyKernels()))[0]


def test_transposed_convolution_stamps_the_kernel() -> None:
    layer = ConvTranspose2d(out_channels=1, kernel_size=2, stride=2)
    params = {"weight": np.array([[[[1.0, 2], [3, 4]]]]), "bias": np.array([0.5])}
    y = output(layer, params, np.array([[[[1.0, 10]]]]))
    assert y.tolist() == [[[[1.5, 2.5, 10.5, 20.5], [3.5, 4.5, 30.5, 40.5]]]]


def test_transposed_convolution_costs_a_kernel_for_each_input_value() -> None:
    layer = ConvTranspose2d(out_channels=4, kernel_size=3, stride=2, groups=2)
    cost = layer.cost((6, 5, 7))
    assert (cost.macs, cost.connections) == (6 * 5 * 7 * 2 * 9, 6 * 5 * 7 * 2 * 9 + 4 * 11 * 15)
    assert layer.param_specs((6, 5, 7))["weight"].fans() == (3 * 9 // 4, 2 * 9)


def test_a_separable_convolution_is_one_of_a_product_of_weights() -> None:
    rng = np.random.default_rng(0)
    layer = SeparableConv2d(out_channels=4, kernel_size=3, depth_multiplier=2)
    specs = layer.param_specs((3, 6, 5))
    params: dict[str, Array] = {n: rng.normal(size=s.shape) for n, s in specs.items()}
    x = rng.normal(size=(2, 3, 6, 5))
    depthwise = params["depthwise"].reshape(3, 2, 3, 3)
    weight = np.einsum("ocm,cmuv->ocuv", params["pointwise"].reshape(4, 3, 2), depthwise)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    expected = np.einsum("ncijuv,ocuv->noij", windows, weight) + params["bias"][:, None, None]
    np.testing.assert_allclose(output(layer, params, x), expected, rtol=1e-12, atol=1e-12)
    assert layer.cost((3, 6, 5)).macs == 4 * 3 * (6 * 9 + 6 * 4)


def test_branches_of_a_pyramid_look_dilation_pixels_away() -> None:
    layer = DilatedPyramid2d(out_channels=2, kernel_size=(1, 3), dilations=(1, 3))
    params = {"weight": np.broadcast_to([1.0, 2, 4], (2, 1, 1, 3)), "bias": np.zeros(2)}
    x = np.zeros((1, 1, 1, 9))
    x[..., 4] = 1
    y = output(layer, params, x)
    assert y[0, :, 0].tolist() == [[0, 0, 0, 4, 2, 1, 0, 0, 0], [0, 4, 0, 0, 2, 0, 0, 1, 0]]


class Greedy(NumpyKernels):
    """A kernel set that uses up the gradient it is given, as the protocol allows."""

    def conv2d_backward(
        self,
        saved: Any,
        weight: Array,
        dy: Array,
        d_weight: Array,
        d_bias: Array | None,
        needs_input_grad: bool,
        scratch: Scratch,
    ) -> Array | None:
        dx = super().conv2d_backward(saved, weight, dy, d_weight, d_bias, needs_input_grad, scratch)
        dy.fill(np.nan)
        return dx


@pytest.mark.parametrize(
    "layer",
    [
        ConvTranspose2d(out_channels=3, kernel_size=3, stride=2),
        SeparableConv2d(out_channels=3, kernel_size=3),
        DilatedPyramid2d(out_channels=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_kernels_may_use_up_the_gradient(layer: Layer) -> None:
    rng, found = np.random.default_rng(0), []
    x, specs = rng.normal(size=(2, 2, 5, 4)), layer.param_specs((2, 5, 4))
    params = {n: rng.normal(size=s.shape) for n, s in specs.items()}
    before, dy = x.copy(), rng.normal(size=(2, *layer.output_shape((2, 5, 4))))
    for kernels in (NumpyKernels(), Greedy()):
        grads, call = {n: np.empty(s.shape) for n, s in specs.items()}, Call(operations=kernels)
        y, saved = layer.forward(params, x, call)
        kept = y.copy()
        found.append([kept, layer.backward(params, saved, dy.copy(), grads, call), *grads.values()])
        np.testing.assert_array_equal(y, kept)  # scratch lasts until the next forward
    np.testing.assert_array_equal(x, before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_example_has_the_parameters_it_states() -> None:
    plan = load_plan(SPEC)
    assert f"{plan.count():,} parameters" in SPEC.read_text("utf-8")
    assert [p.name for p in plan.layers if p.type == "separable_conv2d"] == ["conv2", "conv3"]


@pytest.mark.parametrize(
    ("layer", "in_shape"),
    [
        (ConvTranspose2d(out_channels=2, kernel_size=(3, 2), stride=2, dilation=(1, 2)), (2, 5, 4)),
        (ConvTranspose2d(out_channels=2, kernel_size=4, stride=2, padding=1), (1, 4, 5)),
        (SeparableConv2d(out_channels=2, kernel_size=3, stride=2, padding=1), (2, 7, 6)),
        (DilatedPyramid2d(out_channels=2, dilations=(1, 2), stride=(2, 1)), (2, 9, 8)),
    ],
    ids=str,
)
def test_the_receptive_field_is_where_the_gradient_is_not_zero(
    layer: Layer, in_shape: tuple[int, int, int]
) -> None:
    """For every place of the first output map."""
    layer, _ = with_inferred(layer, in_shape)
    rng = np.random.default_rng(0)
    specs = layer.param_specs(in_shape).items()
    params, grads = (Views({n: rng.normal(size=s.shape) for n, s in specs}) for _ in range(2))
    rows, columns = layer.output_shape(in_shape)[1:]
    x = np.tile(rng.normal(size=(1, *in_shape)), (rows * columns, 1, 1, 1))
    call = Call(operations=NumpyKernels())
    y, saved = layer.forward(params, x, call)
    dy = np.zeros_like(y)
    dy[:, :] = np.eye(rows * columns).reshape(-1, 1, rows, columns)
    dx = layer.backward(params, saved, dy, grads, call)
    reach = layer.receptive_field(in_shape)
    assert dx is not None
    assert reach is not None
    seen = np.abs(dx).sum(axis=1).reshape(rows, columns, *in_shape[1:])
    for axis, claimed in enumerate(reach):
        sums = seen.sum(axis=(1 - axis, 3 - axis))
        for place, values in enumerate(sums):
            found = np.flatnonzero(values)
            start, stop = int(claimed.start[place]), int(claimed.stop[place])
            assert list(found[[0, -1]]) == [start, stop - 1] if len(found) else start >= stop
