"""Objects to check a class on: its own examples, or one with its defaults and guessed options."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from lenetkit.arrays import Shape, shape_text
from lenetkit.conformance import initializers, kernels, losses, optimizers, schedules
from lenetkit.conformance.datasets import dataset_checks
from lenetkit.conformance.layers import layer_checks
from lenetkit.conformance.report import Check
from lenetkit.conformance.transforms import transform_checks
from lenetkit.data.source import DataSource, Place
from lenetkit.data.transforms import Transform
from lenetkit.errors import OptionError, ShapeError
from lenetkit.initializers import Normal
from lenetkit.layers.activations import ReLU
from lenetkit.layers.base import Layer
from lenetkit.options import Configurable, Option, options_of

SHAPES: tuple[Shape, ...] = ((3, 8, 7), (12,))
"""Input shapes to try layers on: an image and a row."""


def example_checks(cls: type[Configurable], name: str) -> list[Check]:
    """The checks of every example of a class; none if there is no example."""
    return [
        check
        for number, example in enumerate(examples(cls), start=1)
        for check in checks_of(example, name if number == 1 else f"{name} #{number}")
    ]


def examples(cls: type[Configurable]) -> Sequence[Configurable]:
    """Objects of the class: what its `examples()` gives, or else one with defaults and guesses.

    A class with required options that cannot be guessed, such as a folder of data, has none.
    """
    own = cls.examples()
    if own or issubclass(cls, DataSource):
        return own
    values = {opt.name: _guess(opt) for opt in options_of(cls) if opt.required}
    if None not in values.values():
        with contextlib.suppress(OptionError):
            return [cls(**values)]
    return []


def how_to_check(cls: type[Configurable]) -> str:
    """What to write in a class for which there are no checks."""
    given = examples(cls)
    if given:
        shapes = " nor ".join(map(shape_text, SHAPES))
        return (
            f"{cls.__name__} takes neither {shapes}: name input shapes that it takes, "
            "trial_shapes = ((C, H, W),)"
        )
    unknown = [opt for opt in options_of(cls) if opt.required]
    needed = ", ".join(f"{opt.name} ({opt.expected})" for opt in unknown)
    arguments = ", ".join(f"{opt.name}=…" for opt in unknown)
    why = f"needs {needed}, which cannot be guessed" if needed else "has no examples"
    return (
        f"{cls.__name__} {why}; write objects to check into it:\n"
        "    @classmethod\n"
        "    def examples(cls):\n"
        f"        return [cls({arguments})]"
    )


def checks_of(example: Configurable, name: str) -> list[Check]:
    """The checks of an object of any kind; of a layer, on every trial shape that it accepts."""
    if isinstance(example, Layer):
        return [
            check
            for number, shape in enumerate(_fitting(example))
            for check in layer_checks(example, shape, name=f"{name} {shape}" if number else name)
        ]
    if isinstance(example, Transform):
        return transform_checks(example, name=name)
    if isinstance(example, DataSource):
        return dataset_checks(example, Place(), name=name)
    for module in (losses, optimizers, schedules, initializers, kernels):
        if isinstance(example, module.SUITE.kind):
            return module.SUITE.checks(example, name=name)
    raise TypeError(f"{example!r} is not a plugin")


def _fitting(layer: Layer) -> Iterator[Shape]:
    for shape in layer.trial_shapes or SHAPES:
        with contextlib.suppress(ShapeError):
            layer.output_shape(shape)
            yield shape


def _guess(opt: Option) -> Any:
    """A small value that a required option takes; None if no guess fits."""
    for value in _candidates(opt.hint, opt.bounds.get("minimum", opt.bounds.get("above", 0))):
        with contextlib.suppress(OptionError):
            return opt.convert(value)
    return None


def _candidates(hint: Any, low: float) -> Sequence[Any]:
    """Small values of a type, around `low` and above it."""
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return arguments
    if get_origin(hint) is tuple:
        length = 2 if arguments[-1] is ... else len(arguments)
        values = _candidates(arguments[0], low)
        return [*((value,) * length for value in values), tuple(values[:length])]
    if arguments:  # a union
        return [value for part in arguments for value in _candidates(part, low)]
    if isinstance(hint, type) and issubclass(hint, Configurable):
        return [thing for thing in (ReLU(), Normal()) if isinstance(thing, hint)]
    if hint is int:
        return [2, 3, int(low), int(low) + 1]
    if hint is float:
        return [0.5, low + 0.1, 1.0, 2.0]
    return [True] if hint is bool else ["a"] if hint is str else []
