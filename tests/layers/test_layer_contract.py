"""What `lenetkit.layer` promises of every layer, checked on all built-in ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layer import Call, Layer, Shape
from lenetkit.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.registry import installed

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    layer: Layer
    in_shape: Shape
    training: bool = True

    def params(self, dtype: Any = np.float64) -> dict[str, Array]:
        rng = np.random.default_rng(1)
        specs = self.layer.param_specs(self.in_shape)
        return {name: rng.uniform(0.5, 2, s.shape).astype(dtype) for name, s in specs.items()}

    def grads(self, dtype: Any = np.float64) -> dict[str, Array]:
        """NaN everywhere: what is not written stands out, and so does what is added to."""
        specs = self.layer.param_specs(self.in_shape)
        return {n: np.full(s.shape, np.nan, dtype) for n, s in specs.items() if s.trainable}

    def call(self, kind: type[Call] = Call) -> Call:
        return kind(kernels=NumpyKernels(), training=self.training, rng_key=(3,))

    def x(self, batch: int = 3, dtype: Any = np.float64, seed: int = 0) -> Array:
        return np.random.default_rng(seed).normal(size=(batch, *self.in_shape)).astype(dtype)

    def dy(self, batch: int = 3, dtype: Any = np.float64, seed: int = 0) -> Array:
        shape = (batch, *self.layer.output_shape(self.in_shape))
        return np.random.default_rng(seed + 100).normal(size=shape).astype(dtype)

    def results(
        self, x: Array, dy: Array, *, call: Call | None = None, dtype: Any = np.float64
    ) -> dict[str, Array]:
        """Output and gradients by name, as copies."""
        params, grads, call = self.params(dtype), self.grads(dtype), call or self.call()
        y, saved = self.layer.forward(params, x, call)
        found = {"y": y.copy()}
        dx = self.layer.backward(params, saved, dy.copy(), grads, call)
        if dx is not None:
            found["dx"] = dx.copy()
        return found | grads


CASES = {
    "conv2d": Case(Conv2d(out_channels=3, kernel_size=3, stride=(1, 2), padding=1), (2, 5, 6)),
    "conv2d in groups": Case(
        Conv2d(out_channels=4, kernel_size=2, groups=2, dilation=2), (4, 5, 5)
    ),
    "conv2d without bias": Case(Conv2d(out_channels=3, kernel_size=1, bias=False), (2, 3, 4)),
    "max_pool2d": Case(MaxPool2d(kernel_size=2), (2, 5, 6)),
    "max_pool2d overlapping": Case(MaxPool2d(kernel_size=3, stride=1, padding=1), (2, 5, 4)),
    "avg_pool2d": Case(AvgPool2d(kernel_size=2), (2, 5, 6)),
    "avg_pool2d of pixels": Case(
        AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False), (2, 5, 4)
    ),
    "relu": Case(ReLU(), (2, 3, 4)),
    "leaky_relu": Case(LeakyReLU(), (2, 3, 4)),
    "sigmoid": Case(Sigmoid(), (2, 3, 4)),
    "tanh": Case(Tanh(), (2, 3, 4)),
    "flatten": Case(Flatten(), (2, 3, 4)),
    "linear": Case(Linear(out_features=5), (2, 3, 4)),
    "linear of a row": Case(Linear(out_features=5, bias=False), (7,)),
    "dropout": Case(Dropout(p=0.4), (2, 3, 4)),
    "dropout in inference": Case(Dropout(p=0.4), (2, 3, 4), training=False),
    "batch_norm2d": Case(BatchNorm2d(), (2, 3, 4)),
    "batch_norm2d in inference": Case(BatchNorm2d(affine=False), (2, 3, 4), training=False),
}
every_layer = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


class PoisonedCall(Call):
    """Hands out scratch memory full of NaN (or True): nobody may rely on what was there."""

    def scratch(self, name: str, shape: Shape, dtype: Any) -> Array:
        buffer = super().scratch(name, shape, dtype)
        buffer.fill(np.nan)
        return buffer


def assert_same(found: dict[str, Array], expected: dict[str, Array], rtol: float = 0) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=rtol, err_msg=name)


def test_every_built_in_layer_is_among_the_cases() -> None:
    entries = installed().registry(Layer).entries()
    built_in = {e.name for e in entries if e.provider.distribution == "lenetkit"}
    assert {name.split()[0] for name in CASES} == built_in


@every_layer
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_output_has_the_declared_shape(case: Case, batch: int) -> None:
    found = case.results(case.x(batch), case.dy(batch))
    assert found["y"].shape == (batch, *case.layer.output_shape(case.in_shape))
    assert found["dx"].shape == (batch, *case.in_shape)


@every_layer
def test_parameters_have_the_gradients_of_their_shapes(case: Case) -> None:
    found = case.results(case.x(), case.dy())
    for name, spec in case.layer.param_specs(case.in_shape).items():
        assert (name in found) == spec.trainable
        if spec.trainable:
            assert found[name].shape == spec.shape


@every_layer
@both_dtypes
def test_everything_keeps_the_dtype_of_the_input(case: Case, dtype: Any) -> None:
    found = case.results(case.x(dtype=dtype), case.dy(dtype=dtype), dtype=dtype)
    assert {name: values.dtype for name, values in found.items()} == dict.fromkeys(found, dtype)


@every_layer
def test_single_precision_agrees_with_double(case: Case) -> None:
    x, dy = case.x(dtype=np.float32), case.dy(dtype=np.float32)
    single = case.results(x, dy, dtype=np.float32)
    double = case.results(x.astype(np.float64), dy.astype(np.float64))
    assert_same(single, double, rtol=1e-4)


@every_layer
def test_input_is_never_written_to(case: Case) -> None:
    x = case.x()
    x.flags.writeable = False
    before = x.copy()
    case.results(x, case.dy())
    np.testing.assert_array_equal(x, before)


@every_layer
def test_trained_parameters_are_never_written_to(case: Case) -> None:
    params, grads, call = case.params(), case.grads(), case.call()
    for name in grads:
        params[name].flags.writeable = False
    _, saved = case.layer.forward(params, case.x(), call)
    case.layer.backward(params, saved, case.dy(), grads, call)


@every_layer
def test_gradients_are_written_not_accumulated(case: Case) -> None:
    params, grads, call = case.params(), case.grads(), case.call()
    for _ in range(2):
        _, saved = case.layer.forward(params, case.x(), call)
        case.layer.backward(params, saved, case.dy(), grads, call)
    expected = case.results(case.x(), case.dy())
    assert_same(grads, {name: expected[name] for name in grads})
    assert not any(np.isnan(gradient).any() for gradient in grads.values())


@every_layer
@both_dtypes
def test_contents_of_scratch_memory_do_not_matter(case: Case, dtype: Any) -> None:
    x, dy = case.x(dtype=dtype), case.dy(dtype=dtype)
    clean = case.results(x, dy, dtype=dtype)
    poisoned = case.results(x, dy, call=case.call(PoisonedCall), dtype=dtype)
    assert_same(poisoned, clean)


@every_layer
def test_used_call_gives_the_results_of_a_fresh_one(case: Case) -> None:
    """As in the last batch of an epoch, which may be smaller, and in the next epoch's first."""
    call = case.call()
    for batch in (3, 1, 4):
        x, dy = case.x(batch, seed=batch), case.dy(batch, seed=batch)
        assert_same(case.results(x, dy, call=call), case.results(x, dy))


@every_layer
def test_memory_order_of_the_input_does_not_matter(case: Case) -> None:
    x, dy = case.x(), case.dy()
    expected = case.results(x, dy)
    wide = np.repeat(x, 2, axis=-1)
    backwards = x[::-1, ..., ::-1].copy()
    for same in (np.asfortranarray(x), wide[..., ::2], backwards[::-1, ..., ::-1]):
        np.testing.assert_array_equal(same, x)
        assert_same(case.results(same, np.asfortranarray(dy)), expected, rtol=1e-12)


@every_layer
def test_interleaved_passes_do_not_disturb_each_other(case: Case) -> None:
    calls = case.call(), case.call()
    params = case.params(), case.params()
    x, dy = [case.x(seed=i) for i in range(2)], [case.dy(seed=i) for i in range(2)]
    forwards = [case.layer.forward(params[i], x[i], calls[i]) for i in range(2)]
    for i in range(2):
        y, saved = forwards[i]
        found = {"y": y.copy()}
        grads = case.grads()
        dx = case.layer.backward(params[i], saved, dy[i].copy(), grads, calls[i])
        assert dx is not None
        assert_same(found | {"dx": dx} | grads, case.results(x[i], dy[i]))


@every_layer
def test_an_empty_batch_gives_gradients_of_zero(case: Case) -> None:
    found = case.results(case.x(0), case.dy(0))
    for name in case.grads():
        np.testing.assert_array_equal(found[name], 0)


@every_layer
def test_parameter_gradients_do_not_depend_on_needing_the_input_gradient(case: Case) -> None:
    call = case.call()
    call.needs_input_grad = False
    found = case.results(case.x(), case.dy(), call=call)
    expected = case.results(case.x(), case.dy())
    assert_same({"dx": expected["dx"]} | found, expected)


@every_layer
def test_in_inference_an_image_does_not_depend_on_its_batch(case: Case) -> None:
    call, x = Call(kernels=NumpyKernels()), case.x()
    together = case.layer.forward(case.params(), x, call)[0].copy()
    for image, y in zip(x, together, strict=True):
        alone, _ = case.layer.forward(case.params(), image[None], call)
        np.testing.assert_allclose(alone[0], y, rtol=1e-12, atol=1e-12)
