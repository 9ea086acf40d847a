"""What each layer computes: its formula, state, shapes, costs and refusals."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.arrays import Shape
from lenetkit.errors import OptionError, ShapeError
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import ELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from lenetkit.layers.base import Cost, Elementwise, Layer, Params, ParamSpec
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.gelu import GELU
from lenetkit.layers.linear import Linear
from lenetkit.layers.normalization import GroupNorm, LayerNorm
from lenetkit.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.softmax import Softmax
from lenetkit.layers.upsample2d import Upsample2d

Array = NDArray[Any]
RNG = np.random.default_rng(5)


def call(
    *, training: bool = False, key: tuple[int, ...] = (0,), state: Params | None = None
) -> Call:
    return Call(operations=NumpyKernels(), training=training, rng_key=key, state=state or {})


def output(layer: Layer, x: Array, **params: Array) -> Array:
    """The output of a layer; its state is among `params` too."""
    return layer.forward(params, x, call(state=params))[0]


def test_activations_follow_their_formulas() -> None:
    x = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]])
    np.testing.assert_array_equal(output(ReLU(), x), [[0, 0, 0, 0.5, 2]])
    leaky = output(LeakyReLU(negative_slope=0.1), x)
    np.testing.assert_allclose(leaky, [[-0.2, -0.05, 0, 0.5, 2]])
    np.testing.assert_allclose(output(Sigmoid(), x), 1 / (1 + np.exp(-x)))
    np.testing.assert_allclose(output(Tanh(), x), np.sinh(x) / np.cosh(x))
    np.testing.assert_allclose(output(SiLU(), x), x / (1 + np.exp(-x)))
    np.testing.assert_allclose(output(Softplus(), x), np.log(1 + np.exp(x)))
    np.testing.assert_allclose(output(Softplus(beta=2, threshold=3), x)[0, -1], 2)
    elu = output(ELU(alpha=0.5), x)
    np.testing.assert_allclose(elu, [[*(0.5 * (np.exp(x[0, :2]) - 1)), 0, 0.5, 2]])


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-14), (np.float32, 2e-7)])
def test_gelu_is_exact(dtype: Any, error: float) -> None:
    x = np.linspace(-9, 9, 5001).astype(dtype)
    exact = np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(float)])
    np.testing.assert_allclose(output(GELU(), x), exact, rtol=error, atol=error)
    near = output(GELU(approximate="tanh"), x)
    assert 1e-5 < np.abs(near - exact).max() < 1e-3


@pytest.mark.parametrize("layer", [GELU(), GELU(approximate="tanh"), SiLU(), ELU(), Softplus()])
def test_not_a_number_stays_one(layer: Elementwise) -> None:
    x = np.array([[1.0, np.nan, -2.0]])
    y = output(layer, x)
    for values in (y, layer.derivative(x, y)):
        np.testing.assert_array_equal(np.isnan(values), np.isnan(x))


def test_softmax_sums_to_1_along_its_axis() -> None:
    x = RNG.normal(size=(2, 3, 4))
    for dim in (1, 2, -1):
        expected = np.exp(x) / np.exp(x).sum(axis=dim, keepdims=True)
        np.testing.assert_allclose(output(Softmax(dim=dim), x), expected)
    large = np.array([[1e4, -1e4, 1e4]], np.float32)
    np.testing.assert_array_equal(output(Softmax(), large), [[0.5, 0, 0.5]])


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling_reads_only_neighbours(mode: Any) -> None:
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    y = output(Upsample2d(scale_factor=(2, 3), mode=mode), x)
    middle = y[0, 0, 1::2, 1::3] if mode == "nearest" else y[0, 0, :1, 1::3]
    np.testing.assert_allclose(middle, x[0, 0] if mode == "nearest" else x[0, 0, :1])
    x[0, 0, 0, 0] = np.nan
    spoilt = np.isnan(output(Upsample2d(scale_factor=(2, 3), mode=mode), x)).sum()
    assert spoilt == (6 if mode == "nearest" else 12)


def test_layer_norm_normalizes_the_last_axes_and_group_norm_groups_of_channels() -> None:
    x = RNG.normal(3, 5, (2, 4, 3, 2))
    weight, bias = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))
    layer = LayerNorm(normalized_shape=(3, 2), eps=0.1)
    mean, var = x.mean(axis=(2, 3), keepdims=True), x.var(axis=(2, 3), keepdims=True)
    expected = weight * (x - mean) / np.sqrt(var + 0.1) + bias
    np.testing.assert_allclose(output(layer, x, weight=weight, bias=bias), expected)
    grouped = x.reshape(2, 2, 12)
    mean, var = grouped.mean(axis=2, keepdims=True), grouped.var(axis=2, keepdims=True)
    expected = ((grouped - mean) / np.sqrt(var + 0.1)).reshape(x.shape)
    found = output(GroupNorm(num_groups=2, affine=False, eps=0.1), x)
    np.testing.assert_allclose(found, expected)


def test_global_pooling_is_pooling_over_the_whole_map() -> None:
    x = RNG.normal(size=(2, 3, 4, 5))
    whole = output(AvgPool2d(kernel_size=(4, 5)), x)
    np.testing.assert_allclose(output(GlobalAvgPool2d(), x), whole)


def test_sigmoid_keeps_small_values() -> None:
    x = np.linspace(-87.3, 20, 100_001, dtype=np.float32)
    np.testing.assert_allclose(output(Sigmoid(), x), 1 / (1 + np.exp(-x.astype(float))), rtol=1e-6)
    x64 = np.linspace(-708, 40, 100_001)
    np.testing.assert_allclose(output(Sigmoid(), x64), np.exp(-np.logaddexp(0, -x64)), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "ends"), [(ReLU(), [0, 1e4]), (Sigmoid(), [0, 1]), (Tanh(), [-1, 1])], ids=repr
)
def test_activations_never_overflow(layer: Layer, ends: list[float], dtype: Any) -> None:
    np.testing.assert_array_equal(output(layer, np.array([[-1e4, 1e4]], dtype)), [ends])


@pytest.mark.parametrize(("layer", "slope"), [(ReLU(), 0), (LeakyReLU(negative_slope=0.1), 0.1)])
def test_slope_at_the_kink_is_the_left_one(layer: Layer, slope: float) -> None:
    _, saved = layer.forward({}, np.zeros((1, 2)), call())
    dx = layer.backward({}, saved, np.ones((1, 2)), {}, call())
    np.testing.assert_array_equal(dx, np.full((1, 2), slope))


def test_linear_and_flatten_read_an_image_in_the_order_channels_rows_columns() -> None:
    x = RNG.normal(size=(2, 3, 4, 5))
    x_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    rows = np.array([list(image.flat) for image in x])
    np.testing.assert_array_equal(output(Flatten(), x_last), rows)
    weight, bias = RNG.normal(size=(6, 60)), RNG.normal(size=6)
    found = output(Linear(out_features=6), x_last, weight=weight, bias=bias)
    np.testing.assert_allclose(found, np.einsum("oi,ni->no", weight, rows) + bias)


def test_dropout_keeps_its_share_and_scales_it_up() -> None:
    x = np.ones((100, 1000))
    y, _ = Dropout(p=0.3).forward({}, x, call(training=True))
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / 0.7)
    deviation = np.sqrt(0.3 * 0.7 / x.size)
    assert abs(kept.mean() - 0.7) < 5 * deviation


def test_dropout_passes_gradients_through_the_values_it_kept() -> None:
    layer, x = Dropout(p=0.5), np.ones((4, 50))
    y, saved = layer.forward({}, x, call(training=True))
    dx = layer.backward({}, saved, np.ones_like(x), {}, call(training=True))
    np.testing.assert_array_equal(dx, y)


def test_dropout_is_determined_by_its_key() -> None:
    layer, x = Dropout(p=0.5), np.ones((4, 50))
    first, again, other = (
        layer.forward({}, x, call(training=True, key=key))[0] for key in [(1, 2), (1, 2), (1, 3)]
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_dropout_drops_the_same_pixels_in_either_precision() -> None:
    layer, x = Dropout(p=0.5), np.ones((4, 50))
    single, _ = layer.forward({}, x.astype(np.float32), call(training=True))
    double, _ = layer.forward({}, x, call(training=True))
    np.testing.assert_array_equal(single == 0, double == 0)


@pytest.mark.parametrize(("p", "training"), [(0.5, False), (0.0, True)])
def test_dropout_changes_nothing_in_inference_or_with_p_0(p: float, training: bool) -> None:
    x = RNG.normal(size=(3, 4))
    y, _ = Dropout(p=p).forward({}, x, call(training=training))
    np.testing.assert_array_equal(y, x)


def batch_norm_params(C: int) -> dict[str, Array]:
    return {
        "weight": RNG.uniform(0.5, 2, C),
        "bias": RNG.normal(size=C),
        "running_mean": RNG.normal(size=C),
        "running_var": RNG.uniform(0.5, 2, C),
    }


def test_batch_norm_in_training_normalizes_by_the_batch() -> None:
    params, x = batch_norm_params(3), RNG.normal(2, 5, (4, 3, 2, 5))
    y, _ = BatchNorm2d(eps=0.01).forward(params, x, call(training=True, state=params))
    for c in range(3):
        values = x[:, c]
        mean = values.sum() / 40
        biased = ((values - mean) ** 2).sum() / 40
        normal = (values - mean) / np.sqrt(biased + 0.01)
        np.testing.assert_allclose(y[:, c], params["weight"][c] * normal + params["bias"][c])


def test_batch_norm_moves_running_statistics_towards_each_batch() -> None:
    params = batch_norm_params(2)
    mean, var = params["running_mean"].copy(), params["running_var"].copy()
    for _ in range(3):
        x = RNG.normal(2, 5, (4, 2, 3, 1))
        BatchNorm2d(momentum=0.2).forward(params, x, call(training=True, state=params))
        mean = 0.8 * mean + 0.2 * x.mean(axis=(0, 2, 3))
        squares = (x - x.mean(axis=(0, 2, 3), keepdims=True)) ** 2
        var = 0.8 * var + 0.2 * squares.sum(axis=(0, 2, 3)) / (12 - 1)  # unbiased
    np.testing.assert_allclose(params["running_mean"], mean)
    np.testing.assert_allclose(params["running_var"], var)


def test_batch_norm_in_inference_uses_running_statistics_and_keeps_them() -> None:
    params, x = batch_norm_params(2), RNG.normal(size=(4, 2, 3, 1))
    before = {name: values.copy() for name, values in params.items()}
    y = output(BatchNorm2d(eps=0.01), x, **params)
    for c in range(2):
        normal = (x[:, c] - before["running_mean"][c]) / np.sqrt(before["running_var"][c] + 0.01)
        np.testing.assert_allclose(y[:, c], before["weight"][c] * normal + before["bias"][c])
    for name, values in before.items():
        np.testing.assert_array_equal(params[name], values)


def test_batch_norm_of_one_value_a_channel_uses_running_statistics_and_keeps_them() -> None:
    params = batch_norm_params(2)
    before = {name: values.copy() for name, values in params.items()}
    x, training = RNG.normal(size=(1, 2, 1, 1)), call(training=True, state=params)
    y, _ = BatchNorm2d(momentum=1).forward(params, x, training)
    np.testing.assert_array_equal(y, output(BatchNorm2d(), x, **before))
    for name, values in before.items():
        np.testing.assert_array_equal(params[name], values, err_msg=name)


def test_batch_norm_of_one_image_with_more_values_moves_running_statistics() -> None:
    params, x = batch_norm_params(2), RNG.normal(size=(1, 2, 1, 2))
    BatchNorm2d(momentum=1).forward(params, x, call(training=True, state=params))
    np.testing.assert_allclose(params["running_mean"], x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(params["running_var"], x.var(axis=(0, 2, 3), ddof=1))


def test_batch_norm_trains_only_weight_and_bias() -> None:
    assert BatchNorm2d().param_specs((2, 3, 3)).keys() == {"weight", "bias"}
    assert BatchNorm2d(affine=False).param_specs((2, 3, 3)) == {}
    assert BatchNorm2d().state_specs((2, 3, 3)).keys() == {"running_mean", "running_var"}


@pytest.mark.parametrize(
    ("layer", "in_shape", "out_shape"),
    [
        (Conv2d(out_channels=6, kernel_size=5), (1, 28, 28), (6, 24, 24)),
        (Conv2d(out_channels=6, kernel_size=5, padding=2), (1, 28, 28), (6, 28, 28)),
        (Conv2d(out_channels=4, kernel_size=(3, 1), stride=(2, 3)), (2, 8, 8), (4, 3, 3)),
        (Conv2d(out_channels=4, kernel_size=3, dilation=(2, 1)), (2, 8, 8), (4, 4, 6)),
        (Conv2d(out_channels=4, kernel_size=(4, 3), padding="same"), (2, 8, 7), (4, 8, 7)),
        (Conv2d(out_channels=4, kernel_size=3, padding=((2, 1), (0, 3))), (2, 8, 7), (4, 9, 8)),
        (MaxPool2d(kernel_size=2), (6, 24, 25), (6, 12, 12)),
        (MaxPool2d(kernel_size=2, ceil_mode=True), (6, 24, 25), (6, 12, 13)),
        (MaxPool2d(kernel_size=2, dilation=3, stride=1), (6, 8, 9), (6, 5, 6)),
        (AvgPool2d(kernel_size=3, stride=4, padding=1, ceil_mode=True), (6, 8, 9), (6, 3, 3)),
        (GlobalAvgPool2d(), (6, 8, 9), (6, 1, 1)),
        (Upsample2d(scale_factor=(2, 3)), (6, 8, 9), (6, 16, 27)),
        (AvgPool2d(kernel_size=3, stride=2, padding=1), (6, 24, 25), (6, 12, 13)),
        (Flatten(), (16, 4, 4), (256,)),
        (Linear(out_features=84), (16, 4, 4), (84,)),
    ],
    ids=repr,
)
def test_output_shapes(layer: Layer, in_shape: Shape, out_shape: Shape) -> None:
    assert layer.output_shape(in_shape) == out_shape


def test_costs_are_those_of_lecun_1998() -> None:
    """Section II.B counts 122,304 connections in C1, 5,880 in S2 and 48,120 in C5.

    S2 here has no trainable coefficient, whose bias LeCun counts: 5 a unit there, 4 here.
    """
    assert Conv2d(out_channels=6, kernel_size=5).cost((1, 32, 32)) == Cost(117_600, 122_304)
    assert AvgPool2d(kernel_size=2).cost((6, 28, 28)) == Cost(0, 5_880 * 4 // 5)
    assert Conv2d(out_channels=120, kernel_size=5).cost((16, 5, 5)) == Cost(48_000, 48_120)
    assert Linear(out_features=120).cost((16, 5, 5)) == Cost(48_000, 48_120)
    assert ReLU().cost((6, 28, 28)) == Cost(0, 0)


def test_options_without_a_bias_have_no_bias() -> None:
    assert list(Conv2d(out_channels=2, kernel_size=3, bias=False).param_specs((1, 4, 4))) == [
        "weight"
    ]
    assert list(Linear(out_features=2, bias=False).param_specs((3,))) == ["weight"]


@pytest.mark.parametrize(
    ("layer", "in_shape", "shape", "fans"),
    [
        (Conv2d(out_channels=6, kernel_size=(5, 3)), (4, 9, 9), (6, 4, 5, 3), (60, 90)),
        (Conv2d(out_channels=6, kernel_size=3, groups=2), (4, 9, 9), (6, 2, 3, 3), (18, 54)),
        (Linear(out_features=10), (16, 4, 4), (10, 256), (256, 10)),
    ],
    ids=repr,
)
def test_weights_know_their_shape_and_fans(
    layer: Layer, in_shape: Shape, shape: Shape, fans: tuple[int, int]
) -> None:
    weight = layer.param_specs(in_shape)["weight"]
    assert (weight.shape, weight.fans()) == (shape, fans)


def test_fans_may_be_given() -> None:
    assert ParamSpec((7,)).fans() == (7, 7)
    assert ParamSpec((7,), fan_in=3, fan_out=4).fans() == (3, 4)
    assert ParamSpec(()).fans() == (1, 1)
    assert ParamSpec((), fan_in=3).fans() == (3, 1)


@pytest.mark.parametrize(
    ("layer", "in_shape", "inferred"),
    [
        (Conv2d(out_channels=6, kernel_size=5), (4, 9, 8), {"in_channels": 4}),
        (Linear(out_features=10), (4, 9, 8), {"in_features": 288}),
        (BatchNorm2d(), (4, 9, 8), {"num_features": 4}),
        (ReLU(), (4, 9, 8), {}),
    ],
    ids=repr,
)
def test_options_inferred_from_the_input(
    layer: Layer, in_shape: Shape, inferred: dict[str, int]
) -> None:
    assert layer.inferred(in_shape) == inferred


@pytest.mark.parametrize(
    ("layer", "in_shape", "message"),
    [
        (
            MaxPool2d(kernel_size=2),
            (84,),
            "expected an image (channels × height × width), found 84",
        ),
        (BatchNorm2d(), (), "expected an image (channels × height × width), found a scalar"),
        (
            Conv2d(out_channels=6, kernel_size=5),
            (1, 4, 28),
            "kernel 5×5 is larger than its input 4×28; "
            "use a smaller kernel_size, more padding, or fewer layers that shrink the image",
        ),
        (
            Conv2d(out_channels=6, kernel_size=(2, 3), dilation=(1, 4), padding=1),
            (1, 4, 6),
            "kernel 2×9 (dilated) is larger than its input 6×8 with its padding; "
            "use a smaller kernel_size, more padding, or fewer layers that shrink the image",
        ),
        (
            Conv2d(out_channels=6, kernel_size=1, groups=2),
            (3, 4, 4),
            "groups must divide the input channels (3), found 2",
        ),
    ],
)
def test_unsuitable_input_shapes_are_refused(layer: Layer, in_shape: Shape, message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        layer.output_shape(in_shape)


def test_groups_must_divide_the_output_channels() -> None:
    message = re.escape("groups: must divide out_channels (6), found 4")
    with pytest.raises(OptionError, match=f"^{message}$"):
        Conv2d(out_channels=6, kernel_size=1, groups=4)


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_padding_is_smaller_than_the_window(kind: type[Layer]) -> None:
    message = re.escape("padding: must be smaller than the window (3×4), ") + ".*; found 3"
    with pytest.raises(OptionError, match=f"^{message}$"):
        kind(kernel_size=(3, 4), padding=3)  # type: ignore[call-arg]
    kind(kernel_size=(3, 4), padding=(2, 3))  # type: ignore[call-arg]
    kind(kernel_size=2, dilation=3, padding=3)  # type: ignore[call-arg]


def test_scratch_memory_is_kept_by_name_and_dtype() -> None:
    calls = call()
    large = calls.scratch("a", (4, 5), np.float32)
    assert large.shape == (4, 5)
    assert np.shares_memory(large, calls.scratch("a", (2, 3), np.float32))
    assert not np.shares_memory(large, calls.scratch("b", (4, 5), np.float32))
    assert not np.shares_memory(large, calls.scratch("a", (4, 5), np.float64))
    assert calls.scratch("a", (6, 7), np.float32).shape == (6, 7)
