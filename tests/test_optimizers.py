"""Optimizers against their formulas, one parameter at a time, over several steps."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lenetkit.errors import OptionError
from lenetkit.optimizers import SGD, Adagrad, Adam, Lion, Optimizer, RMSprop

Array = NDArray[Any]
STEPS = 7
RATES = [0.1 / (t + 1) for t in range(STEPS)]  # a schedule: the rate differs from step to step
START = np.random.default_rng(0).normal(size=6)
GRADIENTS = np.random.default_rng(1).normal(size=(STEPS, 6))


def run(optimizer: Optimizer, dtype: Any = np.float64) -> tuple[Array, dict[str, Array]]:
    """Parameters and state after all steps, which must update them in place."""
    params = START.astype(dtype)
    state = {name: np.zeros_like(params) for name in optimizer.active_slots()}
    addresses = {name: id(vector) for name, vector in state.items()}
    for t, (gradient, lr) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
        optimizer.step(params, gradient.astype(dtype), state, lr, t)
    assert {name: id(vector) for name, vector in state.items()} == addresses
    assert all(vector.dtype == params.dtype == dtype for vector in state.values())
    return params, state


def sgd(p: float, i: int, *, momentum: float, nesterov: bool, decay: float) -> tuple[float, float]:
    """Parameter i, which starts at p, and its velocity after all steps."""
    velocity = 0.0
    for gradient, lr in zip(GRADIENTS[:, i], RATES, strict=True):
        g = gradient + decay * p
        velocity = momentum * velocity + g
        p = p - lr * (g + momentum * velocity if nesterov else velocity)
    return p, velocity


def adam(
    p: float, i: int, *, betas: tuple[float, float], eps: float, decay: float
) -> tuple[float, float, float]:
    """Parameter i, which starts at p, and its two running averages after all steps."""
    mean = square = 0.0
    for t, (g, lr) in enumerate(zip(GRADIENTS[:, i], RATES, strict=True), 1):
        p = p - lr * decay * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        corrected_mean = mean / (1 - betas[0] ** t)
        corrected_square = square / (1 - betas[1] ** t)
        p = p - lr * corrected_mean / (math.sqrt(corrected_square) + eps)
    return p, mean, square


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize(
    ("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True), (0.3, True)]
)
def test_sgd(momentum: float, nesterov: bool, decay: float) -> None:
    optimizer = SGD(momentum=momentum, nesterov=nesterov, weight_decay=decay)
    params, state = run(optimizer)
    expected = [
        sgd(p, i, momentum=momentum, nesterov=nesterov, decay=decay) for i, p in enumerate(START)
    ]
    np.testing.assert_allclose(params, [p for p, _ in expected], rtol=1e-12)
    if momentum:
        np.testing.assert_allclose(state["velocity"], [v for _, v in expected], rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.6), (0.0, 0.0)])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
def test_adam(betas: tuple[float, float], eps: float, decay: float) -> None:
    params, state = run(Adam(betas=betas, eps=eps, weight_decay=decay))
    expected = [adam(p, i, betas=betas, eps=eps, decay=decay) for i, p in enumerate(START)]
    np.testing.assert_allclose(params, [p for p, _, _ in expected], rtol=1e-12)
    mean, square = ((1 - beta) * state[name] for beta, name in zip(betas, state, strict=True))
    np.testing.assert_allclose(mean, [m for _, m, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(square, [s for _, _, s in expected], rtol=1e-12)


OPTIMIZERS = [
    SGD(),
    SGD(momentum=0.9, weight_decay=0.1),
    SGD(momentum=0.9, nesterov=True),
    Adam(),
    Adam(weight_decay=0.1),
    RMSprop(weight_decay=0.1),
    RMSprop(alpha=0.9, momentum=0.5, centered=True),
    Adagrad(weight_decay=0.1, lr_decay=0.1),
    Lion(weight_decay=0.1),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_float32_stays_float32_and_close_to_float64(optimizer: Optimizer) -> None:
    single, _ = run(optimizer, np.float32)
    np.testing.assert_allclose(single, run(optimizer)[0], rtol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_learning_rate_of_zero_changes_nothing(optimizer: Optimizer) -> None:
    params = START.copy()
    state = {name: np.zeros_like(params) for name in optimizer.active_slots()}
    optimizer.step(params, GRADIENTS[0].copy(), state, 0.0, 1)
    np.testing.assert_array_equal(params, START)


def test_adams_first_step_is_the_learning_rate_for_any_gradient() -> None:
    params, state = np.zeros(3), {"mean": np.zeros(3), "square": np.zeros(3)}
    Adam().step(params, np.array([1e-3, -7.0, 0.0]), state, 0.01, 1)
    np.testing.assert_allclose(params, [-0.01, 0.01, 0], rtol=1e-4)


def test_only_the_state_that_the_options_need_is_active() -> None:
    assert SGD().active_slots() == ()
    assert SGD(momentum=0.9).active_slots() == ("velocity",)
    assert Adam().active_slots() == ("mean", "square")
    assert RMSprop().active_slots() == ("square",)
    assert RMSprop(momentum=0.9, centered=True).active_slots() == ("square", "mean", "velocity")


def test_lion_moves_by_the_sign_and_decays_beside_it() -> None:
    lion = Lion(betas=(0.5, 0.75), weight_decay=0.5)
    params, state = np.array([1.0, 1, 2]), {"momentum": np.array([0.0, 2, 0])}
    lion.step(params, np.array([0.1, -3, 0]), state, 0.25, 1)
    np.testing.assert_allclose(params, [0.875 - 0.25, 0.875 + 0.25, 1.75], rtol=1e-15)
    np.testing.assert_allclose(state["momentum"], [0.025, 0.75, 0], rtol=1e-15)


def test_rmsprop_divides_by_the_root_mean_square_and_keeps_momentum() -> None:
    rmsprop = RMSprop(alpha=0.75, eps=1e-12, momentum=0.5)
    params, state = np.array([1.0]), {"square": np.zeros(1), "velocity": np.zeros(1)}
    for t, (gradient, expected) in enumerate([(2.0, 0.5), (0.0, 0.25)], start=1):
        rmsprop.step(params, np.array([gradient]), state, 0.25, t)
        np.testing.assert_allclose(params, [expected], rtol=1e-9)
    assert state["square"].tolist() == [0.75]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SGD, {"lr": -1}, "lr: expected a number ≥ 0, found -1"),
        (SGD, {"momentum": 1}, "momentum: expected a number ≥ 0 and < 1, found 1"),
        (SGD, {"nesterov": True}, "nesterov: needs a momentum above 0, found momentum: 0"),
        (Adam, {"eps": 0}, "eps: expected a number > 0, found 0"),
        (Adam, {"betas": [0, 1]}, "betas: expected a list of 2 numbers ≥ 0 and < 1, found [0, 1]"),
        (Adam, {"betas": 0.9}, "betas: expected a list of 2 numbers ≥ 0 and < 1, found 0.9"),
    ],
)
def test_invalid_options_are_refused(
    kind: type[Optimizer], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        kind(**options)
