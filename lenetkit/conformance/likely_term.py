"""Which term of a wrong gradient is likely wrong, found by trying explanations.

Each explanation predicts the wrong gradient from the right one (central differences) or from the
layer's own passes on something else: other parameters, another dL/dy, another option. One is named
only if it predicts every value in two batches of different size and content; otherwise none is.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.conformance.numeric import step_for
from lenetkit.conformance.passes import LayerCase
from lenetkit.layers.base import Layer, Params
from lenetkit.options import options_of

_SMALL: tuple[Shape, ...] = ((2, 6, 5),)
_MOST = 700
"""Values of the input, at most, for which all derivatives are computed."""
_NEAR = 2e-5


@dataclass(frozen=True)
class Trial:
    """One batch through a layer, with all its derivatives. `target` is `dx` or a parameter."""

    case: LayerCase
    target: str
    training: bool
    batch: int
    seed: int

    @cached_property
    def x(self) -> Array:
        return self.case.x(self.batch, seed=self.seed)

    @cached_property
    def params(self) -> Params:
        return self.case.params(seed=self.seed + 1)

    @cached_property
    def y(self) -> Array:
        return self.output()

    @cached_property
    def dy(self) -> Array:
        return self.case.dy(self.y.shape, seed=self.seed)

    @cached_property
    def all_found(self) -> dict[str, Array]:
        """All gradients that the layer gives, whatever `grads` held before."""
        return self._results(0.0)

    @cached_property
    def found(self) -> Array:
        return self.all_found[self.key]

    def from_fill(self, fill: float) -> Array:
        """The gradient, if `grads` held `fill` before."""
        return self._results(fill)[self.key]

    def _results(self, fill: float) -> dict[str, Array]:
        call, grads = self.case.call(training=self.training), self.case.grads(fill=fill)
        return self.case.results(self.x, dy=self.dy, params=self.params, call=call, grads=grads)

    @property
    def key(self) -> str:
        return self.target if self.target == "dx" else f"gradient of {self.target}"

    @property
    def values(self) -> Array:
        return self.x if self.target == "dx" else self.params[self.target]

    def output(
        self,
        x: Array | None = None,
        params: Params | None = None,
        layer: Layer | None = None,
        training: bool | None = None,
    ) -> Array:
        case = LayerCase(layer, self.case.in_shape) if layer else self.case
        mode = self.training if training is None else training
        params = self.params if params is None else params
        return case.output(self.x if x is None else x, training=mode, params=params)

    @cached_property
    def jacobian(self) -> Array:
        """∂y/∂values, (values, *y.shape)."""
        flat, rows = self.values.reshape(-1), []
        step = step_for(self.output, self.values)
        for i, value in enumerate(flat.copy()):
            flat[i] = value + step
            above = self.output()
            flat[i] = value - step
            rows.append((above - self.output()) / (2 * step))
            flat[i] = value
        return np.array(rows)

    @cached_property
    def parts(self) -> Array:
        """What each output contributes to the right gradient: (values, *y.shape)."""
        return self.jacobian * self.dy

    def shaped(self, flat: Array) -> Array:
        return flat.reshape(self.values.shape)

    @cached_property
    def right(self) -> Array:
        return self.shaped(self.parts.reshape(self.values.size, -1).sum(axis=1))

    def gives(self, predicted: Any) -> bool:
        """Whether this is what the layer gave, value by value."""
        predicted = np.asarray(predicted)
        if predicted.shape != self.found.shape:
            return False
        scale = max(float(np.abs(predicted).max(initial=0)), 1e-3)
        return bool((np.abs(self.found - predicted) <= _NEAR * scale).all())

    @cached_property
    def is_wrong(self) -> bool:
        return not self.gives(self.right) or not self.gives(self.from_fill(7.0))

    def is_gradient_of(self, *, dy: Array | None = None, **changed: Any) -> bool:
        """Whether what was found is the gradient of the layer with something else, along lines."""
        dy = self.dy if dy is None else dy
        x = np.array(changed.pop("x", self.x))
        params = {n: np.array(v) for n, v in (changed.pop("params", None) or self.params).items()}
        values = x if self.target == "dx" else params[self.target]
        start, rng = values.copy(), np.random.default_rng(1)
        for _ in range(3):
            line = np.where(np.abs(start) < 1e-3, 0, rng.normal(size=start.shape))
            ends = []
            for step in (1e-6, -1e-6):
                values[...] = start + step * line
                ends.append(self.output(x, params, **changed))
            slope = (_fitted(ends[0] - ends[1], dy.shape) * dy).sum() / 2e-6
            scale = max(abs(float(np.abs(self.found * line).sum())), 1e-3)
            if not abs(slope - (self.found * line).sum()) <= 1e-6 * scale:
                return False
        return True


def _fitted(values: Array, shape: Shape) -> Array:
    """Cut or filled with 0 at the end of each axis."""
    if values.ndim != len(shape):
        return np.zeros(shape)
    result = np.zeros(shape)
    common = tuple(slice(min(a, b)) for a, b in zip(values.shape, shape, strict=True))
    result[common] = values[common]
    return result


def likely_term(case: LayerCase, target: str, *, training: bool = True) -> str:
    """The mistake that explains a wrong gradient in two batches; empty if none does.

    `target` is `dx` or the name of a parameter.
    """
    with np.errstate(all="ignore"), contextlib.suppress(Exception):
        for trials in _trials(case, target, training):
            for explanation in EXPLANATIONS:
                found = [_texts(explanation, trial) for trial in trials]
                for text in found[0]:
                    if all(text in others for others in found[1:]):
                        return text
    return ""


def _texts(explanation: Callable[[Trial], Iterator[str]], trial: Trial) -> list[str]:
    texts: list[str] = []
    with contextlib.suppress(Exception):  # one that does not apply to these shapes
        for text in explanation(trial):
            texts.append(text)
    return texts


def _trials(case: LayerCase, target: str, training: bool) -> Iterator[tuple[Trial, ...]]:
    """Pairs of batches in which the gradient is wrong: of a small input first, if it is taken."""
    shapes = [] if case.thing.trial_shapes or len(case.in_shape) != 3 else [*_SMALL]
    for shape in [*shapes, case.in_shape]:
        with contextlib.suppress(Exception):
            other = LayerCase(case.thing, shape)
            trials = tuple(
                Trial(other, target, training, batch, seed) for batch, seed in ((3, 0), (4, 7))
            )
            enough = max(trial.values.size for trial in trials) <= _MOST
            if enough and all(trial.is_wrong for trial in trials):
                yield trials


# Explanations, the most specific first. Each yields what it explains a trial by.


def _not_written(trial: Trial) -> Iterator[str]:
    zero, seven = trial.from_fill(0.0), trial.from_fill(7.0)
    written = f"grads['{trial.target}'][...] = …"
    if trial.target != "dx" and (seven - zero).any():
        if np.allclose(seven - zero, 7):
            yield (
                f"it is added (+=) to what grads['{trial.target}'] held, the last batch's gradient;"
                f" write {written}"
            )
        yield f"the backward pass does not write all of it; write it with {written}"
    elif not trial.found.any():
        yield f"{trial.key} is 0 everywhere: did the backward pass forget it?"


def _scale(trial: Trial) -> Iterator[str]:
    """One factor for all values."""
    big = np.abs(trial.right) > 1e-3 * np.abs(trial.right).max(initial=0.0)
    ratios = trial.found[big] / trial.right[big]
    if not ratios.size or not trial.gives(ratios.mean() * trial.right):
        return
    factor = float(ratios.mean())
    if math.isclose(factor, -1, rel_tol=1e-4):
        yield "the sign is reversed"
    for name, value in _sizes(trial):
        if value not in (0, 1) and math.isclose(factor, value, rel_tol=1e-4):
            yield f"multiplied by {name} too often, or never divided by it"
        if value not in (0, 1) and math.isclose(factor, 1 / value, rel_tol=1e-4):
            if name.startswith("N,"):
                yield "averaged over the batch; sum over it: the loss already takes the mean"
            else:
                yield f"divided by {name} too often, or never multiplied by it: a mean for a sum"
    for option, value in _numbers(trial):
        for name, meant in (
            (f"1 / (1 − {option})", 1 / (1 - value) if value != 1 else 0),
            (option, value),
            (f"1 / {option}", 1 / value if value else 0),
        ):
            if meant not in (0, 1) and math.isclose(factor * meant, 1, rel_tol=1e-4):
                yield f"the factor {name} is missing"
            if meant not in (0, 1) and math.isclose(factor, meant, rel_tol=1e-4):
                yield f"the factor {name} is there once too often"
    yield f"every value is {factor:.4g} times what it should be: a factor is missing or doubled"


def _sizes(trial: Trial) -> Iterator[tuple[str, float]]:
    yield "N, the batch size,", trial.batch
    for option, value in _numbers(trial):
        if value > 1 and float(value).is_integer():
            yield f"{option}², the window's size,", value**2
    places, pixels = math.prod(trial.y.shape[2:]), math.prod(trial.x.shape[2:])
    yield "the number of positions (height · width)", places
    yield "the number of pixels (height · width)", pixels
    yield "N · height · width, the number of values a channel,", trial.batch * places
    if trial.y.ndim == 4 == trial.x.ndim:
        touched = np.count_nonzero(trial.jacobian, axis=0).max() if trial.target == "dx" else 0
        yield "the window's size", float(touched)
    yield "the number of outputs for each input", trial.y.size / max(trial.x.size, 1)
    yield "the number of outputs", math.prod(trial.y.shape[1:])
    yield "the number of inputs", math.prod(trial.x.shape[1:])


def _numbers(trial: Trial) -> Iterator[tuple[str, float]]:
    layer = trial.case.planned
    for option in options_of(type(layer)):
        value = getattr(layer, option.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield option.name, float(value)


def _some_images(trial: Trial) -> Iterator[str]:
    """Only some of the batch's images count."""
    by_image = trial.parts.reshape(trial.values.size, trial.batch, -1).sum(axis=2)
    for name, image in (("first", 0), ("last", -1)):
        if trial.gives(trial.shaped(by_image[:, image])):
            if trial.target == "dx":
                yield f"it is right for the {name} image of the batch and 0 for the others"
            else:
                yield (
                    f"it is that of the {name} image only, not summed over the batch: "
                    "sum over axis 0"
                )
    if trial.target == "dx":
        for image in range(1, trial.batch):
            kept = trial.right.copy()
            kept[image:] = 0
            if trial.gives(kept):
                yield f"it is right for the first images of the batch, and 0 from image {image} on"


def _some_positions(trial: Trial) -> Iterator[str]:
    """Only some of the outputs' positions count."""
    if trial.y.ndim < 3:
        return
    by_place = trial.parts.sum(axis=1)  # (values, C, …)
    others = tuple(range(2, by_place.ndim))
    for name, index in (("first", 0), ("last", -1)):
        at = by_place[(slice(None), slice(None), *[index] * len(others))].sum(axis=1)
        if trial.gives(trial.shaped(at)):
            yield (
                f"it is that of the {name} position only, not summed over height and width: "
                "use dy.sum(axis=(0, 2, 3))"
            )
        for axis, said in zip(others, ("height", "width"), strict=False):
            one = by_place.take(index, axis).reshape(len(by_place), -1).sum(axis=1)
            if trial.gives(trial.shaped(one)):
                yield f"it is not summed over the {said}: only the {name} position counts"
    for image, index in itertools.product((0, -1), (0, -1)):
        place: Any = (slice(None), image, slice(None), *[index] * len(others))
        one = trial.parts[place].sum(axis=1)
        if trial.gives(trial.shaped(one)):
            yield "it is that of one position of one image, not summed over batch, height and width"


def _axes(trial: Trial) -> Iterator[str]:
    """Axes in another order, or backwards, or shifted."""
    right, found = trial.right, trial.found
    axes = range(right.ndim)
    for order in itertools.permutations(axes):
        if list(order) != list(axes):
            moved = right.transpose(order)
            if moved.shape == found.shape and trial.gives(moved):
                yield "it is transposed: its axes are in another order than the array's"
            if trial.gives(moved.reshape(found.shape)):
                yield "reshape does not transpose: the axes are in another order; use .transpose"
    for count in range(1, right.ndim + 1):
        for flipped in itertools.combinations(axes, count):
            if trial.gives(np.flip(right, flipped)):
                kernel = "the kernel's gradient" if trial.target != "dx" else "it"
                yield f"{kernel} is flipped (reversed) along axis {', '.join(map(str, flipped))}"
    spatial = [a for a in axes if right.ndim == 4 and a >= 2] or [right.ndim - 1]
    for shift in itertools.product((-2, -1, 0, 1, 2), repeat=len(spatial)):
        if any(shift) and _is_shifted(found, right, spatial, shift):
            words = " and ".join(map(str, shift))
            yield (
                f"it is shifted by {words} along axis {', '.join(map(str, spatial))}: cut the "
                "padding off on both sides, [p:-p], and start windows where forward does"
            )


def _is_shifted(found: Array, right: Array, axes: list[int], shift: tuple[int, ...]) -> bool:
    here, there = [slice(None)] * right.ndim, [slice(None)] * right.ndim
    for axis, by in zip(axes, shift, strict=True):
        size = right.shape[axis]
        here[axis] = slice(max(by, 0), size + min(by, 0))
        there[axis] = slice(max(-by, 0), size + min(-by, 0))
    a, b = found[tuple(here)], right[tuple(there)]
    scale = np.abs(right).max(initial=0)
    big = a.size >= 6 and np.ptp(b) > 1e-3 * scale
    return bool(big and (np.abs(a - b) <= _NEAR * scale).all())


def _another_parameter(trial: Trial) -> Iterator[str]:
    for name in trial.params:
        if trial.target not in ("dx", name):
            other = replace(trial, target=name)
            if other.values.shape == trial.found.shape and trial.gives(other.right):
                if np.allclose(trial.all_found[other.key], trial.right, rtol=1e-4, atol=1e-6):
                    yield f"it is the gradient of {name}: the two are swapped"
                yield (
                    f"it is the gradient of {name} instead: what {trial.target} is multiplied with "
                    "in forward (the input x, say) is missing"
                )


def _one_window(trial: Trial) -> Iterator[str]:
    """Each value has one of its contributions instead of all."""
    if trial.target != "dx" or trial.y.ndim < 3:
        return
    flat = trial.parts.reshape(trial.values.size, -1)
    places = math.prod(trial.y.shape[2:])
    by_window = trial.parts.sum(axis=1).reshape(trial.values.size, -1, places).sum(axis=1)
    found = trial.found.reshape(-1, 1)
    scale = _NEAR * max(float(np.abs(found).max(initial=0)), 1e-3)
    some = np.abs(trial.right.reshape(-1)) > scale
    for parts in (by_window, flat):
        with_none = np.concatenate([parts, np.zeros((len(parts), 1))], axis=1)
        if some.any() and (np.abs(with_none - found) <= scale).any(axis=1).all():
            yield (
                "where windows overlap only one window counts: each overwrites the one before; "
                "add them, dx[window] += …"
            )


def _other_mode(trial: Trial) -> Iterator[str]:
    if trial.is_gradient_of(training=not trial.training):
        mode = "inference" if trial.training else "training"
        yield f"it is the gradient of {mode}: backward must follow call.training as forward does"


def _other_parameters(trial: Trial) -> Iterator[str]:
    """The gradient is right for parameters that are changed."""
    for name, values in trial.params.items():
        for said, changed in _changed(values):
            params = {**trial.params, name: changed}
            if name != trial.target and trial.is_gradient_of(params=params):
                yield said.format(name=name)


def _missing_factor(trial: Trial) -> Iterator[str]:
    for name, values in trial.params.items():
        if name != trial.target and np.ptp(trial.jacobian) > 0:
            params = {**trial.params, name: np.ones_like(values)}
            if trial.is_gradient_of(params=params):
                yield f"the factor {name} is missing"


def _changed(values: Array) -> Iterator[tuple[str, Array]]:
    axes = tuple(range(values.ndim))
    if values.ndim >= 3:
        yield (
            "the kernel ({name}) is flipped, or not flipped where it should be: turn it by 180°",
            np.flip(values, (-2, -1)),
        )
        for axis, said in ((-2, "vertically"), (-1, "horizontally")):
            yield f"the kernel ({{name}}) is flipped {said}", np.flip(values, axis)
    for order in itertools.permutations(axes):
        if order != axes:
            text = "{name} is transposed: its axes are in the wrong order, or .T is missing"
            yield text, values.transpose(order).reshape(values.shape)
    for axis in axes[:2]:
        yield f"{{name}} is used backwards along axis {axis}", np.flip(values, axis)
        yield f"{{name}} is shifted by one along axis {axis}", np.roll(values, 1, axis)
        yield f"{{name}} is shifted by one along axis {axis}", np.roll(values, -1, axis)
    yield "{name} is squared: a factor {name} is there twice", values**2
    yield "the factor {name} is divided by instead of multiplied with", 1 / values
    yield "the part that {name} contributes is missing", np.zeros_like(values)
    yield "the sign of {name} is reversed", -values


def _elementwise(trial: Trial) -> Iterator[str]:
    """The derivative of an activation: which function stands in for it."""
    x, y, dy, found = trial.x, trial.y, trial.dy, trial.found
    if trial.target != "dx" or x.shape != y.shape:
        return
    n = x.size
    derivative = trial.jacobian.reshape(n, n).diagonal().reshape(x.shape)
    if not np.allclose(trial.right, derivative * dy, rtol=1e-4, atol=1e-6):
        return
    constant = len(np.unique(np.round(derivative, 5))) <= 2
    dead = np.abs(derivative) < 1e-7
    if trial.gives(dy):
        if dead.any():
            yield "the mask is missing: dy passes where y does not follow x; use dy · (x > 0)"
        yield "the layer's own derivative is missing: dy is passed on unchanged"
    if trial.gives(derivative):
        yield "dy is missing: backward returns the derivative alone; multiply by dy"
    if constant:
        top = np.where(x > 0, dy, 0)
        if trial.gives(top):
            yield "the slope for x ≤ 0 is missing: the mask is a ReLU's, 0 there"
        flat = sorted(set(np.round(derivative.ravel(), 5)))
        if len(flat) == 2:
            low, high = flat
            if trial.gives(np.where(dy > 0, high, low) * dy):
                yield "the mask is that of dy instead of x: use x > 0, not dy > 0"
            if trial.gives(np.where(derivative > (low + high) / 2, low, high) * dy):
                yield "the mask is inverted: dy passes where it should not, and not where it should"
            if trial.gives(np.where(x > 0, high, low) * np.abs(dy)):
                yield "the absolute value of dy is used"
            ratio = found / dy
            if (
                np.isclose(ratio, low, atol=1e-5).sum() + np.isclose(ratio, high, atol=1e-5).sum()
                == n
            ):
                yield "the mask is not that of the forward pass: save it there, or draw it again"
    for said, place in (("the output, y, instead of the input, x", y), ("dy instead of x", dy)):
        if trial.is_gradient_of(x=place, dy=dy):
            yield f"the derivative is evaluated at {said}"
    fitted = [_fit(x, y, derivative, side) for side in (x > 0, x <= 0)]
    if all(fit is not None for fit in fitted):
        guess = np.where(x > 0, *[np.polyval(fit, x) for fit in fitted if fit is not None])
        if trial.gives(guess * dy):
            yield "the derivative's formula needs the output and was given x: x instead of y"
    for said, factor in _factors(x, y, derivative):
        if trial.gives(trial.right * factor):
            yield f"a factor {said} is there once too often"
        if not (factor == 0).any() and trial.gives(trial.right / factor):
            yield f"a factor {said} is missing"


def _fit(x: Array, y: Array, derivative: Array, side: Any) -> Array | None:
    """The derivative on one side of 0 as a cubic of y, if it is one."""
    if side.sum() < 6 or not np.isfinite(y).all() or not np.ptp(y[side]) > 1e-6:
        return None
    fit = np.polyfit(y[side], derivative[side], 2)
    close = np.allclose(np.polyval(fit, y[side]), derivative[side], atol=1e-6)
    return fit if close else None


def _factors(x: Array, y: Array, derivative: Array) -> Iterator[tuple[str, Array]]:
    yield "(1 − y)", 1 - y
    yield "(1 + y)", 1 + y
    yield "y", y
    yield "x", x
    yield "(1 − x)", 1 - x
    yield "eˣ", np.exp(x)
    yield "of the derivative", derivative
    yield "y / x", y / x


def _skip(trial: Trial) -> Iterator[str]:
    """A sum of two branches of which one is forgotten."""
    if trial.target != "dx" or trial.dy.shape != trial.x.shape:
        return
    if trial.gives(trial.dy):
        yield (
            "only dy is passed on: the rest of the derivative is missing (the inner branch's, if "
            "there is a skip path)"
        )
    if trial.gives(trial.right - trial.dy):
        yield "the gradient of the skip (residual) path is missing: add dy, dx + dy"
    if trial.gives(trial.right + trial.dy):
        yield "dy, the skip path's gradient, is added once too often"
    if trial.gives(trial.right - 2 * trial.dy):
        yield "the sign of the skip path's gradient is reversed"


def _statistics(trial: Trial) -> Iterator[str]:
    """Normalization: the wrong gradient is off by a + b · x in each group of values."""
    if trial.target != "dx" or trial.x.shape != trial.y.shape:
        return
    x, off = trial.x, trial.found - trial.right
    axes = range(x.ndim)
    for kept in itertools.chain(*(itertools.combinations(axes, r) for r in range(x.ndim))):
        over = tuple(a for a in axes if a not in kept)
        size = math.prod(x.shape[a] for a in over)
        if size < 6 or not np.abs(off).max() > 1e-6:
            continue
        scale = 1e-5 * np.abs(off).max()
        mean = off.mean(axis=over, keepdims=True)
        centred = x - x.mean(axis=over, keepdims=True)
        slope = (off * centred).sum(axis=over, keepdims=True)
        slope = slope / (centred**2).sum(axis=over, keepdims=True)
        if not (np.abs(off - mean - slope * centred) <= scale).all():
            continue
        off_mean, off_slope = np.abs(mean).max() > scale, np.abs(slope).max() > scale
        if off_mean and off_slope:
            yield "mean and variance depend on x too: both terms are missing or wrong (statistics)"
        elif off_mean:
            yield "the mean depends on x too: its term, − mean(dy), is missing or wrong"
        else:
            yield "the variance depends on x too: its term, − x̂ · mean(dy · x̂), is missing or wrong"


def _sum_over_outputs(trial: Trial) -> Iterator[str]:
    """Softmax: outputs depend on all inputs of the row."""
    if trial.target != "dx" or trial.x.shape != trial.y.shape:
        return
    n = trial.x.size
    diagonal = trial.parts.reshape(n, n).diagonal().reshape(trial.x.shape)
    row = "an output depends on every input of its row: the sum over the other outputs is missing"
    if trial.gives(diagonal):
        yield f"only the diagonal of the Jacobian is there; {row}"
    if trial.gives(trial.y * trial.dy):
        yield f"y · dy is only one term; {row}: y · (dy − Σ y · dy)"


def _broadcast(trial: Trial) -> Iterator[str]:
    right, found = trial.right, trial.found
    for count in range(1, right.ndim + 1):
        for over in itertools.combinations(range(right.ndim), count):
            said = "all axes" if count == right.ndim else f"axis {', '.join(map(str, over))} too"
            for how, value in (
                ("summed", right.sum(axis=over, keepdims=True)),
                ("averaged", right.mean(axis=over, keepdims=True)),
            ):
                if found.size > 1 and trial.gives(np.broadcast_to(value, found.shape)):
                    yield f"{how} over {said}: every entry is the same sum; sum over fewer axes"


def _other_upstream(trial: Trial) -> Iterator[str]:
    """The gradient for another dL/dy."""
    dy, y = trial.dy, trial.y
    flips = [((a,), np.flip(dy, a)) for a in range(dy.ndim)] + [((2, 3), np.flip(dy, (-2, -1)))]
    for said, other in (
        ("dy is not used: it is replaced by 1", np.ones_like(dy)),
        ("dy is masked by the output: a ReLU's mask too many", dy * (y > 0)),
        ("the absolute value of dy is used", np.abs(dy)),
        *((f"dy is used backwards along axis {axes}", flipped) for axes, flipped in flips),
        *(
            (f"dy is shifted by {by} along axis {a}", np.roll(dy, by, a))
            for a in range(dy.ndim)
            for by in (1, -1)
        ),
    ):
        if trial.is_gradient_of(dy=other):
            yield said
    if trial.target != "dx" and trial.x.shape == y.shape and trial.is_gradient_of(x=y):
        yield "the output, y, is saved and used where the input, x, is needed"


def _other_options(trial: Trial) -> Iterator[str]:
    """The gradient of the layer with one option changed."""
    layer = trial.case.planned
    for option in options_of(type(layer)):
        value = getattr(layer, option.name)
        for other in (option.default, False, True, 0, 1, 1.0, 0.0, 0.01, 2):
            if other == value or isinstance(value, bool) != isinstance(other, bool):
                continue
            with contextlib.suppress(Exception):
                changed = replace(layer, **{option.name: other})
                if trial.is_gradient_of(layer=changed):
                    yield f"{option.name} is ignored, or is taken for {other}, in the backward pass"


def _largest(trial: Trial) -> Iterator[str]:
    """Max pooling: each output follows one input alone."""
    if trial.target != "dx":
        return
    links = np.round(trial.jacobian.reshape(trial.x.size, -1), 6)
    one_each = np.isin(links, (0, 1)).all() and (links.sum(axis=0) == 1).all()
    elsewhere = trial.found[trial.right == 0]
    if one_each and trial.x.size > trial.y.size and (elsewhere != 0).any():
        yield (
            "values that are not the largest of their window get a gradient: the mask, x == the "
            "window's maximum, is missing or wrong"
        )


EXPLANATIONS = (
    _not_written,
    _missing_factor,
    _elementwise,
    _scale,
    _some_images,
    _some_positions,
    _axes,
    _another_parameter,
    _skip,
    _other_mode,
    _other_options,
    _other_parameters,
    _sum_over_outputs,
    _statistics,
    _broadcast,
    _other_upstream,
    _one_window,
    _largest,
)
