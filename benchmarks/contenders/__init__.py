"""The contenders of all comparisons, by short names."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable

from contenders.base import AbsentError, Contender, Task
from contenders.jax_jit import JaxContender
from contenders.ours import LenetkitContender, NumbaContender
from contenders.plain import PlainContender
from contenders.pytorch import CompiledContender, EagerContender, FusedContender
from lenetkit.errors import did_you_mean

CONTENDERS: dict[str, type[Contender]] = {
    "numpy": LenetkitContender,
    "numba": NumbaContender,
    "eager": EagerContender,
    "best": FusedContender,
    "compiled": CompiledContender,
    "jax": JaxContender,
    "plain": PlainContender,
}


def chosen(text: str) -> list[str]:
    """Names from a command-line option such as `numpy,eager`. Raises ArgumentTypeError."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CONTENDERS:
            raise ArgumentTypeError(f"'{name}' is unknown{did_you_mean(name, CONTENDERS)}")
    if len(set(names)) < len(names):
        raise ArgumentTypeError(f"expected each name once, found '{text}'")
    return names


def count(text: str) -> int:
    """A positive integer from a command-line option. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected an integer ≥ 1, found '{text}'")
    return int(text)


def enter(names: Iterable[str], task: Task) -> list[Contender]:
    """The contenders, set up; those that cannot take part are named on standard error."""
    ready = []
    for name in names:
        try:
            ready.append(CONTENDERS[name](task))
        except AbsentError as reason:
            print(f"without {name}: {reason}", file=sys.stderr)
    return ready
