"""Layers whose mistake shows only in some circumstance: a batch, a value, an option, a key."""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import (
    Constant,
    Cost,
    Elementwise,
    Layer,
    Normal,
    ParamSpec,
    ShapeError,
    option,
)

layer = dataclass(frozen=True, kw_only=True)


class Same(Layer):
    """tanh, rightly."""

    def output_shape(self, in_shape):
        return in_shape

    def forward(self, params, x, call):
        y = np.tanh(x)
        return y, y

    def backward(self, params, y, dy, grads, call):
        return dy * (1 - y * y)


class Channels(Same):
    """y = w · x, a weight for each channel, or value of a row."""

    def output_shape(self, in_shape):
        if not in_shape:
            raise ShapeError("expected channels")
        return in_shape

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0],), Constant(value=1.0))}

    def shaped(self, w, x):
        return w.reshape(-1, *[1] * (x.ndim - 2))

    def forward(self, params, x, call):
        return x * self.shaped(params["weight"], x), x

    def backward(self, params, x, dy, grads, call):
        others = tuple(axis for axis in range(x.ndim) if axis != 1)
        grads["weight"][...] = (dy * x).sum(axis=others)
        return dy * self.shaped(params["weight"], x)


class Images(Same):
    def output_shape(self, in_shape):
        if len(in_shape) != 3:
            raise ShapeError("expected an image")
        return in_shape


@layer
class Random(Same):
    p: float = option(0.5, minimum=0, below=1, doc="Share that is dropped.")

    def mask(self, x, call):
        return call.rng.random(x.shape) >= self.p

    def factor(self):
        return 1 / (1 - self.p)

    def forward(self, params, x, call):
        if not call.training:
            return x, None
        mask = self.mask(x, call).astype(x.dtype) * x.dtype.type(self.factor())
        return x * mask, mask

    def backward(self, params, mask, dy, grads, call):
        return dy if mask is None else dy * mask


# Batches


class LastOfAnOddBatch(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        if len(dx) % 2 and len(dx) > 3:
            dx[-1] = 0
        return dx


class DoubledForSome(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        return dx * 2 if len(dx) in (2, 6, 8) else dx


class FromTheSixteenth(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        dx[16:] *= 0.5
        return dx


class HalfOfAHundred(Same):
    def backward(self, params, y, dy, grads, call):
        return super().backward(params, y, dy, grads, call) * (0.5 if len(y) == 100 else 1)


class HalfOfSixtyFour(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        return dx / 2 if len(dx) >= 64 else dx


class WeightsOfEight(Channels):
    def backward(self, params, x, dy, grads, call):
        dx = super().backward(params, x, dy, grads, call)
        super().backward(params, x[:8], dy[:8], grads, call)
        return dx


class OutputOfTheNinth(Same):
    """Right in training, where it is looked at."""

    def forward(self, params, x, call):
        y, saved = super().forward(params, x, call)
        if not call.training:
            y[8:] = x[8:]
        return y, saved


class NinthIsAnother(Same):
    """Another function, with the right gradient, from the ninth image on."""

    def forward(self, params, x, call):
        y, _ = super().forward(params, x, call)
        y[8:] = x[8:]
        slope = 1 - y * y
        slope[8:] = 1
        return y, slope

    def backward(self, params, slope, dy, grads, call):
        return dy * slope


class NinthInTraining(NinthIsAnother):
    def forward(self, params, x, call):
        if call.training:
            return super().forward(params, x, call)
        y = np.tanh(x)
        return y, 1 - y * y


# Far values


@layer
class HardClip(Same):
    limit: float = option(6.0, above=3, doc="Largest value.")

    def forward(self, params, x, call):
        return np.clip(x, -self.limit, self.limit), None

    def backward(self, params, saved, dy, grads, call):
        return dy


class Softplus(Same):
    def forward(self, params, x, call):
        return np.log(1 + np.exp(x)), x

    def backward(self, params, x, dy, grads, call):
        return dy / (1 + np.exp(-x))


class LogCosh(Same):
    def forward(self, params, x, call):
        return np.log(np.cosh(x)), x

    def backward(self, params, x, dy, grads, call):
        return dy * np.tanh(x)


class SigmoidOfExp(Same):
    def forward(self, params, x, call):
        return np.exp(x) / (1 + np.exp(x)), x

    def backward(self, params, x, dy, grads, call):
        y = 1 / (1 + np.exp(-x))
        return dy * y * (1 - y)


class DerivativeOverflows(Same):
    def forward(self, params, x, call):
        return 1 / (1 + np.exp(-x)), x

    def backward(self, params, x, dy, grads, call):
        return dy * np.exp(-x) / (1 + np.exp(-x)) ** 2


class EluByMask(Same):
    def forward(self, params, x, call):
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0))), x

    def backward(self, params, x, dy, grads, call):
        return dy * ((x > 0) + (x <= 0) * np.exp(x))


class SoftmaxUnshifted(Same):
    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def forward(self, params, x, call):
        e = np.exp(x)
        y = e / e.sum(axis=1, keepdims=True)
        return y, y

    def backward(self, params, y, dy, grads, call):
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))


class SingleOverflows(Same):
    """Right in float64."""

    def forward(self, params, x, call):
        s = np.sqrt(1 + x * x) if x.dtype == np.float64 else np.log(np.exp(np.sqrt(1 + x * x)))
        return s, x / np.sqrt(1 + x * x)

    def backward(self, params, s, dy, grads, call):
        return dy * s


class SaturatesFarAway(Same):
    def forward(self, params, x, call):
        return np.clip(x, -5000, 5000), None

    def backward(self, params, saved, dy, grads, call):
        return dy


# Parameters


class Absolute(Channels):
    def forward(self, params, x, call):
        return super().forward({"weight": np.abs(params["weight"])}, x, call)

    def backward(self, params, x, dy, grads, call):
        return super().backward({"weight": np.abs(params["weight"])}, x, dy, grads, call)


class NegativeWeights(Channels):
    """dx where w < 0 is 0."""

    def backward(self, params, x, dy, grads, call):
        weight = np.maximum(params["weight"], 0)
        return super().backward({"weight": weight}, x, dy, grads, call)


class LargeWeights(Channels):
    """Clips weights forward, without a word backward."""

    def forward(self, params, x, call):
        return super().forward({"weight": np.clip(params["weight"], -3, 3)}, x, call)


class NegativeMean(Same):
    """The sign of the running mean is lost in the gradient."""

    def state_specs(self, in_shape):
        return {"mean": ParamSpec(in_shape, Constant(value=1.0))}

    def forward(self, params, x, call):
        return x * call.state["mean"], None

    def backward(self, params, saved, dy, grads, call):
        return dy * np.abs(call.state["mean"])


# NaN


class ReluWhere(Same):
    def forward(self, params, x, call):
        return np.where(x > 0, x, x.dtype.type(0)), x > 0

    def backward(self, params, mask, dy, grads, call):
        return dy * mask


class ReluFmax(ReluWhere):
    def forward(self, params, x, call):
        return np.fmax(x, 0), x > 0


class NanToNum(Same):
    def forward(self, params, x, call):
        return super().forward(params, np.nan_to_num(x), call)


class GradientsWithoutNan(Same):
    def backward(self, params, y, dy, grads, call):
        return np.nan_to_num(super().backward(params, y, dy, grads, call))


class WeightsWithoutNan(Channels):
    def backward(self, params, x, dy, grads, call):
        dx = super().backward(params, x, dy, grads, call)
        np.nan_to_num(grads["weight"], copy=False)
        return dx


class NanInTraining(Same):
    def forward(self, params, x, call):
        return super().forward(params, np.nan_to_num(x) if call.training else x, call)


class NanWeight(Channels):
    def forward(self, params, x, call):
        return super().forward({"weight": np.nan_to_num(params["weight"])}, x, call)


class MaxWithoutNan(Images):
    """The largest value of each map; NaN loses."""

    largest = staticmethod(np.fmax.reduce)

    def output_shape(self, in_shape):
        return (super().output_shape(in_shape)[0], 1, 1)

    def forward(self, params, x, call):
        y = self.largest(x, axis=(2, 3), keepdims=True)
        return y, (x.shape, x == y)

    def backward(self, params, saved, dy, grads, call):
        return dy * saved[1]


class NanMean(MaxWithoutNan):
    def forward(self, params, x, call):
        return np.nanmean(x, axis=(2, 3), keepdims=True), x.shape

    def backward(self, params, shape, dy, grads, call):
        return np.broadcast_to(dy / np.prod(shape[2:], dtype=dy.dtype), shape).copy()


# Random keys


class SeedAlone(Random):
    def mask(self, x, call):
        return np.random.default_rng(call.rng_key[0]).random(x.shape) >= self.p


class NotTheStep(Random):
    def mask(self, x, call):
        return np.random.default_rng(call.rng_key[:2]).random(x.shape) >= self.p


class EveryLayerAlike(Random):
    def mask(self, x, call):
        return np.random.default_rng(call.rng_key[:-1]).random(x.shape) >= self.p


class StepAlone(Random):
    def mask(self, x, call):
        return np.random.default_rng(call.rng_key[-2:]).random(x.shape) >= self.p


class SumOfTheKey(Random):
    def mask(self, x, call):
        return np.random.default_rng(sum(call.rng_key)).random(x.shape) >= self.p


class SeedAloneAndDraws(Random):
    """Draws from call.rng what it does not use."""

    def mask(self, x, call):
        call.rng.random(x.shape)
        return np.random.default_rng(call.rng_key[0]).random(x.shape) >= self.p


class Unscaled(Random):
    def factor(self):
        return 1.0


class ScaledTwice(Random):
    def factor(self):
        return super().factor() ** 2


class ScaledByTheDropped(Random):
    """Right for a half."""

    def factor(self):
        return 1 / max(self.p, 0.1)


# Options


@layer
class Leaky(Same):
    slope: float = option(0.01, minimum=0, doc="Slope below 0.")

    def back(self):
        return 0.01

    def forward(self, params, x, call):
        return np.where(x > 0, x, self.slope * x).astype(x.dtype), x > 0

    def backward(self, params, mask, dy, grads, call):
        return dy * np.where(mask, 1, self.back()).astype(dy.dtype)


@layer
class Signed(Same):
    negate: bool = option(False, doc="Whether to change the sign.")

    def forward(self, params, x, call):
        return (-x if self.negate else x + 0), None

    def backward(self, params, saved, dy, grads, call):
        return dy


@layer
class Reduction(Images):
    how: str = option("mean", doc="How.")  # text: not varied
    keep: int = option(1, minimum=1, maximum=3, doc="Rows kept.")

    def forward(self, params, x, call):
        y = x.copy()
        y[:, :, self.keep :] *= 2
        return y, None

    def backward(self, params, saved, dy, grads, call):
        dx = dy.copy()
        dx[:, :, 1:] *= 2
        return dx


@layer
class Affinely(Same):
    range: tuple[float, float] = option((0.0, 1.0), minimum=0, doc="Offset and factor.")

    def forward(self, params, x, call):
        return (self.range[0] + self.range[1] * x).astype(x.dtype), None

    def backward(self, params, saved, dy, grads, call):
        return dy


@layer
class OnlyTogether(Same):
    """Right for each option alone."""

    a: float = option(1.0, above=0, doc="A factor.")
    b: bool = option(False, doc="Whether to double.")

    def forward(self, params, x, call):
        return x * x.dtype.type(self.a * (1 + self.b)), None

    def backward(self, params, saved, dy, grads, call):
        factor = 1 + self.b if self.a == 1 else self.a
        return dy * dy.dtype.type(factor)


@layer
class SlopeOfOne(Leaky):
    """Its slope is at most 1, it says."""

    def back(self):
        return min(self.slope, 0.05)


@layer
class PromotedByAnOption(Same):
    wide: bool = option(False, doc="Whether to compute in float64.")

    def forward(self, params, x, call):
        return super().forward(params, x.astype(np.float64) if self.wide else x, call)


# Shapes


class NinthChannel(Images):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        dx[:, 8:] = 0
        return dx


class NinthColumn(Images):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        dx[..., 8:] *= 2
        return dx


class NinthRow(Images):
    def forward(self, params, x, call):
        y, saved = super().forward(params, x, call)
        y[:, :, 8:] += 1 if call.training else 2
        return y, saved * (np.arange(x.shape[2]) < 8)[:, None]


class SecondOfLongRows(Elementwise):
    """Right but for the second derivative of rows of more than 12 values."""

    def function(self, x, out):
        return np.multiply(x, 2, out=out)

    def derivative(self, x, y):
        return np.full_like(x, 2)

    def second_backward(self, params, saved, d2y, d2grads, call):
        return d2y * (4 if d2y.ndim > 2 or d2y.shape[1] < 13 else 2)


class LongRows(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        if dx.ndim == 2:
            dx[:, 32:] = 0
        return dx


class ManyChannels(Channels):
    """The weights of channels after the 32nd never learn."""

    def backward(self, params, x, dy, grads, call):
        dx = super().backward(params, x, dy, grads, call)
        grads["weight"][32:] = 0
        return dx


# What passes return


class MeanBroadcast(Images):
    def output_shape(self, in_shape):
        return (super().output_shape(in_shape)[0], 1, 1)

    def forward(self, params, x, call):
        return x.mean(axis=(2, 3), keepdims=True), x.shape

    def backward(self, params, shape, dy, grads, call):
        return np.broadcast_to(dy / (shape[2] * shape[3]), shape)


class SumStrided(MeanBroadcast):
    """Overlapping memory that can be written to."""

    def forward(self, params, x, call):
        return x.sum(axis=(2, 3), keepdims=True), x.shape

    def backward(self, params, shape, dy, grads, call):
        strides = (*dy.strides[:2], 0, 0)
        return np.lib.stride_tricks.as_strided(dy, shape, strides, writeable=True)


class Masked(Same):
    def backward(self, params, y, dy, grads, call):
        return np.ma.masked_invalid(super().backward(params, y, dy, grads, call))


class MaskedOutput(Same):
    def forward(self, params, x, call):
        y, saved = super().forward(params, x, call)
        return np.ma.masked_array(y), saved


class Subclass(np.ndarray):
    pass


class OwnKind(Same):
    def backward(self, params, y, dy, grads, call):
        return super().backward(params, y, dy, grads, call).view(Subclass)


class ReadOnly(Same):
    def backward(self, params, y, dy, grads, call):
        dx = super().backward(params, y, dy, grads, call)
        dx.flags.writeable = False
        return dx


class IntoTheOutput(Same):
    def backward(self, params, y, dy, grads, call):
        return np.multiply(dy, 1 - y * y, out=y)


class OutputSpoiled(Same):
    def backward(self, params, y, dy, grads, call):
        y *= y
        return dy * (1 - y)


class IntoTheWeights(Layer):
    """y = Σ w·x over a row; the gradient is put where the weights are."""

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def param_specs(self, in_shape):
        return {"weight": ParamSpec(in_shape, Normal())}

    def forward(self, params, x, call):
        return x + params["weight"], None

    def backward(self, params, saved, dy, grads, call):
        grads["weight"][...] = dy.sum(axis=0)
        return dy if len(dy) != 1 else np.add(dy[0], 0, out=grads["weight"])[None]


class StateAsOutput(Same):
    """y = the state, where x is put."""

    def state_specs(self, in_shape):
        return {"kept": ParamSpec((64, *in_shape), Constant(value=0.0))}

    def forward(self, params, x, call):
        if not call.training:
            return x + 0, None
        y = call.state["kept"][: len(x)]
        y[...] = x
        return y, None

    def backward(self, params, saved, dy, grads, call):
        return dy


# What a layer says of itself


@layer
class Product(Same):
    """y = x · weight, (inputs, outputs)."""

    units: int = option(3, minimum=1, doc="Outputs.")

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return (self.units,)

    def param_specs(self, in_shape):
        return {
            "weight": ParamSpec((in_shape[0], self.units), fan_in=self.units, fan_out=in_shape[0])
        }

    def forward(self, params, x, call):
        return x @ params["weight"], x

    def backward(self, params, x, dy, grads, call):
        grads["weight"][...] = x.T @ dy
        return dy @ params["weight"].T


class TooCheap(Product):
    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0], self.units))}

    def cost(self, in_shape):
        return Cost(macs=self.units)


class OncePerCall(Same):
    """The first pass of a call is right."""

    def backward(self, params, y, dy, grads, call):
        used = call.scratch_bytes
        call.scratch("used", (1,), np.int8)
        return super().backward(params, y, dy, grads, call) * (2 if used else 1)


# Zeros, equal and tiny values


class ZeroMasked(Same):
    """Identity whose gradient is 0 where x is exactly 0."""

    def forward(self, params, x, call):
        return x.copy(), x

    def backward(self, params, x, dy, grads, call):
        return dy * (x != 0)


class ThreeAtTheKink(Same):
    def forward(self, params, x, call):
        return np.maximum(x, 0), x

    def backward(self, params, x, dy, grads, call):
        return dy * np.where(x > 0, 1, np.where(x == 0, 3, 0)).astype(x.dtype)


class NormWithoutEps(Same):
    """x · |x|, whose gradient divides by |x|."""

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def forward(self, params, x, call):
        size = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return x * size, (x, size)

    def backward(self, params, saved, dy, grads, call):
        x, size = saved
        with np.errstate(all="ignore"):
            return dy * size + x * (dy * x).sum(axis=1, keepdims=True) / size


class DeviationWithoutEps(Images):
    """Instance normalization that divides by 0 for a blank image."""

    def forward(self, params, x, call):
        centred = x - x.mean(axis=(2, 3), keepdims=True)
        scale = 1 / x.std(axis=(2, 3), keepdims=True)
        return centred * scale, (centred * scale, scale)

    def backward(self, params, saved, dy, grads, call):
        normal, scale = saved
        rest = dy - dy.mean(axis=(2, 3), keepdims=True)
        return scale * (rest - normal * (dy * normal).mean(axis=(2, 3), keepdims=True))


class FlushesTiny(Same):
    def forward(self, params, x, call):
        return np.tanh(x), x

    def backward(self, params, x, dy, grads, call):
        return dy * (1 - np.tanh(x) ** 2) * (np.abs(x) > 1e-6)


class JumpsNearZero(Same):
    def forward(self, params, x, call):
        return np.where(np.abs(x) < 1e-5, 2 * x, x), None

    def backward(self, params, saved, dy, grads, call):
        return dy


class BlankImageTwice(Images):
    def forward(self, params, x, call):
        return x - x.mean(axis=(2, 3), keepdims=True), np.ptp(x, axis=(1, 2, 3)) == 0

    def backward(self, params, blank, dy, grads, call):
        dx = dy - dy.mean(axis=(2, 3), keepdims=True)
        dx[blank] *= 2
        return dx


class InfiniteSlope(Same):
    """The signed root, whose slope at 0 is infinite."""

    def forward(self, params, x, call):
        return np.sign(x) * np.sqrt(np.abs(x)), x

    def backward(self, params, x, dy, grads, call):
        return dy * 0.5 / np.sqrt(np.abs(x))


HIDDEN = {
    "zeros_and_equal_values_are_right": (
        ZeroMasked,
        ThreeAtTheKink,
        NormWithoutEps,
        DeviationWithoutEps,
        FlushesTiny,
        JumpsNearZero,
        BlankImageTwice,
        InfiniteSlope,
    ),
    "used_call_gives_the_results_of_a_fresh_one": (OncePerCall,),
    "cost_covers_every_weight": (TooCheap,),
    "fans_are_not_exchanged": (Product,),
    "batches_of_every_size_are_right": (
        LastOfAnOddBatch,
        DoubledForSome,
        FromTheSixteenth,
        HalfOfSixtyFour,
        WeightsOfEight,
        OutputOfTheNinth,
        NinthIsAnother,
        NinthInTraining,
        HalfOfAHundred,
    ),
    "far_inputs_are_right": (
        HardClip,
        Softplus,
        LogCosh,
        SigmoidOfExp,
        DerivativeOverflows,
        EluByMask,
        SoftmaxUnshifted,
        SingleOverflows,
        SaturatesFarAway,
    ),
    "parameters_of_either_sign_are_right": (Absolute, NegativeWeights, LargeWeights, NegativeMean),
    "nan_is_passed_on": (
        ReluWhere,
        ReluFmax,
        NanToNum,
        GradientsWithoutNan,
        WeightsWithoutNan,
        NanInTraining,
        NanWeight,
        MaxWithoutNan,
        NanMean,
    ),
    "every_word_of_the_key_counts": (
        SeedAlone,
        NotTheStep,
        EveryLayerAlike,
        StepAlone,
        SumOfTheKey,
        SeedAloneAndDraws,
    ),
    "training_averages_to_inference": (Unscaled, ScaledTwice, ScaledByTheDropped),
    "other_options_are_right": (
        Leaky,
        Signed,
        Reduction,
        Affinely,
        OnlyTogether,
        SlopeOfOne,
        PromotedByAnOption,
    ),
    "larger_inputs_are_right": (
        NinthChannel,
        NinthColumn,
        NinthRow,
        LongRows,
        SecondOfLongRows,
        ManyChannels,
    ),
    "results_are_arrays_of_their_own": (
        MeanBroadcast,
        SumStrided,
        Masked,
        MaskedOutput,
        OwnKind,
        ReadOnly,
        IntoTheOutput,
        StateAsOutput,
    ),
    "output_is_not_written_to": (OutputSpoiled,),
}
"""Classes by the check that is meant for their mistake."""
