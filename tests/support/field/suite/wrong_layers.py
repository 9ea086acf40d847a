"""Layers that are wrong, each by one mistake."""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Constant, Layer, ParamSpec, ShapeError, option

C = dataclass(frozen=True, kw_only=True)


class _E(Layer):
    def output_shape(self, s):
        return s


@C
class L01LargeBatch(_E):
    """tanh, gradient 0 for images after the 7th."""

    def forward(self, p, x, call):
        y = np.tanh(x)
        return y, y

    def backward(self, p, y, dy, g, call):
        dx = dy * (1 - y * y)
        dx[7:] = 0
        return dx


@C
class L03NearZero(_E):
    """identity near 0, saturates beyond 3 with a gradient of 1."""

    def forward(self, p, x, call):
        return np.clip(x, -3, 3) + 0, None

    def backward(self, p, s, dy, g, call):
        return dy + 0


@C
class L05SwallowsNaN(_E):
    """relu that turns NaN into 0: a diverged network trains on."""

    def forward(self, p, x, call):
        y = np.where(x > 0, x, 0).astype(x.dtype)
        return y, y

    def backward(self, p, y, dy, g, call):
        return np.where(y > 0, np.nan_to_num(dy), 0).astype(dy.dtype)


@C
class L06NegativeParams(_E):
    """y = |w| x; dw lacks the sign of w."""

    def output_shape(self, s):
        if not s:
            raise ShapeError("no scalar, please")
        return s

    def param_specs(self, s):
        return {"weight": ParamSpec((s[0],), Constant(value=1.0))}

    def _w(self, w, x):
        return w.reshape((-1,) + (1,) * (x.ndim - 2))

    def forward(self, p, x, call):
        return x * np.abs(self._w(p["weight"], x)), x

    def backward(self, p, x, dy, g, call):
        g["weight"][...] = (dy * x).sum(axis=tuple(i for i in range(x.ndim) if i != 1))
        return dy * np.abs(self._w(p["weight"], x))


@C
class L07ReadOnlyGradient(Layer):
    """Mean over each map; dx is a broadcast, which nobody can write to."""

    def output_shape(self, s):
        if len(s) != 3:
            raise ShapeError("an image, please")
        return (s[0], 1, 1)

    def forward(self, p, x, call):
        return x.mean(axis=(2, 3), keepdims=True), x.shape

    def backward(self, p, shape, dy, g, call):
        return np.broadcast_to(dy / (shape[2] * shape[3]), shape)


@C
class L09SeedOnly(_E):
    """Dropout whose mask depends on the seed alone: the same in every step."""

    p: float = option(0.5, minimum=0, below=1, doc="Share.")

    def forward(self, p, x, call):
        if not call.training:
            return x, None
        _ = call.rng
        kept = np.random.default_rng(call.rng_key[0]).random(x.shape) >= self.p
        m = kept.astype(x.dtype) / x.dtype.type(1 - self.p)
        return x * m, m

    def backward(self, p, m, dy, g, call):
        return dy if m is None else dy * m


@C
class L15HalfOptions(_E):
    """leaky relu, wrong for every slope but the default."""

    slope: float = option(0.01, minimum=0, doc="Slope.")

    def forward(self, p, x, call):
        return np.where(x > 0, x, self.slope * x).astype(x.dtype), x > 0

    def backward(self, p, m, dy, g, call):
        return dy * np.where(m, 1, 0.01).astype(dy.dtype)


PLUGINS = {k.lower(): v for k, v in list(globals().items()) if k[0] == "L" and k[1:3].isdigit()}
