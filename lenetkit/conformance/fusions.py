"""What a kernel set fuses, beside the layers that it replaces."""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lenetkit.arrays import Array, Shape, Views
from lenetkit.conformance import compare
from lenetkit.conformance.definition import Definition
from lenetkit.conformance.passes import FilledCall
from lenetkit.conformance.suite import subject_of
from lenetkit.errors import OptionError, ShapeError
from lenetkit.kernels.base import Kernels
from lenetkit.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from lenetkit.layers.base import Layer, Params, with_inferred
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.options import options_of

ODD: Shape = (2, 13, 11)
MANY: Shape = (34, 10, 9)
LARGE: Shape = (1, 27, 25)
ROW: Shape = (12,)
"""Shapes that sequences start from."""
KEY = 7


class Negative(Layer):
    """Mixed into a layer: the same, negated. What fuses it as the layer itself is wrong."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)  # type: ignore[safe-super]
        return -y, saved

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        return super().backward(params, saved, -dy, grads, call)  # type: ignore[safe-super]


def _negative(layer: Layer) -> Layer:
    cls = type(layer)
    derived = type(f"Negative{cls.__name__}", (Negative, cls), {"__module__": __name__})
    return derived(**{opt.name: getattr(layer, opt.name) for opt in options_of(cls)})


ONE_EACH: tuple[Layer, ...] = (
    Conv2d(out_channels=3, kernel_size=3),
    ReLU(),
    LeakyReLU(),
    Sigmoid(),
    Tanh(),
    MaxPool2d(kernel_size=2),
    AvgPool2d(kernel_size=2),
    BatchNorm2d(),
    Dropout(p=0.3),
    Flatten(),
    Linear(out_features=5),
)
VARIED: tuple[Layer, ...] = (
    Conv2d(out_channels=67, kernel_size=(3, 2)),
    Conv2d(out_channels=4, kernel_size=3, stride=2, padding=1),
    Conv2d(out_channels=2, kernel_size=2, dilation=(2, 1), bias=False),
    Conv2d(out_channels=4, kernel_size=5, padding=2, groups=2),
    Conv2d(out_channels=3, kernel_size=1, stride=(1, 3)),
    Conv2d(out_channels=2, kernel_size=(20, 21)),
    LeakyReLU(negative_slope=0.4),
    MaxPool2d(kernel_size=(2, 3)),
    MaxPool2d(kernel_size=3, stride=2),
    MaxPool2d(kernel_size=3, stride=2, padding=1),
    MaxPool2d(kernel_size=2, stride=3),
    MaxPool2d(kernel_size=20),
    AvgPool2d(kernel_size=3, stride=2, padding=1),
    AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False),
    AvgPool2d(kernel_size=(3, 2)),
    BatchNorm2d(affine=False),
    Linear(out_features=70, bias=False),
    *(
        _negative(layer)
        for layer in ONE_EACH
        if type(layer) in (Conv2d, ReLU, MaxPool2d, AvgPool2d)
    ),
)
EXACT = (Conv2d, ReLU, MaxPool2d, AvgPool2d, Flatten, Linear)
"""Layers whose results from small whole numbers are exact, in any order of sums."""
KINKED = (ReLU, LeakyReLU, MaxPool2d)
"""Layers whose gradient jumps, so that rounding may change it."""


@dataclass(frozen=True)
class Fusion:
    """Layers, the one that runs in their place, and an input shape that they take."""

    layers: tuple[Layer, ...]
    fused: Layer
    shape: Shape

    def __str__(self) -> str:
        names = " + ".join(map(subject_of, self.layers))
        return f"{type(self.fused).__name__} for {names}"


def made_by(kernels: Kernels) -> Iterator[Fusion]:
    """Every fusion of the sequences that are asked, once.

    Raises CheckFailed for an answer that the contract does not allow.
    """
    seen = set()
    for layers, shape in _sequences(kernels):
        asked = list(layers)
        answer: object = kernels.fuse(asked)
        if len(asked) != len(layers) or any(map(operator.is_not, asked, layers)):
            raise compare.fail(f"{_asked(layers)} changes the list", "work on a copy of it")
        if answer is None:
            continue
        match answer:
            case (int() as count, Layer() as fused) if 1 <= count <= len(layers):
                pass
            case _:
                raise compare.fail(
                    f"{_asked(layers)}: expected None or (a count from 1 to {len(layers)}, a "
                    f"layer), found {answer!r}"
                )
        taken = layers[:count]
        if sum(bool(_tensors(*planned)) for planned in _planned(taken, shape)) > 1:
            raise compare.fail(
                f"{_asked(layers)}: expected at most one layer with parameters among those that "
                f"it takes, found more in the first {count}"
            )
        key = (tuple(map(id, taken)), subject_of(fused))
        if key not in seen:
            seen.add(key)
            yield Fusion(taken, fused, shape)


def _asked(layers: Sequence[Layer]) -> str:
    return f"fuse([{', '.join(map(subject_of, layers))}])"


def layers_with_shapes() -> Iterator[tuple[Layer, Shape]]:
    """Every layer that is asked, with the shapes that it takes."""
    for layer in (*ONE_EACH, *VARIED):
        for shape in (ODD, LARGE, ROW):
            with contextlib.suppress(ShapeError):
                layer.output_shape(shape)
                yield with_inferred(layer, shape)[0], shape


def _sequences(kernels: Kernels) -> Iterator[tuple[tuple[Layer, ...], Shape]]:
    """Layers in a row that a plan accepts, with the shape that they start from."""
    own = tuple(_own_layers(kernels))
    for start in (LARGE, ROW):
        yield from _continued((), start, start, (*ONE_EACH, *VARIED, *own), 3)
        for layers, shape in _continued((), start, start, (*ONE_EACH, *VARIED[1:3], *own), 4):
            if len(layers) == 4:
                yield layers, shape


def _continued(
    layers: tuple[Layer, ...], start: Shape, shape: Shape, choice: Sequence[Layer], most: int
) -> Iterator[tuple[tuple[Layer, ...], Shape]]:
    for layer in choice:
        try:
            after = _output_shape(layer, shape)
        except ShapeError:
            continue
        longer = (*layers, layer)
        yield longer, start
        if len(longer) < most:
            yield from _continued(longer, start, after, choice, most)


@functools.lru_cache(maxsize=10_000)
def _output_shape(layer: Layer, shape: Shape) -> Shape:
    return with_inferred(layer, shape)[0].output_shape(shape)


def _own_layers(kernels: Kernels) -> Iterator[Layer]:
    """Objects of the layers that the kernel set's own module defines."""
    module = sys.modules.get(type(kernels).__module__)
    for cls in list(vars(module).values()) if module else ():
        own = isinstance(cls, type) and cls.__module__ == type(kernels).__module__
        if own and issubclass(cls, Layer) and not getattr(cls, "__abstractmethods__", None):
            with contextlib.suppress(OptionError):
                guessed = () if any(opt.required for opt in options_of(cls)) else (cls(),)
                yield from cls.examples() or guessed


_NOT_EQUIVALENT = "fuse takes layers, or options of them, that its layer does not stand for"
_BACKWARD = "backward of the fused layer leaves out a layer, such as where a ReLU was 0"


class Data(NamedTuple):
    """The images of a run: whole numbers or normal ones; `poisoned` with NaN."""

    shape: Shape
    batch: int
    dtype: Any
    whole: bool
    training: bool = True
    first: bool = False
    scale: float = 1.0
    poisoned: bool = False


RUNS = (
    Data(ODD, 130, np.float32, whole=True),
    Data(ODD, 2, np.float64, whole=True, training=False),
    Data(ODD, 9, np.float64, whole=False),
    Data(ODD, 1, np.float32, whole=False, training=False),
    Data(ODD, 3, np.float64, whole=False, first=True),
    Data(ODD, 5, np.float64, whole=False, poisoned=True),
    Data(ODD, 0, np.float32, whole=True),
    Data(MANY, 5, np.float32, whole=True),
    Data(MANY, 3, np.float64, whole=False, training=False),
    Data(ODD, 2, np.float32, whole=True, scale=2.0**13),
    Data(ODD, 2, np.float64, whole=False, scale=1e-4),
    Data(LARGE, 2, np.float32, whole=True),
    Data(LARGE, 1, np.float64, whole=False),
    Data(ROW, 18, np.float32, whole=True),
    Data(ROW, 3, np.float64, whole=False, scale=1e4),
    Data(ROW, 5, np.float64, whole=False, poisoned=True),
)


def expect_equal(fusion: Fusion, kernels: Kernels) -> None:
    """Raises CheckFailed unless the fused layer gives what its layers give, one by one."""
    call = FilledCall(kernels, fill=np.nan)  # one for all runs, as in a network
    exact = all(type(layer) in EXACT for layer in fusion.layers)
    kinked = any(isinstance(layer, KINKED) for layer in fusion.layers)
    for data in RUNS:
        if data.whole and not exact:
            continue
        try:
            planned = list(_planned(fusion.layers, data.shape))
        except ShapeError:
            continue
        expected = _alone(planned, data)
        found = _fused(fusion, planned, data, call)
        circumstance = f"{fusion}, {data.batch} images {data.shape}, {np.dtype(data.dtype)}"
        circumstance += "" if data.training else ", inference"
        if data.poisoned:
            _expect_poison(found["y"], expected["y"], f"{circumstance}, NaN in x: y")
            continue
        if kinked and not data.whole and data.dtype is np.float32:
            expected = {"y": expected["y"]}
        if data.first:
            expected.pop("dx", None)
        tolerance = compare.ROUNDING[np.dtype(data.dtype)]
        forward = {name: values for name, values in expected.items() if name[0] in "ys"}
        for part, cause in ((forward, _NOT_EQUIVALENT), (expected, _BACKWARD)):
            compare.expect_all_same(found, part, circumstance, tolerance=tolerance, cause=cause)
        for name in expected:
            compare.expect_dtype(found[name], data.dtype, f"{circumstance}: {name}")


def _planned(layers: Sequence[Layer], shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Each layer as in a plan, with the shape that reaches it."""
    for layer in layers:
        planned, _ = with_inferred(layer, shape)
        yield planned, shape
        shape = planned.output_shape(shape)


def _tensors(layer: Layer, shape: Shape) -> bool:
    return bool(layer.param_specs(shape) or layer.state_specs(shape))


def _values(data: Data, shape: Shape, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    values: Any = rng.integers(-3, 4, shape) if data.whole else rng.normal(size=shape)
    result: Array = values.astype(data.dtype)
    return result


def _given(planned: Sequence[tuple[Layer, Shape]], data: Data) -> tuple[Array, Array]:
    """x and dy."""
    layer, shape = planned[-1]
    x = _values(data, (data.batch, *data.shape), 1) * data.dtype(data.scale)
    if data.poisoned:
        x[0] = np.nan
        for image, place in ((1, 0), (2, x[0].size // 2), (3, -1)):
            x[image].flat[place] = np.nan
    return x, _values(data, (data.batch, *layer.output_shape(shape)), 2)


def _memory(planned: tuple[Layer, Shape], data: Data) -> tuple[Views, Views, Views]:
    """Parameters, gradients full of NaN, and state, the same on every call."""
    layer, shape = planned
    specs, state = layer.param_specs(shape), layer.state_specs(shape)
    params = {n: _values(data, s.shape, 3 + i) for i, (n, s) in enumerate(specs.items())}
    grads = {name: np.full_like(values, np.nan) for name, values in params.items()}
    kept = {n: np.abs(_values(data, s.shape, 13)) + 1 for n, s in state.items()}
    return Views(params), Views(grads), Views({n: v.astype(data.dtype) for n, v in kept.items()})


def _alone(planned: Sequence[tuple[Layer, Shape]], data: Data) -> dict[str, Array]:
    """The results of the layers, one after the other."""
    x, dy = _given(planned, data)
    found: dict[str, Array] = {}
    passes = []
    for number, (layer, shape) in enumerate(planned):
        params, grads, state = _memory((layer, shape), data)
        needed = number > 0 or not data.first
        call = Call(Definition(), data.training, needed, state, rng_key=(KEY, number))
        x, saved = layer.forward(params, x, call)
        passes.append((layer, params, saved, grads, call))
        found |= {f"state {name}": values for name, values in state.items()}
    found["y"], gradient = x.copy(), dy
    for layer, params, saved, grads, call in reversed(passes):
        call.begin()
        gradient = layer.backward(params, saved, gradient, grads, call)
        found |= {f"gradient of {name}": values for name, values in grads.items()}
    return found if gradient is None else {**found, "dx": gradient}


def _fused(
    fusion: Fusion, planned: Sequence[tuple[Layer, Shape]], data: Data, call: Call
) -> dict[str, Array]:
    """The results of the fused layer, run as a network runs it."""
    owner = next((p for p in planned if _tensors(*p)), planned[0])
    params, grads, state = _memory(owner, data)
    call.training, call.needs_input_grad, call.state = data.training, not data.first, state
    call.rng_key = (KEY, 0)
    x, dy = _given(planned, data)
    before = {"x": x.copy(), **{name: values.copy() for name, values in params.items()}}
    call.begin()
    y, saved = fusion.fused.forward(params, x, call)
    expected = _output_shape(*planned[-1])
    compare.expect_shape(y, (data.batch, *expected), f"{fusion}: y", _NOT_EQUIVALENT)
    if (declared := fusion.fused.output_shape(data.shape)) != expected:
        raise compare.fail(f"{fusion}: expected output_shape {expected}, found {declared}")
    found = {"y": y.copy(), **{f"state {name}": values for name, values in state.items()}}
    other = Call(call.operations, data.training, state=_memory(owner, data)[2])
    fusion.fused.forward(params, -x[::-1], other)  # a pass in between must not matter
    call.begin()
    dx = fusion.fused.backward(params, saved, dy, grads, call)
    if dx is not None:
        compare.expect_own_memory(dx, f"{fusion}: dx", {"x": x, **params})
    for name, values in {"x": x, **params}.items():
        compare.expect_untouched(values, before[name], name, str(fusion))
    found |= {f"gradient of {name}": values for name, values in grads.items()}
    return found if dx is None else {**found, "dx": dx}


def _expect_poison(found: Array, expected: Array, what: str) -> None:
    """Images with NaN keep at least that of the definition; the others are as they should be."""
    compare.expect_not_finite(found, expected, what)
    tolerance = compare.ROUNDING[np.dtype(np.float64)]
    compare.expect_same(found[4:], expected[4:], f"{what}, other images", tolerance=tolerance)
