"""Right layers in unusual idioms: what looks like a mistake in `hidden` and is none."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lenetkit.authoring import (
    BatchNorm2d,
    Composite,
    Constant,
    Conv2d,
    Cost,
    Dropout,
    Layer,
    ParamSpec,
    ReLU,
    ShapeError,
    Zeros,
    option,
)
from tests.support.mutants.hidden import Channels, Images, Random, Same, layer
from tests.support.mutants.hidden import Product as WrongFans


class Of(Same):
    """y = f(x), whose derivative is saved."""

    def forward(self, params, x, call):
        y, slope = self.of(x)
        return y.astype(x.dtype), slope

    def backward(self, params, slope, dy, grads, call):
        return (dy * slope).astype(dy.dtype)


class Rows(Of):
    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape


class Identity(Same):
    def forward(self, params, x, call):
        return x, None

    def backward(self, params, saved, dy, grads, call):
        return dy


class Squeeze(Same):
    """Views all the way."""

    def output_shape(self, in_shape):
        return (int(np.prod(in_shape)),)

    def forward(self, params, x, call):
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), x.shape

    def backward(self, params, shape, dy, grads, call):
        return dy.reshape(shape)


class Transposed(Images):
    def output_shape(self, in_shape):
        return super().output_shape(in_shape)[::-1]

    def forward(self, params, x, call):
        return x.transpose(0, 3, 2, 1), None

    def backward(self, params, saved, dy, grads, call):
        return dy.transpose(0, 3, 2, 1)


class Backwards(Same):
    def forward(self, params, x, call):
        return x[..., ::-1], None

    def backward(self, params, saved, dy, grads, call):
        return dy[..., ::-1]

    def output_shape(self, in_shape):
        if not in_shape:
            raise ShapeError("expected an axis")
        return in_shape


class Cropped(Images):
    """The border is not looked at."""

    def output_shape(self, in_shape):
        C, H, W = super().output_shape(in_shape)
        if min(H, W) < 3:
            raise ShapeError("too small")
        return C, H - 2, W - 2

    def forward(self, params, x, call):
        return x[:, :, 1:-1, 1:-1], None

    def backward(self, params, saved, dy, grads, call):
        return np.pad(dy, ((0, 0), (0, 0), (1, 1), (1, 1)))


class Product(WrongFans):
    """Weights as (inputs, outputs), with their fans."""

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0], self.units), None, in_shape[0], self.units)}

    def cost(self, in_shape):
        return Cost(macs=in_shape[0] * self.units)


class PlainProduct(WrongFans):
    """The same; what it does not say is not judged."""

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0], self.units))}


class Gain(Same):
    """One number for all."""

    def param_specs(self, in_shape):
        return {"gain": ParamSpec((), Constant(value=1.0))}

    def forward(self, params, x, call):
        return x * params["gain"], x

    def backward(self, params, x, dy, grads, call):
        grads["gain"][...] = (dy * x).sum()
        return dy * params["gain"]


class Counted(Gain):
    """A scalar in the state."""

    def state_specs(self, in_shape):
        return {"batches": ParamSpec((), Zeros())}

    def forward(self, params, x, call):
        if call.training and len(x):
            call.state["batches"][...] += 1
        return super().forward(params, x, call)


class Exponential(Of):
    def of(self, x):
        y = np.exp(x)
        return y, y


class Cube(Of):
    def of(self, x):
        return x**3, 3 * x * x


class Softplus(Of):
    def of(self, x):
        return np.logaddexp(0, x), np.exp(-np.logaddexp(0, -x))


class SoftplusByCases(Of):
    def of(self, x):
        e = np.exp(np.minimum(x, 20))
        return np.where(x > 20, x, np.log1p(e)), np.where(x > 20, 1, e / (1 + e))


class LogCosh(Of):
    def of(self, x):
        return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2), np.tanh(x)


class Mish(Of):
    def of(self, x):
        t, s = np.tanh(np.logaddexp(0, x)), np.exp(-np.logaddexp(0, -x))
        return x * t, t + x * (1 - t * t) * s


class Gelu(Of):
    def of(self, x):
        u = 0.7978845608 * (x + 0.044715 * x**3)
        t = np.tanh(u)
        slope = 0.7978845608 * (1 + 3 * 0.044715 * x * x)
        return 0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope


class Silu(Of):
    def of(self, x):
        s = 1 / (1 + np.exp(-x))
        return x * s, s * (1 + x * (1 - s))


class Elu(Of):
    def of(self, x):
        return np.where(x > 0, x, np.exp(x) - 1), np.where(x > 0, 1, np.exp(x))


class Sine(Of):
    def of(self, x):
        return np.sin(x), np.cos(x)


class Bell(Of):
    def of(self, x):
        y = np.exp(-x * x)
        return y, -2 * x * y


class Softsign(Of):
    def of(self, x):
        return x / (1 + np.abs(x)), 1 / (1 + np.abs(x)) ** 2


@layer
class Clip(Of):
    limit: float = option(2.0, above=0, doc="Largest value.")

    def of(self, x):
        return np.clip(x, -self.limit, self.limit), np.abs(x) < self.limit


class HardSwish(Of):
    def of(self, x):
        y = x * np.clip(x + 3, 0, 6) / 6
        return y, np.where(x < -3, 0, np.where(x > 3, 1, (2 * x + 3) / 6))


class ReluProduct(Of):
    def of(self, x):
        return x * (x > 0), x > 0


class ReluWhereNot(Of):
    """NaN is not ≤ 0."""

    def of(self, x):
        return np.where(x <= 0, 0, x), x > 0


class ReluClip(Of):
    def of(self, x):
        return np.clip(x, 0, None), x > 0


class FloatInside(Of):
    def of(self, x):
        y = np.tanh(x.astype(np.float32))
        return y, 1 - y * y


class BothSigns(Images):
    """x and −x, channel after channel, each cut at 0."""

    def output_shape(self, in_shape):
        C, H, W = super().output_shape(in_shape)
        return 2 * C, H, W

    def forward(self, params, x, call):
        both = np.concatenate([x, -x], axis=1)
        return np.maximum(both, 0), both > 0

    def backward(self, params, mask, dy, grads, call):
        dy = dy * mask
        C = dy.shape[1] // 2
        return dy[:, :C] - dy[:, C:]


class Softmax(Rows):
    def forward(self, params, x, call):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        return y, y

    def backward(self, params, y, dy, grads, call):
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))


class TwoLargest(Images):
    """The two largest values of each map; sorting puts NaN last."""

    def output_shape(self, in_shape):
        C, H, W = super().output_shape(in_shape)
        if H * W < 2:
            raise ShapeError("too small")
        return (C, 2)

    def forward(self, params, x, call):
        flat = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])
        places = np.argsort(flat, axis=2)[:, :, -2:]
        return np.take_along_axis(flat, places, axis=2), (places, x.shape)

    def backward(self, params, saved, dy, grads, call):
        places, shape = saved
        dx = np.zeros((*shape[:2], shape[2] * shape[3]), dy.dtype)
        np.put_along_axis(dx, places, dy, axis=2)
        return dx.reshape(shape)


class MapMean(Images):
    def output_shape(self, in_shape):
        return (super().output_shape(in_shape)[0], 1, 1)

    def forward(self, params, x, call):
        return x.mean(axis=(2, 3), keepdims=True), x.shape

    def backward(self, params, shape, dy, grads, call):
        return np.ones(shape, dy.dtype) * (dy / (shape[2] * shape[3]))


class MapLargest(MapMean):
    def forward(self, params, x, call):
        y = x.max(axis=(2, 3), keepdims=True)
        return y, x == y

    def backward(self, params, largest, dy, grads, call):
        return largest * dy


class InOrder(Images):
    """The memory order of the results is another one."""

    def forward(self, params, x, call):
        y = np.asfortranarray(np.tanh(x))
        return y, y


class Magnitude(Channels):
    def forward(self, params, x, call):
        return super().forward({"weight": np.abs(params["weight"])}, x, call)[0], x

    def backward(self, params, x, dy, grads, call):
        dx = super().backward({"weight": np.abs(params["weight"])}, x, dy, grads, call)
        grads["weight"][...] *= np.sign(params["weight"])
        return dx


class RootOfWeight(Channels):
    """Its parameter must be above 0."""

    def forward(self, params, x, call):
        return super().forward({"weight": np.sqrt(params["weight"])}, x, call)

    def backward(self, params, x, dy, grads, call):
        root = np.sqrt(params["weight"])
        dx = super().backward({"weight": root}, x, dy, grads, call)
        grads["weight"][...] /= 2 * root
        return dx


class WholeKey(Random):
    def mask(self, x, call):
        return np.random.default_rng(call.rng_key).random(x.shape) >= self.p


class WholeMaps(Random):
    """One draw for each map, or value of a row."""

    def mask(self, x, call):
        shape = (*x.shape[:2], *[1] * (x.ndim - 2))
        return np.broadcast_to(call.draw(shape, lambda rng, s: rng.random(s)) >= self.p, x.shape)


class WholeImages(Random):
    """Stochastic depth: an image passes, or nothing of it does."""

    def mask(self, x, call):
        kept = call.rng.random((len(x), *[1] * (x.ndim - 1))) >= self.p
        return np.broadcast_to(kept, x.shape)


@layer
class Classic(Random):
    """Srivastava's own: inference is scaled."""

    def forward(self, params, x, call):
        mask = self.mask(x, call) if call.training else np.full(x.shape, 1 - self.p)
        return x * mask.astype(x.dtype), mask.astype(x.dtype)


@layer
class Noise(Random):
    size: float = option(0.5, minimum=0, doc="Deviation.")

    def forward(self, params, x, call):
        if not call.training:
            return x, None
        return x + (self.size * call.rng.standard_normal(x.shape)).astype(x.dtype), None


@layer
class SomeSlope(Same):
    """Randomized leaky ReLU: a slope for each value, their mean in inference."""

    low: float = option(0.1, minimum=0, maximum=0.5, doc="Least slope.")
    high: float = option(0.5, minimum=0.5, maximum=1, doc="Largest slope.")

    def forward(self, params, x, call):
        slope = (self.low + self.high) / 2
        if call.training:
            slope = call.rng.uniform(self.low, self.high, x.shape)
        slope = np.where(x > 0, 1, slope).astype(x.dtype)
        return x * slope, slope

    def backward(self, params, slope, dy, grads, call):
        return dy * slope


@layer
class AlphaDropout(Random):
    """What is dropped becomes −1.758; mean and variance of standard values are kept."""

    def forward(self, params, x, call):
        if not call.training or not self.p:
            return x, None
        low, q = -1.7580993408473766, 1 - self.p
        a = (q + low**2 * q * self.p) ** -0.5
        kept = self.mask(x, call)
        y = a * np.where(kept, x, low) - a * self.p * low
        return y.astype(x.dtype), (a * kept).astype(x.dtype)


@layer
class Blend(Same):
    """A share of the running mean."""

    share: float = option(0.25, minimum=0, maximum=1, doc="Share of the running mean.")

    def state_specs(self, in_shape):
        return {"mean": ParamSpec(in_shape, Zeros())}

    def forward(self, params, x, call):
        y = (1 - self.share) * x + self.share * call.state["mean"]
        if call.training and len(x):
            call.state["mean"][...] += 0.1 * (x.mean(axis=0) - call.state["mean"])
        return y, None

    def backward(self, params, saved, dy, grads, call):
        dy *= 1 - self.share
        return dy


@dataclass(frozen=True, kw_only=True)
class Residual(Composite):
    keeps_shape = True
    body: tuple[Layer, ...] = option(doc="Layers.")

    @classmethod
    def examples(cls):
        conv = Conv2d(out_channels=3, kernel_size=3, padding=1)
        return [cls(body=(BatchNorm2d(), ReLU(), Dropout(p=0.2), conv))]

    def forward(self, params, x, call):
        y, saved = super().forward(params, x, call)
        return x + y, saved

    def backward(self, params, saved, dy, grads, call):
        return dy + super().backward(params, saved, dy, grads, call)


_MEANT = "the gradient is not the derivative, on purpose"


class StraightThrough(Same):
    """Rounds; the gradient passes as if it did not."""

    expected_failures: ClassVar = {
        "input_gradient_is_right": _MEANT,
        "inference_gradients_are_right": _MEANT,
    }

    def forward(self, params, x, call):
        return np.sign(x), None

    def backward(self, params, saved, dy, grads, call):
        return dy


class Reversed(Identity):
    """Gradient reversal."""

    expected_failures: ClassVar = StraightThrough.expected_failures

    def backward(self, params, saved, dy, grads, call):
        return -dy


class LeakyByTwoMasks(Same):
    """The gradient is 0 where x is."""

    def forward(self, params, x, call):
        return np.maximum(x, 0) + 0.25 * np.minimum(x, 0), x

    def backward(self, params, x, dy, grads, call):
        return dy * ((x > 0) + 0.25 * (x < 0)).astype(dy.dtype)


class UnitLength(Rows):
    """x / (|x| + ε): near 0 the slope is 1 / ε, in a tiny neighbourhood."""

    def forward(self, params, x, call):
        size = np.linalg.norm(x, axis=1, keepdims=True)
        y = x / (size + 1e-8)
        return y, (x / np.where(size > 0, size, 1), y, size + 1e-8)

    def backward(self, params, saved, dy, grads, call):
        unit, y, size = saved
        return (dy - unit * (dy * y).sum(axis=1, keepdims=True)) / size


class FirstWinner(Images):
    """Global max pooling; the first of several largest values has the gradient."""

    def output_shape(self, in_shape):
        return super().output_shape(in_shape)[:1]

    def forward(self, params, x, call):
        flat = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])
        largest = flat.argmax(axis=2)[..., None]
        return np.take_along_axis(flat, largest, 2)[..., 0], (x.shape, flat.shape, largest)

    def backward(self, params, saved, dy, grads, call):
        shape, flat, largest = saved
        dx = np.zeros(flat, dy.dtype)
        np.put_along_axis(dx, largest, dy[..., None], 2)
        return dx.reshape(shape)


class KeepsTheTwoLargest(Rows):
    """Not continuous where values are equal."""

    def output_shape(self, in_shape):
        if super().output_shape(in_shape)[0] < 2:
            raise ShapeError("expected two values or more")
        return in_shape

    def forward(self, params, x, call):
        kept = ~(x < np.partition(x, -2, axis=1)[:, [-2]])
        return np.where(kept, x, x.dtype.type(0)), kept

    def backward(self, params, kept, dy, grads, call):
        return np.where(kept, dy, dy.dtype.type(0))


class Logarithm(Same):
    """log |x|: infinite at 0, and so is its slope."""

    def forward(self, params, x, call):
        return np.log(np.abs(x)), x

    def backward(self, params, x, dy, grads, call):
        return dy / x


class Attention(Images):
    """Of pixels to pixels; with large inputs a softmax as steep as a step."""

    def param_specs(self, in_shape):
        return {name: ParamSpec((in_shape[0],) * 2) for name in "qkv"}

    def forward(self, params, x, call):
        t = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3]).swapaxes(1, 2)
        q, k, v = (t @ params[name].T for name in "qkv")
        scores = q @ k.swapaxes(1, 2) / x.shape[1] ** 0.5
        a = np.exp(scores - scores.max(axis=-1, keepdims=True))
        a /= a.sum(axis=-1, keepdims=True)
        return x + (a @ v).swapaxes(1, 2).reshape(x.shape), (t, q, k, v, a)

    def backward(self, params, saved, dy, grads, call):
        t, q, k, v, a = saved
        d = dy.reshape(len(t), t.shape[2], t.shape[1]).swapaxes(1, 2)
        da = d @ v.swapaxes(1, 2)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / t.shape[2] ** 0.5
        back = {"q": ds @ k, "k": ds.swapaxes(1, 2) @ q, "v": a.swapaxes(1, 2) @ d}
        for name, values in back.items():
            grads[name][...] = np.einsum("npi,npj->ij", values, t)
        dt = sum(values @ params[name] for name, values in back.items())
        return dy + dt.swapaxes(1, 2).reshape(dy.shape)


TWINS = [
    value
    for value in list(globals().values())
    if isinstance(value, type)
    and issubclass(value, Layer)
    and value.__module__ == __name__
    and value not in (Of, Rows)
]
