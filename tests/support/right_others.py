"""Losses, optimizers, schedules and initializers from the literature, in the idioms people use."""

# ruff: noqa: N818 - these are losses, whose name ends in Error; no exceptions

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.initializers import Initializer
from lenetkit.losses import (
    Loss,
    MeanSquaredError,
    SecondOrderLoss,
    SoftmaxCrossEntropy,
    Targets,
    as_rows,
)
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, option
from lenetkit.schedules import Moment, Schedule

State = Mapping[str, Array]


def softmax(outputs: Array) -> Array:
    """e^(z_k) / Σ e^(z_i), by rows."""
    e: Array = np.exp(outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf))
    result: Array = e / e.sum(axis=1, keepdims=True)
    return result


class ReadBySoftmax(Loss):
    """The base of losses whose outputs are read by softmax."""

    def probabilities(self, outputs: Array) -> Array:
        return softmax(outputs)


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(ReadBySoftmax):
    """Cross-entropy with targets (1 − smoothing) · t + smoothing / K. Szegedy et al. 2016."""

    smoothing: float = option(0.0, minimum=0, below=1, doc="Share of all classes.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        t = as_rows(targets, outputs)
        t = (1 - self.smoothing) * t + t.sum(axis=1, keepdims=True) * (
            self.smoothing / outputs.shape[1]
        )
        z = outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -(t * logs).sum(axis=1), (np.exp(logs), t)

    def backward(self, saved: Any) -> Array:
        p, t = saved
        result: Array = (p * t.sum(axis=1, keepdims=True) - t) / max(len(p), 1)
        return result


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy(ReadBySoftmax, SecondOrderLoss):
    """Σ_k log(1 + e^(z_k)) − t_k z_k: each class against the rest; K = 1 is one logit."""

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        t = as_rows(targets, outputs)
        p = np.exp(-np.logaddexp(outputs.dtype.type(0), -outputs))
        losses = np.logaddexp(outputs.dtype.type(0), outputs) - t * outputs
        return losses.sum(axis=1), (p, t)

    def backward(self, saved: Any) -> Array:
        p, t = saved
        result: Array = (p - t) / max(len(p), 1)
        return result

    def second_backward(self, saved: Any) -> Array:
        p, _ = saved
        result: Array = p * (1 - p)
        return result


@dataclass(frozen=True, kw_only=True)
class Hinge(ReadBySoftmax):
    """Mean of max(0, margin − s_k z_k) with s = ±1: one class against the rest."""

    margin: float = option(1.0, above=0, doc="Distance at which nothing is lost.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        signs = 2 * as_rows(targets, outputs) - 1
        loss = np.maximum(self.margin - signs * outputs, 0)
        return loss.mean(axis=1), (signs, loss > 0)

    def backward(self, saved: Any) -> Array:
        signs, active = saved
        return np.where(active, -signs, 0).astype(signs.dtype) / max(signs.size, 1)


@dataclass(frozen=True, kw_only=True)
class CrammerSinger(ReadBySoftmax):
    """max(0, 1 + largest other output − the right one), for the largest target of a row."""

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        here, right = np.arange(len(outputs)), as_rows(targets, outputs).argmax(axis=1)
        others = outputs.copy()
        others[here, right] = -np.inf
        rival = others.argmax(axis=1)
        losses = np.maximum(0, 1 + others[here, rival] - outputs[here, right])
        return losses, (outputs.shape, outputs.dtype, right, rival, losses > 0)

    def backward(self, saved: Any) -> Array:
        shape, dtype, right, rival, active = saved
        gradient = np.zeros(shape, dtype)
        gradient[np.flatnonzero(active), rival[active]] = 1 / max(len(right), 1)
        gradient[np.flatnonzero(active), right[active]] = -1 / max(len(right), 1)
        return gradient


@dataclass(frozen=True, kw_only=True)
class Huber(MeanSquaredError):
    """½ d² where |d| ≤ delta, else delta · (|d| − ½ delta), summed over the outputs."""

    delta: float = option(1.0, above=0, doc="Where squares end.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        d = outputs - as_rows(targets, outputs)
        small = np.minimum(abs(d), self.delta)
        return (small * (abs(d) - small / 2)).sum(axis=1), d

    def backward(self, saved: Any) -> Array:
        result: Array = np.clip(saved, -self.delta, self.delta) / max(len(saved), 1)
        return result


@dataclass(frozen=True, kw_only=True)
class LogCosh(MeanSquaredError, SecondOrderLoss):
    """Σ log cosh d, as |d| + log(1 + e^(−2|d|)) − log 2."""

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        d = outputs - as_rows(targets, outputs)
        losses = np.abs(d) + np.log1p(np.exp(-2 * np.abs(d))) - d.dtype.type(math.log(2))
        return losses.sum(axis=-1), np.tanh(d)

    def backward(self, saved: Any) -> Array:
        result: Array = saved / max(saved.shape[0], 1)
        return result

    def second_backward(self, saved: Any) -> Array:
        result: Array = 1 - np.square(saved)
        return result


@dataclass(frozen=True, kw_only=True)
class Focal(ReadBySoftmax):
    """−Σ t_k (1 − p_k)^gamma log p_k. Lin et al. 2017. Takes labels and one-hot rows."""

    gamma: float = option(2.0, minimum=1, doc="Weight of hard samples.")

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        rows = as_rows(targets, outputs)
        if not np.isin(rows, (0, 1)).all():
            raise ValueError("targets: expected labels or one-hot rows")
        right = rows.argmax(axis=1)[:, None]
        z = outputs - outputs.max(axis=1, keepdims=True, initial=-np.inf)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        log = np.take_along_axis(logs, right, axis=1)
        miss = -np.expm1(log)
        slope = self.gamma * miss ** (self.gamma - 1) * np.exp(log) * log - miss**self.gamma
        return -(miss**self.gamma * log)[:, 0], (slope, rows - np.exp(logs))

    def backward(self, saved: Any) -> Array:
        slope, difference = saved
        result: Array = slope * difference / max(len(slope), 1)
        return result


@dataclass(frozen=True, kw_only=True)
class WeightedCrossEntropy(SoftmaxCrossEntropy):
    """Cross-entropy in which each class has its weight, so that their number is given."""

    weights: tuple[float, ...] = option(above=0, doc="One for each class.")

    @classmethod
    def examples(cls) -> Sequence[Self]:
        return (cls(weights=(1.0, 2.0, 3.0)), cls(weights=(0.5,) * 10))

    def forward(self, outputs: Array, targets: Targets) -> tuple[Array, Any]:
        if outputs.shape[1] != len(self.weights):
            raise ValueError(
                f"expected {len(self.weights)} outputs, one for each weight, "
                f"found {outputs.shape[1]}"
            )
        weighted = as_rows(targets, outputs) * np.asarray(self.weights, outputs.dtype)
        return super().forward(outputs, weighted)


@dataclass(frozen=True, kw_only=True)
class SecondOrderCrossEntropy(SoftmaxCrossEntropy, SecondOrderLoss):
    """d²L/dz² = p (1 − p)."""

    def second_backward(self, saved: Any) -> Array:
        p, _, weights = saved
        result: Array = weights[:, None] * p * (1 - p)
        return result


@dataclass(frozen=True, kw_only=True)
class Lion(Optimizer):
    """Signs of the momentum. Chen et al. 2023."""

    slots: ClassVar[tuple[str, ...]] = ("m",)
    lr: float = option(1e-4, minimum=0, doc="Learning rate.")
    betas: tuple[float, float] = option((0.9, 0.99), minimum=0, below=1, doc="Decays.")
    weight_decay: float = option(0.1, minimum=0, doc="Decoupled, times lr.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        m, (b1, b2) = state["m"], self.betas
        update = np.sign(m * b1 + grads * (1 - b1)) + self.weight_decay * params
        np.subtract(params, lr * update, out=params)
        m[:] = b2 * m + (1 - b2) * grads


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """p ← p − lr g / (√Σ g² + eps), with lr / (1 + (t − 1) lr_decay). Duchi et al. 2011."""

    slots: ClassVar[tuple[str, ...]] = ("sum",)
    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    lr_decay: float = option(0.0, minimum=0, doc="Decay of the rate.")
    eps: float = option(1e-10, above=0, doc="Added to the denominator.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        state["sum"][...] += grads * grads
        params -= lr / (1 + (t - 1) * self.lr_decay) * grads / (np.sqrt(state["sum"]) + self.eps)


@dataclass(frozen=True, kw_only=True)
class CenteredRMSprop(Optimizer):
    """RMSprop whose square is a variance if `centered`. Graves 2013."""

    slots: ClassVar[tuple[str, ...]] = ("square", "mean")
    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    alpha: float = option(0.99, minimum=0, below=1, doc="Decay.")
    eps: float = option(1e-3, above=0, doc="Added to the denominator.")
    centered: bool = option(True, doc="Subtract the squared mean.")

    def active_slots(self) -> tuple[str, ...]:
        return self.slots if self.centered else self.slots[:1]

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        square = state["square"]
        square += (1 - self.alpha) * (grads**2 - square)
        variance = square
        if self.centered:
            state["mean"][...] += (1 - self.alpha) * (grads - state["mean"])
            variance = np.maximum(square - state["mean"] ** 2, 0)
        params -= lr * grads / (np.sqrt(variance) + self.eps)


@dataclass(frozen=True, kw_only=True)
class Adadelta(Optimizer):
    """The root of past updates over the root of past gradients. Zeiler 2012."""

    slots: ClassVar[tuple[str, ...]] = ("square", "delta")
    lr: float = option(1.0, minimum=0, doc="Learning rate.")
    rho: float = option(0.9, minimum=0, below=1, doc="Decay.")
    eps: float = option(1e-6, above=0, doc="Added to both roots.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        square, delta = state["square"], state["delta"]
        square *= self.rho
        square += (1 - self.rho) * grads * grads
        update = grads * np.sqrt(delta + self.eps) / np.sqrt(square + self.eps)
        delta *= self.rho
        delta += (1 - self.rho) * update * update
        params -= lr * update


@dataclass(frozen=True, kw_only=True)
class ClippedSGD(Optimizer):
    """SGD whose gradient has at most a norm. Pascanu et al. 2013."""

    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    max_norm: float | None = option(1.0, above=0, doc="Largest norm; none is no limit.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        norm = float(np.linalg.norm(grads))
        if self.max_norm is not None and norm > self.max_norm:
            grads = grads * (self.max_norm / norm)
        params -= lr * grads


@dataclass(frozen=True, kw_only=True)
class Ascent(Optimizer):
    """SGD with PyTorch's option to maximize."""

    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    maximize: bool = option(False, doc="Whether to go uphill.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        params -= lr * (-grads if self.maximize else grads)


@dataclass(frozen=True, kw_only=True)
class ClippedUpdates(Optimizer):
    """Adafactor without factors: updates of limited root mean square. Shazeer & Stern 2018."""

    slots: ClassVar[tuple[str, ...]] = ("square",)
    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    clip: float = option(1.0, above=0, doc="Largest root mean square.")
    decay: float = option(0.8, above=0, maximum=1, doc="Exponent of the decay.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        square, beta = state["square"], 1 - t**-self.decay
        square *= beta
        square += (1 - beta) * (grads**2 + 1e-30)
        update = grads / np.sqrt(square)
        rms = math.sqrt(float(np.mean(update**2))) if update.size else 0.0
        params -= lr / max(1.0, rms / self.clip) * update


@dataclass(frozen=True, kw_only=True)
class Lars(Optimizer):
    """The rate times |p| / (|g| + eps), over all parameters. You et al. 2017."""

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    trust: float = option(1.0, above=0, doc="Trust coefficient.")
    momentum: float = option(0.9, minimum=0, below=1, doc="Momentum.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        sizes = np.linalg.norm(params), np.linalg.norm(grads)
        local = self.trust * sizes[0] / sizes[1] if all(sizes) else 1.0
        velocity = state["velocity"]
        velocity[:] = self.momentum * velocity + lr * float(local) * grads
        params -= velocity


@dataclass(frozen=True, kw_only=True)
class AMSGrad(Optimizer):
    """Adam with the largest square so far. Reddi et al. 2018."""

    slots: ClassVar[tuple[str, ...]] = ("m", "v", "largest")
    lr: float = option(1e-3, minimum=0, doc="Learning rate.")
    beta1: float = option(0.9, minimum=0, below=1, doc="Decay of the mean.")
    beta2: float = option(0.999, minimum=0, below=1, doc="Decay of the square.")
    eps: float = option(1e-8, above=0, doc="Added to the denominator.")
    amsgrad: bool = option(True, doc="Keep the largest.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        m, v, largest = (state[name] for name in self.slots)
        m += (1 - self.beta1) * (grads - m)
        v += (1 - self.beta2) * (grads**2 - v)
        np.maximum(largest, v, out=largest)
        root = np.sqrt((largest if self.amsgrad else v) / (1 - self.beta2**t)) + self.eps
        params -= lr / (1 - self.beta1**t) * m / root


@dataclass(frozen=True, kw_only=True)
class Adamax(Optimizer):
    """Adam with the infinity norm. Kingma & Ba 2015, algorithm 2."""

    slots: ClassVar[tuple[str, ...]] = ("m", "u")
    lr: float = option(2e-3, minimum=0, doc="Learning rate.")
    betas: tuple[float, float] = option((0.9, 0.999), minimum=0, below=1, doc="Decays.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        m, u = state["m"], state["u"]
        m *= self.betas[0]
        m += (1 - self.betas[0]) * grads
        np.maximum(self.betas[1] * u, np.abs(grads) + 1e-12, out=u)
        params -= (lr / (1 - self.betas[0] ** t)) * m / u


@dataclass(frozen=True, kw_only=True)
class Rprop(Optimizer):
    """Steps that grow while the gradient keeps its sign. Riedmiller & Braun 1993."""

    slots: ClassVar[tuple[str, ...]] = ("last", "scale")
    lr: float = option(1e-2, minimum=0, doc="First step.")
    grow: float = option(1.2, above=1, doc="Factor while the sign stays.")
    shrink: float = option(0.5, above=0, below=1, doc="Factor where it changes.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        last, scale = state["last"], state["scale"]
        if t == 1 or not scale.any():
            scale[...] = 1
        agree = np.sign(last * grads)
        scale *= np.where(agree > 0, self.grow, np.where(agree < 0, self.shrink, 1))
        last[...] = grads
        params -= lr * scale * np.sign(grads)


@dataclass(frozen=True, kw_only=True)
class Lookahead(Optimizer):
    """SGD whose parameters are pulled to slow ones every k steps. Zhang et al. 2019."""

    slots: ClassVar[tuple[str, ...]] = ("slow",)
    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    k: int = option(5, minimum=1, doc="Steps between.")
    alpha: float = option(0.5, above=0, maximum=1, doc="How far the slow ones go.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        slow = state["slow"]
        if t == 1:
            slow[...] = params
        params -= lr * grads
        if t % self.k == 0:
            slow += self.alpha * (params - slow)
            params[...] = slow


@dataclass(frozen=True, kw_only=True)
class Langevin(Optimizer):
    """SGD with noise that comes from t alone, so that a resumed run has it too."""

    lr: float = option(1e-2, minimum=0, doc="Learning rate.")
    noise: float = option(0.01, minimum=0, doc="Deviation of the noise, times lr.")

    def step(self, params: Array, grads: Array, state: State, lr: float, t: int) -> None:
        noise = np.random.default_rng([7, t]).standard_normal(params.size).astype(params.dtype)
        params -= lr * (grads + self.noise * noise)


@dataclass(frozen=True, kw_only=True)
class Polynomial(Schedule):
    """lr (1 − step / total)^power, not below min_lr."""

    power: float = option(1.0, above=0, doc="Exponent.")
    min_lr: float = option(0.0, minimum=0, doc="Smallest rate.")

    def rate(self, lr: float, at: Moment) -> float:
        share = at.step / max(at.total_steps, 1)
        return max(lr * (1 - share) ** self.power, self.min_lr)


@dataclass(frozen=True, kw_only=True)
class WarmCosine(Schedule):
    """Linearly up for some epochs, then down along half a cosine."""

    warmup: int = option(1, minimum=0, doc="Epochs of warm-up.")
    floor: float = option(0.0, minimum=0, maximum=1, doc="Share of lr at the end.")

    def rate(self, lr: float, at: Moment) -> float:
        warm = self.warmup * at.steps_per_epoch
        if at.step < warm:
            return lr * (at.step + 1) / warm
        share = (at.step - warm) / max(at.total_steps - warm, 1)
        return lr * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * share)) / 2)


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """lr · gamma^epoch, or smoothly."""

    gamma: float = option(0.9, above=0, maximum=1, doc="Factor an epoch.")
    smooth: bool = option(False, doc="Every step instead of every epoch.")

    def rate(self, lr: float, at: Moment) -> float:
        epochs = at.step / at.steps_per_epoch if self.smooth else at.epoch
        return float(lr * self.gamma**epochs)


@dataclass(frozen=True, kw_only=True)
class Noam(Schedule):
    """lr · min((t + 1)^−½, (t + 1) · warmup^−1.5) · √warmup. Vaswani et al. 2017."""

    warmup: int = option(400, minimum=1, doc="Steps of warm-up.")

    def rate(self, lr: float, at: Moment) -> float:
        t = at.step + 1
        return float(lr * min(t**-0.5, t * self.warmup**-1.5) * self.warmup**0.5)


@dataclass(frozen=True, kw_only=True)
class Triangular(Schedule):
    """Between two rates that are options, up and down in a number of steps. Smith 2017."""

    base_lr: float = option(1e-3, minimum=0, doc="Lowest rate.")
    max_lr: float = option(1e-2, minimum=0, doc="Highest rate.")
    half: int = option(10, minimum=1, doc="Steps up.")

    def rate(self, lr: float, at: Moment) -> float:
        place = abs(at.step % (2 * self.half) / self.half - 1)
        return self.max_lr + (self.base_lr - self.max_lr) * place


@dataclass(frozen=True, kw_only=True)
class VarianceScaling(Initializer):
    """Keras's: a variance of scale / fan."""

    scale: float = option(1.0, above=0, doc="Variance times the fan.")
    mode: Literal["fan_in", "fan_out", "fan_avg"] = option("fan_in", doc="Which fan.")
    distribution: Literal["normal", "uniform"] = option("normal", doc="Which distribution.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / fan)
        if self.distribution == "normal":
            return rng.standard_normal(shape) * std
        return rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, size=shape)


@dataclass(frozen=True, kw_only=True)
class TruncatedNormal(Initializer):
    """N(0, std²) without what is more than two deviations away."""

    std: float = option(0.02, above=0, doc="Standard deviation.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        values = np.asarray(rng.standard_normal(shape))
        while (far := np.abs(values) > 2).any():
            values[far] = rng.standard_normal(int(far.sum()))
        return values * self.std


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Initializer):
    """Rows of a random orthogonal matrix. Saxe et al. 2014."""

    gain: float = option(1.0, above=0, doc="Factor.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        rows = shape[0] if shape else 1
        columns = math.prod(shape) // rows
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class Identity(Initializer):
    """The first units pass on what they are given."""

    gain: float = option(1.0, doc="Factor.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        values = np.zeros(shape)
        for i in range(min(shape[:2]) if len(shape) > 1 else 0):
            values[(i, i, *(size // 2 for size in shape[2:]))] = self.gain
        return values


@dataclass(frozen=True, kw_only=True)
class Signs(Initializer):
    """±a with a = gain · √(1 / fan_in), in float32."""

    gain: float = option(1.0, above=0, doc="Factor.")

    def sample(self, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
        signs = rng.integers(0, 2, shape, dtype=np.int8) * 2 - 1
        return (signs * (self.gain / math.sqrt(fan_in))).astype(np.float32)


RIGHT_OTHERS: list[Configurable] = [
    LabelSmoothing(),
    LabelSmoothing(smoothing=0.1),
    BinaryCrossEntropy(),
    Hinge(),
    CrammerSinger(),
    Huber(),
    LogCosh(),
    Focal(),
    *WeightedCrossEntropy.examples(),
    SecondOrderCrossEntropy(),
    Lion(),
    Adagrad(),
    CenteredRMSprop(),
    replace(CenteredRMSprop(), centered=False),
    Adadelta(),
    ClippedSGD(),
    Ascent(),
    ClippedUpdates(),
    Lars(),
    AMSGrad(),
    Adamax(),
    Rprop(),
    Lookahead(),
    Langevin(),
    Polynomial(),
    WarmCosine(),
    Exponential(),
    Noam(),
    Triangular(),
    VarianceScaling(),
    TruncatedNormal(),
    Orthogonal(),
    Identity(),
    Signs(),
]
