"""All that is known of a subject before the first experiment, and what a suspicion says."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lenetkit.diagnosis.microscope import LayerLook, Microscope
from lenetkit.diagnosis.skill import Skill
from lenetkit.diagnosis.static import DataLook, PlanLook
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.watch import Watch
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.options import options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.dump import as_flow, to_plain

_SCALES = ("scale", "standardize", "normalize")
Cure = tuple[str, ...]
"""Lines as after `--set`."""
Proof = Literal["cure", "labels", "certain"]
FAR = 0.25
"""How much more must be gained, of all that can be, to be far better."""
FAULT = -0.1
"""A cure of what is wrong in any case may gain a little less at first."""


@dataclass(frozen=True)
class Suspicion:
    """A cause that the figures point to, and the experiments that decide."""

    cause: str
    evidence: str
    cures: tuple[Cure, ...] = ()
    layers: tuple[str, ...] = ()
    step: int = 0
    """Where it shows."""
    margin: float = FAR
    """How much more a cure must gain, where the network learns as it is; where it does not, a cure
    must make it learn."""
    proof: Proof = "cure"
    """What decides: a cure; whether labels that follow from the images are learned; nothing more.
    """
    remedy: str = ""
    """What helps, where it can be said more exactly than for the cause in general."""


@dataclass(frozen=True, eq=False)
class Case:
    """The looks at data, plan and training."""

    subject: Subject
    data: DataLook
    plan: PlanLook
    microscope: Microscope
    watch: Watch
    test: Skill
    """On test images, after the training that was watched."""

    @property
    def is_stuck(self) -> bool:
        """Whether the network has learned nothing."""
        return not self.watch.learned

    @property
    def first(self) -> dict[str, LayerLook]:
        """The layers before the first step."""
        return self.watch.looks[0].layers

    @property
    def last(self) -> dict[str, LayerLook]:
        """The layers at the end, or in the last look in which all was finite."""
        return self.watch.looks[-1].layers

    def of_kind(self, look: dict[str, LayerLook], *, saturating: bool) -> dict[str, LayerLook]:
        """The activations in a look that saturate, or those that do not."""
        kinds = self.plan.functions.activations
        wanted = {name for name, kind in kinds.items() if kind.saturates == saturating}
        return {name: layer for name, layer in look.items() if name in wanted}

    def where(self, activations: Iterable[str]) -> tuple[str, ...]:
        """The first of these activations, where the fault begins, after its weighted layer."""
        order = [layer.name for layer in self.subject.plan.layers]
        first = min(activations, key=order.index)
        before = order[: order.index(first)]
        weighted = [layer.name for layer in self.plan.weighted if layer.name in before]
        return (*weighted[-1:], first)

    @functools.cached_property
    def trained(self) -> list[LayerPlan]:
        """The layers that training changes."""
        return [layer for layer in self.subject.plan.layers if layer.trained]

    def lr(self) -> float:
        """The optimizer's learning rate; 0 if it has none."""
        return float(getattr(self.subject.plan.spec.train.optimizer, "lr", 0.0))

    def starts(self, layers: Sequence[LayerPlan], name: str) -> list[Cure]:
        """The lines that give the weights of these layers the initializer `name`.

        Where some have their own initializer and others the spec's: first those with their own.
        """
        own = []
        shared = False
        for layer in layers:
            for tensor, spec in layer.params.items():
                if len(spec.shape) < 2:
                    continue
                if spec.init is None:
                    shared = True
                elif f"{tensor}_init" in {opt.name for opt in options_of(type(layer.layer))}:
                    own.append(f"layers.{layer.name}.{tensor}_init={name}")
        found = [tuple(own), ((f"init={name}",) if shared else ()) + tuple(own)]
        return [cure for cure in dict.fromkeys(found) if cure]

    def gains(self) -> dict[str, float]:
        """How much larger the outputs of each weighted layer are than its inputs, at the start."""
        gains, before = {}, self.data.rms
        weighted = {layer.name for layer in self.plan.weighted}
        for name, look in self.first.items():
            size = math.hypot(look.mean, look.deviation)
            if name in weighted:
                gains[name] = ratio(size, before)
            before = size
        return gains

    def rescaled(self) -> tuple[Cure, ...]:
        """The lines that scale or standardize images in the place of what the spec does for it."""
        written = to_plain(self.subject.plan.spec, installed(), objects=True)["data"]["transforms"]
        kinds = [each["type"] if isinstance(each, dict) else each for each in written]
        place = next((i for i, kind in enumerate(kinds) if kind in _SCALES), len(kinds))
        before, after = (
            [each for each, kind in zip(part, names, strict=True) if kind not in _SCALES]
            for part, names in ((written[:place], kinds[:place]), (written[place:], kinds[place:]))
        )
        if not all(isinstance(each, str | dict) for each in written):
            return ()
        return tuple(
            (f"data.transforms={as_flow([*before, name, *after])}",)
            for name in ("scale", "standardize")
        )

    def biases(self, layers: Sequence[LayerPlan]) -> Cure:
        """The lines that let the biases of these layers start at 0, where they do not."""
        tensors = self.watch.network.tensors()
        begun = self.watch.initial_tensors()
        return tuple(
            f"layers.{layer.name}.{name}_init=zeros"
            for layer in layers
            for name in layer.params
            if name == "bias" and tensors and begun[f"{layer.name}.{name}"].any()
            if f"{name}_init" in {opt.name for opt in options_of(type(layer.layer))}
        )


def ratio(part: float, whole: float) -> float:
    """Their quotient; infinite for a whole of 0."""
    return part / whole if whole else math.inf if part else 0.0
