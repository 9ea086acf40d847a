"""A layer whose forward pass ends the process, with status 0."""

import os
from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Layer


@dataclass(frozen=True, kw_only=True)
class R(Layer):
    """r"""

    def output_shape(self, in_shape):
        return in_shape

    def forward(self, params, x, call):
        os._exit(0)
        return np.maximum(x, 0), x > 0

    def backward(self, params, saved, dy, grads, call):
        return dy * saved


PLUGINS = {"r": R}
