"""What a checkpoint tells of its run beside the weights, and the check that it can be believed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, is_dataclass
from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

from lenetkit.options import show


@dataclass(frozen=True)
class Best:
    """The epoch whose model is kept: the last, or the best on held-out samples."""

    epoch: int = 0
    accuracy: float = -1.0
    digest: str = ""
    """Of its weights: `tensorfile.tensor_digest`."""
    metrics: str = ""
    """Its figures, as the model file tells them."""


class Change(TypedDict):
    """What differed when a run went on all the same, and at which step."""

    step: int
    differences: list[str]


@dataclass(frozen=True)
class State:
    """How far a run got and what its other files hold."""

    step: int
    epoch: int
    epochs: int
    """As many as it was to do."""
    seconds: float
    """Training time of the epoch under way."""
    best: Best
    tables: dict[str, str]
    """File name → SHA-256 of the rows so far."""
    notes: dict[str, dict[str, float]]
    """What the optimizer had to tell, by epoch."""
    environment: dict[str, str]
    """`environment.versions`, and `threads`."""
    changes: list[Change]

    @property
    def threads(self) -> int | None:
        """How many shared a matrix product; None where that is not told."""
        told = self.environment.get("threads", "")
        return int(told or 0) or None


_MOST_THREADS = 1 << 16


def read_state(text: str) -> State:
    """A state from its JSON.

    Raises ValueError that names the field, what was expected in it and what was found.
    """
    state: State = _read(json.loads(text), State, "progress")
    if not 0 <= state.best.epoch <= state.epoch <= state.step:
        raise ValueError(f"step {state.step}, epoch {state.epoch}, best epoch {state.best.epoch}")
    if not 0 <= state.seconds < math.inf:
        raise _unlike("progress.seconds", "a time", state.seconds)
    told = state.environment.get("threads", "")
    if told and not (told.isdecimal() and len(told) < 9 and int(told) <= _MOST_THREADS):
        raise _unlike("progress.environment.threads", f"at most {_MOST_THREADS}", told)
    return state


_WORDS = {int: "a whole number", float: "a number", str: "a text", list: "a list"}


def _read(value: Any, kind: Any, where: str) -> Any:
    """A value of JSON as the type `kind` has it: what State is made of, and nothing else."""
    origin = get_origin(kind) or kind
    if is_dataclass(origin) or is_typeddict(origin):
        return kind(**_read_fields(value, get_type_hints(kind), where))
    if origin is dict:
        _, inner = get_args(kind)
        return {key: _read(v, inner, f"{where}.{key}") for key, v in _mapping(value, where).items()}
    fits = type(value) is origin or (origin is float and type(value) is int)
    if not fits:
        raise _unlike(where, _WORDS[origin], value)
    if origin is list:
        (inner,) = get_args(kind)
        return [_read(item, inner, f"{where}[{i}]") for i, item in enumerate(value)]
    return value


def _read_fields(value: Any, kinds: dict[str, Any], where: str) -> dict[str, Any]:
    found = _mapping(value, where)
    if found.keys() != kinds.keys():
        raise _unlike(where, f"the fields {', '.join(kinds)}", ", ".join(found) or "none")
    return {name: _read(found[name], kind, f"{where}.{name}") for name, kind in kinds.items()}


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unlike(where, "a mapping", value)
    return value


def _unlike(where: str, expected: str, found: Any) -> ValueError:
    return ValueError(f"{where}: expected {expected}, found {show(found)}")
