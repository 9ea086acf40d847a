"""A layer with the name of a built-in one."""

from dataclasses import dataclass

from lenetkit.authoring import Layer


@dataclass(frozen=True, kw_only=True)
class ReLU(Layer):
    """My own relu for the exercise - broken on purpose."""

    def output_shape(self, in_shape):
        return in_shape

    def forward(self, params, x, call):
        raise RuntimeError("this code was called")

    def backward(self, params, saved, dy, grads, call):
        return dy


PLUGINS = {"relu": ReLU}
