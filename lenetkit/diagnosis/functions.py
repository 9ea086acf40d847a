"""What kind of function each layer is, found by trying it: plugins are seen like built-ins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lenetkit.arrays import Array
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.network.stage import Stage

_SWEEP = np.concatenate([np.linspace(-30, -10, 5), np.linspace(-8, 8, 65), np.linspace(10, 30, 5)])
_TRIED = 4


@dataclass(frozen=True)
class Activation:
    """A nonlinear layer without parameters that keeps the shape."""

    steepest: float
    """Its largest slope."""
    flat_below: bool
    flat_above: bool
    """Whether it is level far below 0, and far above."""

    @property
    def saturates(self) -> bool:
        """Whether both ends are flat, as of sigmoid and tanh."""
        return self.flat_below and self.flat_above


@dataclass(frozen=True)
class Functions:
    """The layers of a network by what they do in inference."""

    linear: frozenset[str]
    """Layers that are linear, up to a constant."""
    activations: dict[str, Activation]


def functions_of(plan: Plan) -> Functions:
    """Try every layer on random values."""
    network = Network(plan, seed=plan.spec.train.seed)
    stages = network.workspace(training=False, fused=False).stages
    with network.limited(), np.errstate(all="ignore"):
        linear = frozenset(stage.name for stage in stages if is_linear(stage))
        found = {
            stage.name: _activation(stage)
            for stage in stages
            if stage.name not in linear
            and stage.in_shape == stage.out_shape
            and not stage.params
            and not stage.call.state
        }
    return Functions(linear, found)


def is_linear(stage: Stage) -> bool:
    """Whether f((a + b) / 2) = (f(a) + f(b)) / 2 for random a and b, as layers compute it."""
    a, b = (_random(stage, seed) for seed in (0, 1))
    at_a, at_b, between = (stage.forward(x).astype(np.float64) for x in (a, b, (a + b) / 2))
    scale = max(np.abs(at_a).max(initial=0), np.abs(at_b).max(initial=0), 1e-30)
    return bool(np.abs(between - (at_a + at_b) / 2).max(initial=0) <= 1e-4 * scale)


def _random(stage: Stage, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    values: Array = rng.normal(0, 3, (_TRIED, *stage.in_shape)).astype(np.float32)
    return values


def _activation(stage: Stage) -> Activation:
    x = np.empty((len(_SWEEP), *stage.in_shape), np.float32)
    x[...] = _SWEEP.reshape(-1, *[1] * len(stage.in_shape))
    y = stage.forward(x).reshape(len(x), -1)[:, 0].astype(np.float64)
    slopes = np.abs(np.diff(y) / np.diff(_SWEEP))
    steepest = float(slopes.max())
    if not steepest:  # softmax, of equal values
        return Activation(1.0, flat_below=False, flat_above=False)
    level = slopes < 1e-3 * steepest
    return Activation(steepest, bool(level[:4].all()), bool(level[-4:].all()))
