"""Twenty right layers as authors write them: loops, im2col, kinks, float32 inside, redrawn noise.

`MUTATED` layers in the two halves break one line of one of them.
"""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Constant, Layer, ParamSpec, ShapeError, Zeros, option

layer = dataclass(frozen=True, kw_only=True)


def image(in_shape):
    if len(in_shape) != 3:
        raise ShapeError("expected an image")
    return in_shape


class Same(Layer):
    """Any shape in, the same shape out."""

    def output_shape(self, in_shape):
        return in_shape


@layer
class Linear(Layer):
    units: int = option(4, minimum=1, doc="Outputs.")

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return (self.units,)

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((self.units, *in_shape)), "bias": ParamSpec((self.units,))}

    def forward(self, params, x, call):
        return x @ params["weight"].T + params["bias"], x

    def backward(self, params, x, dy, grads, call):
        grads["weight"][...] = dy.T @ x
        grads["bias"][...] = dy.sum(axis=0)
        return dy @ params["weight"]


@layer
class ConvLoops(Layer):
    """Convolution, window by window."""

    filters: int = option(4, minimum=1, doc="Output maps.")
    size: int = option(3, minimum=1, doc="Window size.")
    stride: int = option(1, minimum=1, doc="Stride.")
    padding: int = option(0, minimum=0, doc="Padding.")
    dilation: int = option(1, minimum=1, doc="Dilation.")

    def output_shape(self, in_shape):
        _, H, W = image(in_shape)
        extent = self.dilation * (self.size - 1) + 1
        OH, OW = ((n + 2 * self.padding - extent) // self.stride + 1 for n in (H, W))
        if OH < 1 or OW < 1:
            raise ShapeError("the window does not fit")
        return self.filters, OH, OW

    def param_specs(self, in_shape):
        shape = (self.filters, in_shape[0], self.size, self.size)
        return {"weight": ParamSpec(shape), "bias": ParamSpec((self.filters,), Zeros())}

    def padded(self, x):
        p = self.padding
        return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))

    def window(self, i, j):
        s, d, k = self.stride, self.dilation, self.size
        return (
            slice(None),
            slice(None),
            slice(i * s, i * s + d * (k - 1) + 1, d),
            slice(j * s, j * s + d * (k - 1) + 1, d),
        )

    def forward(self, params, x, call):
        xp = self.padded(x)
        _, OH, OW = self.output_shape(x.shape[1:])
        y = np.empty((len(x), self.filters, OH, OW), x.dtype)
        for i in range(OH):
            for j in range(OW):
                y[:, :, i, j] = np.einsum("ncuv,ocuv->no", xp[self.window(i, j)], params["weight"])
        return y + params["bias"][:, None, None], xp

    def backward(self, params, xp, dy, grads, call):
        dw, dxp = np.zeros_like(params["weight"]), np.zeros_like(xp)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                here = self.window(i, j)
                dw += np.einsum("no,ncuv->ocuv", dy[:, :, i, j], xp[here])
                dxp[here] += np.einsum("no,ocuv->ncuv", dy[:, :, i, j], params["weight"])
        grads["weight"][...] = dw
        grads["bias"][...] = dy.sum(axis=(0, 2, 3))
        return self.unpadded(dxp)

    def unpadded(self, dxp):
        p = self.padding
        return dxp[:, :, p : dxp.shape[2] - p, p : dxp.shape[3] - p]


@layer
class ConvIm2col(ConvLoops):
    """The same by im2col and col2im, tap by tap of the kernel."""

    def taps(self, OH, OW):
        s, d, k = self.stride, self.dilation, self.size
        for u in range(k):
            for v in range(k):
                rows = slice(u * d, u * d + s * (OH - 1) + 1, s)
                yield (
                    u,
                    v,
                    (slice(None), slice(None), rows, slice(v * d, v * d + s * (OW - 1) + 1, s)),
                )

    def im2col(self, xp, OH, OW):
        col = np.empty((len(xp), xp.shape[1], self.size, self.size, OH, OW), xp.dtype)
        for u, v, here in self.taps(OH, OW):
            col[:, :, u, v] = xp[here]
        return col

    def col2im(self, dcol, shape):
        dxp = np.zeros(shape, dcol.dtype)
        for u, v, here in self.taps(*dcol.shape[4:]):
            dxp[here] += dcol[:, :, u, v]
        return dxp

    def forward(self, params, x, call):
        xp = self.padded(x)
        col = self.im2col(xp, *self.output_shape(x.shape[1:])[1:])
        y = np.einsum("ncuvij,ocuv->noij", col, params["weight"])
        return y + params["bias"][:, None, None], (col, xp.shape)

    def backward(self, params, saved, dy, grads, call):
        col, shape = saved
        grads["weight"][...] = np.einsum("noij,ncuvij->ocuv", dy, col)
        grads["bias"][...] = dy.sum(axis=(0, 2, 3))
        return self.unpadded(
            self.col2im(np.einsum("noij,ocuv->ncuvij", dy, params["weight"]), shape)
        )


@layer
class Depthwise(Layer):
    """Each map convolved with its own 3×3 kernel."""

    def output_shape(self, in_shape):
        C, H, W = image(in_shape)
        if H < 3 or W < 3:
            raise ShapeError("the window does not fit")
        return C, H - 2, W - 2

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0], 3, 3))}

    def forward(self, params, x, call):
        H, W = x.shape[2] - 2, x.shape[3] - 2
        y = np.zeros((*x.shape[:2], H, W), x.dtype)
        for u in range(3):
            for v in range(3):
                y += x[:, :, u : u + H, v : v + W] * params["weight"][:, u, v][:, None, None]
        return y, x

    def backward(self, params, x, dy, grads, call):
        H, W = dy.shape[2:]
        dx = np.zeros_like(x)
        for u in range(3):
            for v in range(3):
                grads["weight"][:, u, v] = (dy * x[:, :, u : u + H, v : v + W]).sum(axis=(0, 2, 3))
                dx[:, :, u : u + H, v : v + W] += dy * params["weight"][:, u, v][:, None, None]
        return dx


@layer
class MaxPool(Layer):
    """The largest value of each window; windows may overlap."""

    size: int = option(3, minimum=1, doc="Window size.")
    stride: int = option(2, minimum=1, doc="Stride.")

    def output_shape(self, in_shape):
        C, H, W = image(in_shape)
        if min(H, W) < self.size:
            raise ShapeError("the window does not fit")
        return C, (H - self.size) // self.stride + 1, (W - self.size) // self.stride + 1

    def windows(self, OH, OW):
        for i in range(OH):
            for j in range(OW):
                top, left = i * self.stride, j * self.stride
                yield i, j, slice(top, top + self.size), slice(left, left + self.size)

    def forward(self, params, x, call):
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        for i, j, rows, columns in self.windows(*y.shape[2:]):
            y[:, :, i, j] = x[:, :, rows, columns].max(axis=(2, 3))
        return y, (x, y)

    def backward(self, params, saved, dy, grads, call):
        x, y = saved
        dx = np.zeros_like(x)
        for i, j, rows, columns in self.windows(*dy.shape[2:]):
            largest = x[:, :, rows, columns] == y[:, :, i, j][:, :, None, None]
            dx[:, :, rows, columns] += largest * dy[:, :, i, j][:, :, None, None]
        return dx


@layer
class AvgPool(MaxPool):
    """The mean of each window."""

    def forward(self, params, x, call):
        y = np.empty((len(x), *self.output_shape(x.shape[1:])), x.dtype)
        for i, j, rows, columns in self.windows(*y.shape[2:]):
            y[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3))
        return y, x.shape

    def backward(self, params, shape, dy, grads, call):
        dx = np.zeros(shape, dy.dtype)
        for i, j, rows, columns in self.windows(*dy.shape[2:]):
            dx[:, :, rows, columns] += dy[:, :, i, j][:, :, None, None] / self.size**2
        return dx


@layer
class ReLU(Same):
    def forward(self, params, x, call):
        return np.maximum(x, 0), x

    def backward(self, params, x, dy, grads, call):
        return dy * (x > 0)


@layer
class LeakyReLU(Same):
    slope: float = option(0.2, minimum=0, doc="Slope below 0.")

    def forward(self, params, x, call):
        return np.where(x > 0, x, self.slope * x), x

    def backward(self, params, x, dy, grads, call):
        return np.where(x > 0, dy, self.slope * dy)


@layer
class Sigmoid(Same):
    def forward(self, params, x, call):
        y = 1 / (1 + np.exp(-x))
        return y, y

    def backward(self, params, y, dy, grads, call):
        return dy * y * (1 - y)


@layer
class Tanh(Same):
    def forward(self, params, x, call):
        y = np.tanh(x)
        return y, (x, y)

    def backward(self, params, saved, dy, grads, call):
        return dy * (1 - saved[1] ** 2)


@layer
class Softplus(Same):
    def forward(self, params, x, call):
        y = np.logaddexp(0, x)
        return y, (x, y)

    def backward(self, params, saved, dy, grads, call):
        return dy / (1 + np.exp(-saved[0]))


@layer
class ELU(Same):
    alpha: float = option(0.7, above=0, doc="−y far below 0.")

    def forward(self, params, x, call):
        y = np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))
        return y, (x, y)

    def backward(self, params, saved, dy, grads, call):
        x, y = saved
        return np.where(x > 0, dy, dy * (y + self.alpha))


@layer
class PReLU(Same):
    """A trained slope for each channel, or value of a row."""

    def param_specs(self, in_shape):
        if not in_shape:
            raise ShapeError("expected channels")
        return {"slope": ParamSpec((in_shape[0],), Constant(value=0.25))}

    def output_shape(self, in_shape):
        if not in_shape:
            raise ShapeError("expected channels")
        return in_shape

    def forward(self, params, x, call):
        slope = params["slope"].reshape(-1, *[1] * (x.ndim - 2))
        return np.where(x > 0, x, slope * x), x

    def backward(self, params, x, dy, grads, call):
        slope = params["slope"].reshape(-1, *[1] * (x.ndim - 2))
        below = np.where(x > 0, 0, dy * x)
        grads["slope"][...] = below.sum(axis=tuple(a for a in range(x.ndim) if a != 1))
        return np.where(x > 0, dy, slope * dy)


@layer
class ScaleShift(PReLU):
    """y = gamma · x + beta, for each channel."""

    def param_specs(self, in_shape):
        if not in_shape:
            raise ShapeError("expected channels")
        return {n: ParamSpec((in_shape[0],), Constant(value=1.0)) for n in ("gamma", "beta")}

    def by_channel(self, values, x):
        return values.reshape(-1, *[1] * (x.ndim - 2))

    def forward(self, params, x, call):
        gamma, beta = (self.by_channel(params[n], x) for n in ("gamma", "beta"))
        return gamma * x + beta, x

    def backward(self, params, x, dy, grads, call):
        others = tuple(a for a in range(x.ndim) if a != 1)
        grads["gamma"][...] = (dy * x).sum(axis=others)
        grads["beta"][...] = dy.sum(axis=others)
        return dy * self.by_channel(params["gamma"], x)


@layer
class BatchNorm(ScaleShift):
    """Batch normalization of images."""

    def output_shape(self, in_shape):
        return image(in_shape)

    def state_specs(self, in_shape):
        shape = (in_shape[0],)
        return {"mean": ParamSpec(shape, Zeros()), "var": ParamSpec(shape, Constant(value=1.0))}

    def forward(self, params, x, call):
        mean, var = (self.by_channel(call.state[n], x)[None] for n in ("mean", "var"))
        if call.training and len(x):
            mean, var = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
            for name, new in (("mean", mean), ("var", var)):
                call.state[name][...] += 0.1 * (new.reshape(-1) - call.state[name])
        inv = 1 / np.sqrt(var + 1e-5)
        normal = (x - mean) * inv
        gamma, beta = (self.by_channel(params[n], x) for n in ("gamma", "beta"))
        return gamma * normal + beta, (normal, inv)

    def backward(self, params, saved, dy, grads, call):
        normal, inv = saved
        grads["gamma"][...] = (dy * normal).sum(axis=(0, 2, 3))
        grads["beta"][...] = dy.sum(axis=(0, 2, 3))
        d = dy * self.by_channel(params["gamma"], dy)
        if not call.training or not len(dy):
            return inv * d
        mean = d.mean(axis=(0, 2, 3), keepdims=True)
        along = (d * normal).mean(axis=(0, 2, 3), keepdims=True)
        return inv * (d - mean - normal * along)


@layer
class LayerNorm(Layer):
    """Each row normalized, then scaled and shifted value by value."""

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def param_specs(self, in_shape):
        return {n: ParamSpec(in_shape, Constant(value=1.0)) for n in ("weight", "bias")}

    def forward(self, params, x, call):
        inv = 1 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        normal = (x - x.mean(axis=1, keepdims=True)) * inv
        return params["weight"] * normal + params["bias"], (normal, inv)

    def backward(self, params, saved, dy, grads, call):
        normal, inv = saved
        grads["weight"][...] = (dy * normal).sum(axis=0)
        grads["bias"][...] = dy.sum(axis=0)
        d = dy * params["weight"]
        along = (d * normal).mean(axis=1, keepdims=True)
        return inv * (d - d.mean(axis=1, keepdims=True) - normal * along)


@layer
class Dropout(Same):
    """Backward draws the mask again."""

    p: float = option(0.4, minimum=0, below=1, doc="Share that is dropped.")

    def mask(self, x, call):
        kept = call.draw(x.shape, lambda rng, shape: rng.random(shape)) >= self.p
        return (kept / (1 - self.p)).astype(x.dtype)

    def forward(self, params, x, call):
        return (x * self.mask(x, call) if call.training else x), None

    def backward(self, params, saved, dy, grads, call):
        return dy * self.mask(dy, call) if call.training else dy


@layer
class Residual(Layer):
    """y = x + tanh(x · weightᵀ)."""

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((*in_shape, *in_shape), Constant(value=0.1))}

    def forward(self, params, x, call):
        branch = np.tanh(x @ params["weight"].T / 8)
        return x + branch, (x, branch)

    def backward(self, params, saved, dy, grads, call):
        x, branch = saved
        d = dy * (1 - branch**2) / 8
        grads["weight"][...] = d.T @ x
        return dy + d @ params["weight"]


@layer
class ChannelsLast(Layer):
    """(C, H, W) → (H, W, C)."""

    def output_shape(self, in_shape):
        C, H, W = image(in_shape)
        return H, W, C

    def forward(self, params, x, call):
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)), x.shape

    def backward(self, params, shape, dy, grads, call):
        return np.ascontiguousarray(dy.transpose(0, 3, 1, 2))


@layer
class Upsample(Layer):
    """Each pixel twice in both directions."""

    def output_shape(self, in_shape):
        C, H, W = image(in_shape)
        return C, 2 * H, 2 * W

    def forward(self, params, x, call):
        return x.repeat(2, axis=2).repeat(2, axis=3), None

    def backward(self, params, saved, dy, grads, call):
        N, C, H, W = dy.shape
        return dy.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))


@layer
class GlobalAverage(Layer):
    """The mean of each map."""

    def output_shape(self, in_shape):
        return (image(in_shape)[0],)

    def forward(self, params, x, call):
        return x.mean(axis=(2, 3)), x.shape

    def backward(self, params, shape, dy, grads, call):
        dx = np.empty(shape, dy.dtype)
        dx[...] = dy[:, :, None, None] / (shape[2] * shape[3])
        return dx


@layer
class Softmax(Layer):
    """Rows of probabilities."""

    def output_shape(self, in_shape):
        if len(in_shape) != 1:
            raise ShapeError("expected a row")
        return in_shape

    def forward(self, params, x, call):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        return y, y

    def backward(self, params, y, dy, grads, call):
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))


@layer
class Swish(Same):
    def forward(self, params, x, call):
        s = 1 / (1 + np.exp(-x))
        return x * s, (x, s)

    def backward(self, params, saved, dy, grads, call):
        x, s = saved
        return dy * (s + x * s * (1 - s))


@layer
class Float32Inside(Same):
    """tanh in float32 whatever comes in: right, but imprecise."""

    def forward(self, params, x, call):
        y = np.tanh(x.astype(np.float32))
        return y.astype(x.dtype), y

    def backward(self, params, y, dy, grads, call):
        return (dy.astype(np.float32) * (1 - y * y)).astype(dy.dtype)


@layer
class Float32Linear(Linear):
    """A matrix product in float32."""

    def forward(self, params, x, call):
        single = x.astype(np.float32)
        y = single @ params["weight"].T.astype(np.float32) + params["bias"].astype(np.float32)
        return y.astype(x.dtype), x


@layer
class Staircase(Same):
    """x clipped to (−1, 1), with corners, and |x| beyond: not smooth at three points."""

    def forward(self, params, x, call):
        return np.where(np.abs(x) < 1, x, np.abs(x)), x

    def backward(self, params, x, dy, grads, call):
        return np.where(np.abs(x) < 1, dy, dy * np.sign(x))


RIGHT = [
    (Linear(), (7,)),
    (ConvLoops(padding=1, stride=2), (2, 6, 5)),
    (ConvLoops(dilation=2), (3, 8, 7)),
    (ConvIm2col(padding=1), (3, 8, 7)),
    (Depthwise(), (3, 8, 7)),
    (MaxPool(), (3, 8, 7)),
    (AvgPool(), (3, 8, 7)),
    (ReLU(), (3, 8, 7)),
    (LeakyReLU(), (12,)),
    (Sigmoid(), (12,)),
    (ELU(), (3, 8, 7)),
    (PReLU(), (3, 8, 7)),
    (BatchNorm(), (3, 8, 7)),
    (LayerNorm(), (12,)),
    (Dropout(), (3, 8, 7)),
    (Residual(), (12,)),
    (Softmax(), (12,)),
    (Float32Inside(), (12,)),
    (Float32Linear(), (12,)),
    (Staircase(), (12,)),
]
