"""An optimizer that divides 0 by 0 where a gradient has always been 0."""

from dataclasses import dataclass

import numpy as np

from lenetkit.authoring import Optimizer, option


@dataclass(frozen=True, kw_only=True)
class Opt(Optimizer):
    """Momentum."""

    slots = ("v",)
    lr: float = option(0.01, minimum=0, doc="lr")

    def step(self, params, grads, state, lr, t):
        v = state["v"]
        v += grads**2
        params -= lr * grads / np.sqrt(v)


PLUGINS = {"opt": Opt}
