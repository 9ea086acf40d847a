"""The causes, the one nearest the root first: what points to each, and what would cure it.

A cause is a function from a Case to a Suspicion, or None if nothing points to it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from lenetkit.diagnosis.case import FAR, FAULT, Case, Cure, Suspicion, ratio
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.options import options_of
from lenetkit.registry.catalog import installed
from lenetkit.schedules import uses_lr
from lenetkit.text import percent

Cause = Callable[[Case], Suspicion | None]


def constant_input(case: Case) -> Suspicion | None:
    """All images are the same when they reach the network."""
    data = case.data
    if data.variation > 1e-6 * max(data.rms, 1e-6):
        return None
    evidence = f"every value of the input is the same in all images (rms {data.rms:.3g})"
    stored = f"the stored images differ by {data.stored_variation:.3g}"
    if data.stored_variation > 0:
        return Suspicion("constant_input", f"{evidence}, but {stored}", case.rescaled(), ("input",))
    return Suspicion("constant_input", evidence, (), ("input",), proof="certain")


def labels_without_signal(case: Case) -> Suspicion | None:
    """Nothing foretells the labels of samples that were not learned from."""
    data, test = case.data, case.test
    if data.agreement > 4 or test.gain > 0.03 or test.informed > 0.5 or math.isnan(test.accuracy):
        return None
    evidence = (
        "neither the nearest class mean nor the nearest image foretells labels: "
        f"{_pc(data.foretold)} right, and the most frequent label alone {_pc(test.frequent)}"
    )
    return Suspicion("labels_without_signal", evidence, proof="labels")


def unshuffled_data(case: Case) -> Suspicion | None:
    """Batches follow an order that the labels follow too."""
    if case.subject.plan.spec.train.shuffle or case.data.order > 0.7:
        return None
    evidence = (
        "train.shuffle is false, and labels come in runs: within a batch they vary "
        f"{_pc(case.data.order)} as much as in the whole set"
    )
    return Suspicion("unshuffled_data", evidence, (("train.shuffle=true",),))


def unscaled_input(case: Case) -> Suspicion | None:
    """Inputs are far from a size of about 1."""
    data = case.data
    if 0.02 <= data.rms <= 8:
        return None
    evidence = f"inputs go from {data.low:.3g} to {data.high:.3g}, rms {data.rms:.3g}; usual is 1"
    margin = FAR if data.rms <= 30 else 0.05 if case.watch.start.gain > -2 else 0.0
    return Suspicion("unscaled_input", evidence, case.rescaled(), ("input",), margin=margin)


def activation_before_loss(case: Case) -> Suspicion | None:
    """The loss takes outputs as they are, and an activation distorts them."""
    loss, found = case.subject.plan.spec.loss, case.plan.before_loss()
    if not found or not loss.takes_logits:
        return None
    rows = np.random.default_rng(0).normal(0, 3, (20, case.subject.plan.classes))
    stage = next(s for s in case.microscope.stages if s.name == found[-1].name)
    after = stage.forward(rows.astype(np.float32))
    if np.allclose(loss.probabilities(after), loss.probabilities(rows), atol=1e-4):
        return None  # a logarithm of softmax changes nothing
    name, _ = installed().identity(loss)
    names = tuple(layer.name for layer in found)
    evidence = (
        f"{found[-1].type} comes before the loss {name}, which takes any real numbers and makes "
        "probabilities of them itself"
    )
    cure = tuple(f"layers.{each}=null" for each in names)
    return Suspicion("activation_before_loss", evidence, (cure,), names, margin=FAULT)


def no_nonlinearity(case: Case) -> Suspicion | None:
    """Weighted layers follow each other with nothing nonlinear between."""
    plan = case.subject.plan
    pairs, weighted = case.plan.pointless(), case.plan.weighted
    linear = case.plan.functions.linear
    if len(weighted) > 1 and linear.issuperset(layer.name for layer in plan.layers):
        pairs = list(itertools.pairwise(weighted))
    if not pairs:
        return None
    first = [one.name for one, _ in pairs]
    lines = tuple(
        f"layers.{_new(name, plan.layers)}={{type: relu, after: {name}}}" for name in first
    )
    chains = ", ".join(f"{one.name} and {two.name}" for one, two in pairs)
    evidence = f"nothing nonlinear between {chains}: together they are one linear layer"
    names = tuple(dict.fromkeys(layer.name for pair in pairs for layer in pair))
    return Suspicion("no_nonlinearity", evidence, (lines,), names, margin=FAULT)


def _new(after: str, layers: tuple[LayerPlan, ...]) -> str:
    taken = {layer.name for layer in layers}
    return next(n for i in range(99) if (n := f"{after}-relu{i or ''}") not in taken)


def bottleneck(case: Case) -> Suspicion | None:
    """Fewer values pass a layer than the classes need."""
    found = case.plan.narrow()
    if not found:
        return None
    lines, room = [], max(32, 4 * case.subject.plan.classes)
    for layer, _ in found:
        for option in ("out_features", "out_channels"):
            if hasattr(layer.layer, option):
                lines.append(f"layers.{layer.name}.{option}={room}")
    said = " and ".join(f"{layer.name} leaves {width}" for layer, width in found)
    evidence = f"{said} of the values that tell {case.subject.plan.classes} classes apart"
    names = tuple(layer.name for layer, _ in found)
    return Suspicion("bottleneck", evidence, (tuple(lines),) if lines else (), names)


def symmetric_start(case: Case) -> Suspicion | None:
    """All units of a layer start equal, and stay so."""
    begun, now = case.watch.initial_tensors(), case.watch.network.tensors()
    equal = []
    for layer in case.plan.hidden:
        names = [f"{layer.name}.{n}" for n, s in layer.params.items() if len(s.shape) > 1]
        alike = all(_alike(begun[n], 0) and _alike(now[n], 0.1) for n in names)
        if layer.trainable and alike and layer.out_shape[0] > 1:
            equal.append(layer)
    if not equal:
        return None
    names_ = tuple(layer.name for layer in equal)
    evidence = (
        f"all units of {', '.join(names_)} start with the same weights, get the same gradients and "
        "stay the same: each layer is worth one unit"
    )
    return Suspicion("symmetric_start", evidence, _starts(case, equal), names_)


def _alike(weights: np.ndarray, tolerance: float) -> bool:
    """Whether all units have the same weights; a single one has none to be like."""
    if len(weights) < 2 or not np.isfinite(weights).all():
        return False
    apart = np.abs(weights - weights[:1]).max()
    return bool(apart <= tolerance * np.abs(weights).max())


def _starts(case: Case, layers: list[LayerPlan]) -> tuple[Cure, ...]:
    """Initializers that suit: He's first, but Glorot's for activations that saturate."""
    saturating = any(a.saturates for a in case.plan.functions.activations.values())
    order = ("xavier_uniform", "he_normal") if saturating else ("he_normal", "xavier_uniform")
    return tuple(cure for name in order for cure in case.starts(layers, name))


def _fresh(case: Case) -> tuple[Cure, ...]:
    """Lines that let biases start at 0, then those that also give other initial weights."""
    weighted = case.plan.weighted
    biases = case.biases(weighted)
    starts = tuple(start + biases for start in _starts(case, weighted))
    return (biases, *starts) if biases else starts


def frozen_layer(case: Case) -> Suspicion | None:
    """A layer that should learn does not move, although the loss depends on it."""
    watch, looks = case.watch, [case.first, case.last]
    stayed = watch.stayed()
    if {layer.name for layer in case.trained}.issubset(stayed):
        return None
    if any(x.dead > 0.9 for look in looks for x in case.of_kind(look, saturating=False).values()):
        return None  # those explain it
    unmoved = {name: norm for name, norm in stayed.items() if watch.loss_depends_on(name)}
    lost = [name for name, norm in unmoved.items() if norm == 0]
    why = "backward gives a gradient of 0"
    remedy = "check the backward pass of these layers and of those behind: lenetkit plugins check"
    if not lost and (skipped := unmoved and watch.left_out()):
        lost = [name for name in unmoved if name in skipped]
        norms = ", ".join(f"{unmoved[name]:.2g}" for name in lost)
        why = f"backward gives a gradient of norm {norms}, but the optimizer leaves them out"
        remedy = "check that the optimizer's step changes all parameters: lenetkit plugins check"
    if not lost:
        return None
    evidence = (
        f"{', '.join(lost)}: after {watch.steps:,} steps the weights are those of the start, "
        f"although changing them changes the loss; {why}"
    )
    return Suspicion(
        "frozen_layer",
        evidence,
        layers=tuple(lost),
        step=watch.steps,
        proof="certain",
        remedy=remedy,
    )


def saturated_units(case: Case) -> Suspicion | None:
    """Before the first step, activations are where they are flat."""
    flat = {n: look.flat for n, look in case.of_kind(case.first, saturating=True).items()}
    least = 0.3 if case.is_stuck else 0.6
    found = {name: share for name, share in flat.items() if share >= least}
    if not found:
        return None
    evidence = "before the first step, " + ", ".join(
        f"{_pc(share)} of the values of {name} are where it is flat"
        for name, share in found.items()
    )
    return Suspicion("saturated_units", evidence, _fresh(case), case.where(found))


def dead_units(case: Case) -> Suspicion | None:
    """Before the first step, units are 0 for every image."""
    dead = {n: look.dead for n, look in case.of_kind(case.first, saturating=False).items()}
    least = 0.8 if case.is_stuck else 0.5  # half of them dead is bad, and no reason to be stuck
    found = {name: share for name, share in dead.items() if share >= least}
    if not found:
        return None
    evidence = "before the first step, " + ", ".join(
        f"{_pc(share)} of the units of {name} give 0 for every image"
        for name, share in found.items()
    )
    leaky = tuple(f"layers.{name}={{type: leaky_relu, negative_slope: 0.1}}" for name in found)
    return Suspicion("dead_units", evidence, (*_fresh(case), leaky), case.where(found))


def vanishing_gradient(case: Case) -> Suspicion | None:
    """Signals or gradients shrink from layer to layer before the first step."""
    if not case.is_stuck or len(case.plan.weighted) < 2:
        return None
    first, names = case.first, [layer.name for layer in case.plan.weighted]
    signal = ratio(first[names[-1]].variation, case.data.variation)
    grads = [first[name].weight_gradient for name in names]
    known = [g for g in grads if not math.isnan(g)]
    back = ratio(min(known), max(known)) if known else math.inf
    if signal > 0.1 and (back > 0.05 or signal > 5):
        return None  # of a signal that grows, gradients grow too
    figures = ", ".join(f"{n} {g:.1e}" for n, g in zip(names, grads, strict=True))
    evidence = (
        f"before the first step the outputs differ from image to image by {signal:.1e} of what the "
        f"images do, and the gradient norms of the weights are: {figures}"
    )
    starts = _starts(case, case.plan.weighted)
    kinds = case.plan.functions.activations.items()
    relus = tuple(f"layers.{name}=relu" for name, kind in kinds if kind.saturates)
    he = case.starts(case.plan.weighted, "he_normal")[-1:]
    cures = (*starts, relus, sum(he, ()) + relus) if relus else starts
    return Suspicion("vanishing_gradient", evidence, cures, tuple(names[:-1]))


def exploding_gradient(case: Case) -> Suspicion | None:
    """Signals and gradients are huge before the first step."""
    first, weighted = case.first, case.plan.weighted
    if not weighted:
        return None
    sizes = {layer.name: first[layer.name].deviation for layer in weighted}
    hidden = max([sizes[layer.name] for layer in case.plan.hidden], default=0.0)
    least = 5.0 if case.is_stuck else 20.0
    scale = max(case.data.rms, 1e-12)
    if not hidden >= least * scale and not (case.is_stuck and max(sizes.values()) >= 10 * scale):
        return None
    grads = {n: first[n].weight_gradient for n in sizes}
    figures = ", ".join(f"{n} {sizes[n]:.3g} (gradient {grads[n]:.2g})" for n in sizes)
    evidence = f"before the first step the deviation of the layers' outputs grows: {figures}"
    starts = tuple(s + case.biases(weighted) for s in _starts(case, weighted))
    gains = case.gains()
    names = tuple(name for name, gain in gains.items() if gain >= max(gains.values()) ** 0.5)
    return Suspicion("exploding_gradient", evidence, starts, names)


def too_much_regularization(case: Case) -> Suspicion | None:
    """Weight decay, or dropout, outweighs the loss."""
    optimizer = case.subject.plan.spec.train.optimizer
    decay = float(getattr(optimizer, "weight_decay", 0.0) or 0.0)
    lines: list[str] = []
    facts: list[str] = []
    drops: dict[str, str] = {}
    smoothing = float(getattr(case.subject.plan.spec.loss, "label_smoothing", 0.0))
    if smoothing >= (0.5 if case.is_stuck else 0.8):
        lines.append("loss.label_smoothing=0")
        facts.append(f"label_smoothing spreads {_pc(smoothing)} of each label over all classes")
    if decay * max(case.watch.rates, default=0) > 1e-3 or (case.is_stuck and decay > 0):
        lines.append("train.optimizer.weight_decay=0")
        facts.append(f"weight_decay {decay:g} takes {decay * case.lr():.2g} of each weight a step")
    for layer in case.subject.plan.layers:
        p = float(getattr(layer.layer, "p", 0.0) or 0.0)
        if p >= (0.8 if case.is_stuck else 0.9):
            drops[layer.name] = f"layers.{layer.name}.p=0.2"
            facts.append(f"{layer.name} drops {_pc(p)} of its input")
    parts = [(line,) for line in lines] + ([tuple(drops.values())] if drops else [])
    if not parts:
        return None
    cures = (*parts, sum(parts, ())) if len(parts) > 1 else tuple(parts)
    return Suspicion("too_much_regularization", "; ".join(facts), cures, tuple(drops))


def rate_too_high(case: Case) -> Suspicion | None:
    """Steps are so large that the loss rises, jumps about or is lost."""
    watch = case.watch
    updates = [np.nanmax([0.0, *(x.update for x in k.layers.values())]) for k in watch.looks]
    largest = float(max(updates))
    rose = max(watch.losses, default=0) > 1.5 * max(watch.start.loss, watch.end.constant)
    if not watch.diverged and not rose and largest < 0.02:
        return None
    if not case.is_stuck and watch.end.gain > 0.6:
        return None
    facts = [f"a step changes a layer's weights by {largest:.2g} of their size; usual is 0.001"]
    if watch.diverged:
        facts.append(watch.diverged)
    elif rose:
        facts.append(f"the loss rose from {watch.start.loss:.3g} to {max(watch.losses):.3g}")
    cures = _rates(case, (0.1, 0.01, 1e-3, 1e-4))
    step = next((k.step for k, u in zip(watch.looks, updates, strict=True) if u >= 0.02), 1)
    return Suspicion("rate_too_high", "; ".join(facts), cures, (), step)


def rate_too_low(case: Case) -> Suspicion | None:
    """Steps are too small to get anywhere."""
    watch = case.watch
    updates = [x.update for look in watch.looks[1:] for x in look.layers.values()]
    largest = float(np.nanmax([0.0, *updates]))
    if largest > 3e-3 or watch.diverged or (not case.is_stuck and watch.end.gain > 0.1):
        return None
    clip = case.subject.plan.spec.train.clip_norm
    evidence = (
        f"a step changes no layer's weights by more than {largest:.1e} of their size; usual is "
        f"about 1e-3; after {watch.steps} steps the loss went from {watch.start.loss:.4g} to "
        f"{watch.end.loss:.4g}"
    )
    cures = _rates(case, (10, 100, 1e3, 1e4, 1e5))
    if clip is not None:
        cures = (("train.clip_norm=null",), *cures)
    return Suspicion("rate_too_low", evidence, cures, (), 1)


def _rates(case: Case, factors: tuple[float, ...]) -> tuple[tuple[str, ...], ...]:
    """Lines that multiply the learning rate, and set it where the schedule has its own.

    Where no factor leads as far as the optimizer's own default, that is the last.
    """
    train = case.subject.plan.spec.train
    own = () if uses_lr(train.schedule) else ("train.schedule=constant",)
    usual = {opt.name: opt.default for opt in options_of(type(train.optimizer))}.get("lr")
    if not isinstance(usual, int | float):
        return ()
    lr = case.lr() if not own else max(case.watch.rates, default=case.lr())
    rates = [lr * f for f in factors] if lr else [usual, 10 * usual]
    if not min(rates) <= usual <= max(rates) and (usual > lr) == (rates[-1] > lr):
        rates.append(usual)
    return tuple((f"train.optimizer.lr={rate:.2g}", *own) for rate in rates)


CAUSES: tuple[Cause, ...] = (
    constant_input,
    labels_without_signal,
    unshuffled_data,
    unscaled_input,
    activation_before_loss,
    no_nonlinearity,
    bottleneck,
    symmetric_start,
    saturated_units,
    dead_units,
    frozen_layer,
    vanishing_gradient,
    exploding_gradient,
    too_much_regularization,
    rate_too_high,
    rate_too_low,
)


def _pc(share: float) -> str:
    return percent(share, 0 if share >= 0.1 else 1)
