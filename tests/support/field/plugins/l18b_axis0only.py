"""A layer whose bias gradient takes the first image only."""

from dataclasses import dataclass

from lenetkit.authoring import Constant, Layer, ParamSpec, expect_image


@dataclass(frozen=True, kw_only=True)
class Lin(Layer):
    """Scale and shift a channel."""

    def output_shape(self, in_shape):
        expect_image(in_shape)
        return in_shape

    def param_specs(self, in_shape):
        return {
            "weight": ParamSpec((in_shape[0],), Constant(value=1.0)),
            "bias": ParamSpec((in_shape[0],), Constant(value=0.0)),
        }

    def forward(self, params, x, call):
        return x * params["weight"][:, None, None] + params["bias"][:, None, None], x

    def backward(self, params, saved, dy, grads, call):
        x = saved
        grads["weight"][...] = (dy * x).sum(axis=(0, 2, 3))
        grads["bias"][...] = dy.sum(axis=(2, 3))[0]
        return dy * params["weight"][:, None, None]


PLUGINS = {"lin": Lin}
