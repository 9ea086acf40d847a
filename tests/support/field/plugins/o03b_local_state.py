"""Momentum that is assigned to a local name, so that none is kept."""

from dataclasses import dataclass

from lenetkit.authoring import Optimizer, option


@dataclass(frozen=True, kw_only=True)
class Opt(Optimizer):
    """Momentum."""

    slots = ("v",)
    lr: float = option(0.01, minimum=0, doc="lr")

    def step(self, params, grads, state, lr, t):
        v = 0.9 * state["v"] + grads
        params -= lr * v


PLUGINS = {"opt": Opt}
