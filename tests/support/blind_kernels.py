"""Kernel sets with one mistake each, beyond small shapes, plain numbers and operations alone.

`BLIND_KERNELS` names the check that is meant to catch each; `TWINS` are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.authoring import (
    Array,
    AvgPool2d,
    Call,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    NumpyKernels,
    Params,
    ParamSpec,
    ReLU,
    Shape,
    Sigmoid,
    option,
)


class Conv(NumpyKernels):
    """Hooks around convolution; fuses nothing, as its operations are its own."""

    def conv2d(self, x: Any, weight: Any, bias: Any, window: Any, groups: Any, scratch: Any) -> Any:
        y, saved = super().conv2d(x, weight, bias, window, groups, scratch)
        return self.after(y, x, weight, window), (saved, x, window)

    def conv2d_backward(
        self, saved: Any, weight: Any, dy: Any, dw: Any, db: Any, needs: bool, scratch: Any
    ) -> Any:
        inner, x, window = saved
        dx = super().conv2d_backward(inner, weight, dy, dw, db, needs, scratch)
        self.gradients(dw, db, x, window)
        return None if dx is None else self.before(dx, weight, window)

    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y

    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        return dx

    def gradients(self, dw: Any, db: Any, x: Any, window: Any) -> None:
        pass


class Channel34(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        y[:, 33:] = 0
        return y


class Image18(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        y[17:] = y[17:][:, :, ::-1]
        return y


class Image129(Conv):
    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        dx[128:] *= 2
        return dx


class Window20(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 1.01 if window.kernel[0] > 19 else y


class Exactly31(Conv):
    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        return dx[::-1] if len(dx) == 31 else dx


class WideRows(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        y[..., 32:] += 1
        return y


class GroupsAtWidth(Conv):
    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        if weight.shape[1] * 4 < dx.shape[1]:
            dx[:, 32:] = 0
        return dx


class LastImagesLost(Conv):
    """The weights' gradient takes images in blocks of 8 and forgets the rest, from 17 on."""

    def gradients(self, dw: Any, db: Any, x: Any, window: Any) -> None:
        if db is not None and len(x) > 16 and len(x) % 8:
            db *= len(x) // 8 * 8 / len(x)


class LargeClipped(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y.clip(-1e4, 1e4)


class SmallFlushed(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return np.where(abs(x).max(initial=0) < 1e-2, y.round(4), y)


class HalfPrecision(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y.astype(np.float16).astype(y.dtype) if y.dtype == np.float32 else y


class NanToZero(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return np.nan_to_num(y)


class NanGradientToZero(Conv):
    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        return np.where(np.isnan(dx), 0, dx)


class NanToTheBatch(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y + 0 * x.sum() if x.size else y


class NanLoses(NumpyKernels):
    def max_pool2d(self, x: Any, window: Any, scratch: Any) -> Any:
        return super().max_pool2d(np.where(np.isnan(x), -np.inf, x), window, scratch)


class NanMean(NumpyKernels):
    def avg_pool2d(self, x: Any, window: Any, count_include_pad: bool, scratch: Any) -> Any:
        x = np.where(np.isfinite(x), x, 0)
        return super().avg_pool2d(x, window, count_include_pad, scratch)


class PoolsOf20(NumpyKernels):
    def max_pool2d_backward(self, saved: Any, dy: Any, scratch: Any) -> Any:
        wide = saved.window.kernel[0] > 16
        return super().max_pool2d_backward(saved, dy, scratch) * (2 if wide else 1)


class MeanOfManyImages(NumpyKernels):
    def avg_pool2d_backward(self, saved: Any, dy: Any, scratch: Any) -> Any:
        dx = super().avg_pool2d_backward(saved, dy, scratch)
        return dx[::-1] if len(dx) > 17 else dx


class ReadOnly(Conv):
    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        dx.flags.writeable = False
        return dx


class Overlapping(NumpyKernels):
    """Where the windows' gradients are equal along the rows, one is stored for all."""

    def avg_pool2d_backward(self, saved: Any, dy: Any, scratch: Any) -> Any:
        dx = super().avg_pool2d_backward(saved, dy, scratch)
        same = dx.shape[2] > 1 and dx.size and (dx == dx[:, :, :1]).all()
        return np.broadcast_to(dx[:, :, :1], dx.shape) if same else dx


class Masked(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return np.ma.masked_invalid(y)


class IsItsInput(NumpyKernels):
    def max_pool2d(self, x: Any, window: Any, scratch: Any) -> Any:
        y, saved = super().max_pool2d(x, window, scratch)
        return (x if window.kernel == (1, 1) else y), saved


class OutputReused(NumpyKernels):
    def max_pool2d(self, x: Any, window: Any, scratch: Any) -> Any:
        y, saved = super().max_pool2d(x, window, scratch)
        return y, (saved, y)

    def max_pool2d_backward(self, saved: Any, dy: Any, scratch: Any) -> Any:
        inner, y = saved
        y[...] = dy
        return super().max_pool2d_backward(inner, y, scratch)


_KEPT: dict[str, Any] = {}


class KeptInTheModule(NumpyKernels):
    def max_pool2d(self, x: Any, window: Any, scratch: Any) -> Any:
        y, _KEPT["saved"] = super().max_pool2d(x, window, scratch)
        return y, None

    def max_pool2d_backward(self, saved: Any, dy: Any, scratch: Any) -> Any:
        return super().max_pool2d_backward(_KEPT["saved"], dy, scratch)


class ReadsChannelsLastWrong(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 2 if x.shape[1] > 1 and x.strides[1] == x.itemsize else y


class StridedAndDilated(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 2 if min(window.stride) > 1 and min(window.dilation) > 1 else y


class GroupsWithStride(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 2 if weight.shape[1] < x.shape[1] and window.stride == (2, 2) else y


class PaddedPoints(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 2 if window.kernel == (1, 1) and max(window.padding) else y


class ManyImagesToManyMaps(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return y * 2 if len(x) > 200 and len(weight) > 4 else y


class CeilWithPadding(NumpyKernels):
    def max_pool2d(self, x: Any, window: Any, scratch: Any) -> Any:
        y, saved = super().max_pool2d(x, window, scratch)
        odd = window.ceil_mode and min(window.padding) and window.stride == (2, 2)
        return (y * 2 if odd else y), saved


# --- fusions ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Pair(Layer):
    """Two layers as one: the base of fused layers, right as it stands."""

    one: Layer = option(doc="The first.")
    two: Layer = option(doc="The second.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.two.output_shape(self.one.output_shape(in_shape))

    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return self.one.param_specs(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        middle, saved = self.one.forward(params, x, call)
        y, more = self.two.forward(params, middle, call.inner("two"))
        return y, (saved, more)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        middle = self.two.backward(params, saved[1], dy, grads, call.inner("two"))
        assert middle is not None
        return self.one.backward(params, saved[0], middle, grads, call)


@dataclass(frozen=True, kw_only=True)
class MaskForgotten(Pair):
    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        return self.one.backward(params, saved[0], dy, grads, call)


@dataclass(frozen=True, kw_only=True)
class MaskInDxAlone(Pair):
    """The weights' gradient forgets the ReLU, dx does not."""

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        whole = dy.copy()
        dx = super().backward(params, saved, dy, grads, call)
        twin = {name: np.empty_like(values) for name, values in grads.items()}
        self.one.backward(params, saved[0], whole, twin, call)
        for name, values in twin.items():
            grads[name][...] = values
        return dx


@dataclass(frozen=True, kw_only=True)
class MaskOfTraining(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        return (y if call.training else np.abs(y - 1)), saved


@dataclass(frozen=True, kw_only=True)
class LastRowDropped(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        if x.shape[2] % 2:
            y[:, :, -1] = 0
        return y, saved


@dataclass(frozen=True, kw_only=True)
class TiesToAll(Pair):
    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        dx = super().backward(params, saved, dy, grads, call)
        return dx if dx is None or len(dx) < 10 else dx[:, :, ::-1]


@dataclass(frozen=True, kw_only=True)
class BiasOnce(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        return y[:, ::-1] if y.shape[1] > 34 else y, saved


@dataclass(frozen=True, kw_only=True)
class NanCut(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        return np.fmax(y, 0), saved


@dataclass(frozen=True, kw_only=True)
class WritesItsInput(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        np.maximum(x, -3, out=x)
        x -= 1
        return y, saved


@dataclass(frozen=True, kw_only=True)
class AddsUp(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        total = call.scratch("total", y.shape, y.dtype)
        total += y
        return total, saved


@dataclass(frozen=True, kw_only=True)
class HundredImages(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        y[100:] = 0
        return y, saved


@dataclass(frozen=True, kw_only=True)
class FortyUnits(Pair):
    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        dx = super().backward(params, saved, dy, grads, call)
        grads["weight"][40:] = 0
        return dx


@dataclass(frozen=True, kw_only=True)
class MaskInTheModule(Pair):
    def forward(self, params: Any, x: Any, call: Any) -> Any:
        y, saved = super().forward(params, x, call)
        _KEPT["mask"] = y > 0
        return y, saved

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        return self.one.backward(params, saved[0], dy * _KEPT["mask"], grads, call)


@dataclass(frozen=True, kw_only=True)
class CannotBeWritten(Pair):
    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        dx = super().backward(params, saved, dy, grads, call)
        if dx is not None:
            dx.flags.writeable = False
        return dx


class Fuses(NumpyKernels):
    """Fuses two layers of these types into `into`."""

    def pairs(self) -> dict[tuple[type[Layer], type[Layer]], type[Pair]]:
        return {}

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        if len(layers) > 1 and (type(layers[0]), type(layers[1])) in self.pairs():
            into = self.pairs()[type(layers[0]), type(layers[1])]
            return 2, into(one=layers[0], two=layers[1])
        return None


def fusing(name: str, one: type[Layer], two: type[Layer], into: type[Pair]) -> type[Fuses]:
    """A kernel set that fuses these two."""
    body = {"pairs": lambda self: {(one, two): into}, "__module__": __name__}
    cls = type(name, (Fuses,), body)
    globals()[name] = cls
    return cls


FORGETS_RELU = fusing("ForgetsReLU", Conv2d, ReLU, MaskForgotten)
FORGETS_LEAK = fusing("ForgetsLeak", Linear, LeakyReLU, MaskForgotten)
FORGETS_IN_WEIGHTS = fusing("ForgetsInWeights", Linear, ReLU, MaskInDxAlone)
FORGETS_SIGMOID = fusing("ForgetsSigmoid", Conv2d, Sigmoid, MaskForgotten)
WRONG_IN_INFERENCE = fusing("WrongInInference", Conv2d, ReLU, MaskOfTraining)
DROPS_ROW = fusing("DropsRow", Conv2d, AvgPool2d, LastRowDropped)
HUNDRED_IMAGES = fusing("HundredImages", Conv2d, ReLU, HundredImages)
FORTY_UNITS = fusing("FortyUnits", Linear, ReLU, FortyUnits)
FLIPS_MANY = fusing("FlipsMany", ReLU, MaxPool2d, TiesToAll)
MANY_MAPS = fusing("ManyMaps", Conv2d, MaxPool2d, BiasOnce)
MASK_KEPT = fusing("KeepsTheMask", Linear, ReLU, MaskInTheModule)
READ_ONLY = fusing("ReadOnlyFused", ReLU, AvgPool2d, CannotBeWritten)
CUTS_NAN = fusing("CutsNan", Conv2d, ReLU, NanCut)
WRITES = fusing("Writes", ReLU, AvgPool2d, WritesItsInput)
SCRATCHES = fusing("Scratches", Flatten, Linear, AddsUp)


class TakesStrides(Fuses):
    """Pools with any stride as if windows tiled."""

    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        if len(layers) > 1 and type(layers[0]) is ReLU and type(layers[1]) is MaxPool2d:
            pool = MaxPool2d(kernel_size=layers[1].kernel_size, padding=layers[1].padding)
            return 2, Pair(one=ReLU(), two=pool)
        return None


class TakesSubclasses(Fuses):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        if len(layers) > 1 and isinstance(layers[0], Conv2d) and isinstance(layers[1], ReLU):
            return 2, Pair(one=layers[0], two=ReLU())
        return None


class DropsADropout(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        if len(layers) > 3 and type(layers[1]) is Dropout and type(layers[2]) is Flatten:
            return 3, Pair(one=layers[0], two=layers[2])
        return None


class TakesTooMany(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        return (2, ReLU()) if type(layers[0]) is ReLU else None


class TakesTwoWithParameters(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        two = len(layers) > 1 and type(layers[0]) is Linear and type(layers[1]) is Linear
        return (2, Pair(one=layers[0], two=layers[1])) if two else None


class PopsLayers(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        if type(layers[0]) is Flatten and isinstance(layers, list):
            layers.pop(0)
        return None


class AnswersTrue(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        return True if type(layers[0]) is Flatten else None  # type: ignore[return-value]


class Raises(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        return (2, layers[3]) if type(layers[0]) is Sigmoid else None


# --- threads, versions, algorithm --------------------------------------------------------------


class NoThreads(NumpyKernels):
    def threads(self) -> int:
        return 0


class ThreadsInFloats(NumpyKernels):
    def threads(self) -> int:
        return np.int64(1)  # type: ignore[return-value]


class ThreadsRaise(NumpyKernels):
    def threads(self) -> int:
        raise NotImplementedError


class Unlimited(NumpyKernels):
    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        yield


class OneMore(NumpyKernels):
    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        with super().limited(threads + 1):
            yield


class NeverEnds(NumpyKernels):
    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        block = super().limited(threads)
        block.__enter__()
        _KEPT.setdefault("blocks", []).append(block)
        yield


class Swallows(NumpyKernels):
    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        with super().limited(threads), suppress(Exception):
            yield


class Seventeen(NumpyKernels):
    def best_threads(self, macs: int) -> int:
        return 1017


class NoneBest(NumpyKernels):
    def best_threads(self, macs: int) -> int:
        return macs // 5_000_000


class BestRaises(NumpyKernels):
    def best_threads(self, macs: int) -> int:
        return 1_000_000 // macs and 1


class NoAlgorithm(NumpyKernels):
    def algorithm(self, layer: Layer, in_shape: Shape, batch: int) -> str:
        return None  # type: ignore[return-value]


class AlgorithmOfImages(NumpyKernels):
    def algorithm(self, layer: Layer, in_shape: Shape, batch: int) -> str:
        return f"{in_shape[2]} columns"


class NumberOfVersion(NumpyKernels):
    def versions(self) -> dict[str, str]:
        return {"mine": (1, 2)}  # type: ignore[dict-item]


class ListOfVersions(NumpyKernels):
    def versions(self) -> dict[str, str]:
        return [("mine", "1")]  # type: ignore[return-value]


class OthersVersion(NumpyKernels):
    def versions(self) -> dict[str, str]:
        return {"numpy": "0"}


class VersionOfNow(NumpyKernels):
    def versions(self) -> dict[str, str]:
        _KEPT["count"] = _KEPT.get("count", 0) + 1
        return {"mine": str(_KEPT["count"])}


FUSED = "fused_layers_equal_those_they_replace"
ANSWER = "fuse_answers_with_a_count_and_a_layer"
OWN = "results_are_arrays_of_their_own"
TOGETHER = "no_combination_is_an_exception"
NAN = "nan_and_infinity_come_through"
LIMITS = "thread_limits_hold_and_end"
BEST = "best_threads_are_processors"
BLIND_KERNELS: dict[NumpyKernels, str] = {
    Channel34(): "conv2d_follows_the_definition",
    Image18(): "conv2d_follows_the_definition",
    Image129(): "conv2d_input_gradient_follows_the_definition",
    Window20(): "conv2d_follows_the_definition",
    Exactly31(): "no_size_is_an_exception",
    WideRows(): "conv2d_follows_the_definition",
    GroupsAtWidth(): "conv2d_input_gradient_follows_the_definition",
    LastImagesLost(): "conv2d_weight_gradients_follow_the_definition",
    LargeClipped(): "conv2d_follows_the_definition",
    SmallFlushed(): "conv2d_follows_the_definition",
    HalfPrecision(): "conv2d_follows_the_definition",
    NanToZero(): NAN,
    NanGradientToZero(): NAN,
    NanToTheBatch(): NAN,
    NanLoses(): NAN,
    NanMean(): NAN,
    PoolsOf20(): "max_pool2d_gradient_goes_to_the_first_largest",
    MeanOfManyImages(): "avg_pool2d_gradient_is_spread_evenly",
    ReadOnly(): OWN,
    Overlapping(): OWN,
    Masked(): OWN,
    IsItsInput(): OWN,
    OutputReused(): OWN,
    KeptInTheModule(): "interleaved_passes_do_not_mix",
    ReadsChannelsLastWrong(): "memory_order_does_not_matter",
    StridedAndDilated(): TOGETHER,
    GroupsWithStride(): TOGETHER,
    PaddedPoints(): TOGETHER,
    CeilWithPadding(): TOGETHER,
    ManyImagesToManyMaps(): "results_agree_with_the_numpy_kernels",
    FORGETS_RELU(): FUSED,
    FORGETS_LEAK(): FUSED,
    FORGETS_IN_WEIGHTS(): FUSED,
    FORGETS_SIGMOID(): FUSED,
    WRONG_IN_INFERENCE(): FUSED,
    DROPS_ROW(): FUSED,
    FLIPS_MANY(): FUSED,
    HUNDRED_IMAGES(): FUSED,
    FORTY_UNITS(): FUSED,
    MANY_MAPS(): FUSED,
    MASK_KEPT(): FUSED,
    READ_ONLY(): FUSED,
    CUTS_NAN(): FUSED,
    WRITES(): FUSED,
    SCRATCHES(): FUSED,
    TakesStrides(): FUSED,
    TakesSubclasses(): FUSED,
    DropsADropout(): FUSED,
    TakesTooMany(): ANSWER,
    TakesTwoWithParameters(): ANSWER,
    PopsLayers(): ANSWER,
    AnswersTrue(): ANSWER,
    Raises(): ANSWER,
    NoThreads(): LIMITS,
    ThreadsInFloats(): LIMITS,
    ThreadsRaise(): LIMITS,
    Unlimited(): LIMITS,
    OneMore(): LIMITS,
    NeverEnds(): LIMITS,
    Swallows(): LIMITS,
    Seventeen(): BEST,
    NoneBest(): BEST,
    BestRaises(): BEST,
    NoAlgorithm(): "algorithm_is_a_line_of_text",
    AlgorithmOfImages(): "algorithm_is_a_line_of_text",
    NumberOfVersion(): "versions_are_named",
    ListOfVersions(): "versions_are_named",
    OthersVersion(): "versions_are_named",
    VersionOfNow(): "versions_are_named",
}


class Renamed(NumpyKernels):
    """NumPy's kernels by another name."""


class FusesNothing(NumpyKernels):
    def fuse(self, layers: Sequence[Layer]) -> tuple[int, Layer] | None:
        return None


class TellsMore(NumpyKernels):
    def algorithm(self, layer: Layer, in_shape: Shape, batch: int) -> str:
        return f"{batch} images"

    def versions(self) -> dict[str, str]:
        return {"mine": "1.2"}


class OneThread(NumpyKernels):
    def best_threads(self, macs: int) -> int:
        return 1


class CopiesEverything(Conv):
    def after(self, y: Any, x: Any, weight: Any, window: Any) -> Any:
        return np.array(y, order="F")

    def before(self, dx: Any, weight: Any, window: Any) -> Any:
        return dx.copy()


TWINS = (
    Renamed(),
    FusesNothing(),
    TellsMore(),
    OneThread(),
    CopiesEverything(),
    Fuses(),
    fusing("ConvReLU", Conv2d, ReLU, Pair)(),
    fusing("LinearLeaky", Linear, LeakyReLU, Pair)(),
    fusing("ConvSigmoid", Conv2d, Sigmoid, Pair)(),
    fusing("ConvAverage", Conv2d, AvgPool2d, Pair)(),
    fusing("ReLUMax", ReLU, MaxPool2d, Pair)(),
    fusing("FlattenTwice", Flatten, Flatten, Pair)(),
    fusing("ConvFlatten", Conv2d, Flatten, Pair)(),
)
