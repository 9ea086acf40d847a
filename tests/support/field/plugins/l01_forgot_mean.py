"""Layer normalization whose gradient does not subtract the mean of `d`."""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Constant, Layer, ParamSpec, expect_image


@dataclass(frozen=True, kw_only=True)
class Norm(Layer):
    """Layer norm over all values of a sample, with a weight per channel."""

    def output_shape(self, in_shape):
        expect_image(in_shape)
        return in_shape

    def param_specs(self, in_shape):
        return {"weight": ParamSpec((in_shape[0],), Constant(value=1.0))}

    def forward(self, params, x, call):
        m = x.mean(axis=(1, 2, 3), keepdims=True)
        v = x.var(axis=(1, 2, 3), keepdims=True)
        inv = 1 / np.sqrt(v + 1e-5)
        xh = (x - m) * inv
        return xh * params["weight"][:, None, None], (xh, inv)

    def backward(self, params, saved, dy, grads, call):
        xh, inv = saved
        grads["weight"][...] = (dy * xh).sum(axis=(0, 2, 3))
        d = dy * params["weight"][:, None, None]
        return inv * (d - xh * (d * xh).mean(axis=(1, 2, 3), keepdims=True))


PLUGINS = {"norm": Norm}
