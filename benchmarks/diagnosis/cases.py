"""The benchmark's cases: small, readable data, and how they are split into two halves."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from lenetkit.spec.shipped import shipped_specs

HERE = Path(__file__).parent
PLUGINS = HERE / "plugins.py"
COMMON = {"data.limit": 20_000}
"""Changes to every spec that trains on MNIST itself, unless the case says otherwise."""
CAUSES = (
    "vanishing_gradient",
    "exploding_gradient",
    "rate_too_high",
    "rate_too_low",
    "dead_units",
    "saturated_units",
    "unscaled_input",
    "symmetric_start",
    "no_nonlinearity",
    "frozen_layer",
    "too_much_regularization",
    "activation_before_loss",
    "unshuffled_data",
    "constant_input",
    "labels_without_signal",
    "bottleneck",
)
Half = Literal["tune", "report"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One spec, and what is known of it."""

    name: str
    spec: str
    """A shipped spec, or one of this folder's `specs/`."""
    why: str = ""
    """In a sentence: what is wrong, or why it is not."""
    set: Mapping[str, Any] = field(default_factory=dict)
    """What is changed in the spec."""
    data: str | None = None
    """One of the data sets of `data_sets.py`; None: the spec's own."""
    needs: str | None = None
    """The plugin package that it needs, if any."""
    cause: str | None = None
    """None: the spec is healthy."""
    layers: tuple[str, ...] = ()
    """Where the fault is: weighted layers and their activations. Empty: nowhere in particular."""
    cure: tuple[str, ...] = ()
    """The changes, as `--set` takes them, that undo the fault; empty: no spec can."""

    @property
    def path(self) -> Path:
        """The file of the spec."""
        own = HERE / "specs" / f"{self.spec}.yaml"
        return own if own.exists() else shipped_specs()[self.spec]

    @property
    def changes(self) -> tuple[str, ...]:
        """All changes, as `--set` takes them."""
        common = {} if self.data else COMMON
        return tuple(f"{key}={_flow(value)}" for key, value in {**common, **self.set}.items())

    @property
    def is_runnable(self) -> bool:
        """Whether the package that it needs is installed."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    @property
    def stratum(self) -> str:
        """What the halves are balanced by: the cause; of a healthy case, the spec."""
        return self.cause or self.spec


def load() -> list[Case]:
    """All cases, the ill before the healthy."""
    return [
        Case(name=name, **_converted(facts))
        for file in ("ill.yaml", "healthy.yaml")
        for name, facts in yaml.safe_load((HERE / file).read_text("utf-8")).items()
    ]


def halves(cases: Sequence[Case]) -> dict[str, Half]:
    """The half of each case, by name.

    Within each stratum the cases are ordered by the SHA-256 of their names and dealt out in turns,
    the first to `report`.
    """
    strata: dict[str, list[str]] = {}
    for case in cases:
        strata.setdefault(case.stratum, []).append(case.name)
    dealt: dict[str, Half] = {}
    for names in strata.values():
        for place, name in enumerate(sorted(names, key=_digest)):
            dealt[name] = "tune" if place % 2 else "report"
    return {case.name: dealt[case.name] for case in cases}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _converted(facts: Mapping[str, Any]) -> dict[str, Any]:
    lists = {key: tuple(facts[key]) for key in ("layers", "cure") if key in facts}
    return {**facts, **lists}


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip().removesuffix("...").strip()
