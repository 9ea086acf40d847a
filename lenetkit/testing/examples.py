"""Objects to check a class by, where nobody says which: its own examples, or sensible options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from lenetkit.arrays import Shape
from lenetkit.data.source import DataSource, Place
from lenetkit.data.transforms import Transform
from lenetkit.errors import OptionError, ShapeError
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, Option, options_of
from lenetkit.schedules import Schedule
from lenetkit.testing.datasets import dataset_checks
from lenetkit.testing.initializers import initializer_checks
from lenetkit.testing.kernels import kernel_checks
from lenetkit.testing.layers import layer_checks
from lenetkit.testing.losses import loss_checks
from lenetkit.testing.optimizers import optimizer_checks
from lenetkit.testing.report import Check
from lenetkit.testing.schedules import schedule_checks
from lenetkit.testing.transforms import transform_checks

SHAPES: tuple[Shape, ...] = ((3, 8, 7), (12,))
"""Input shapes that layers are tried on, an image and a row."""


def example_checks(cls: type[Configurable], name: str) -> list[Check]:
    """The checks of every example of a class, its own (`examples()`) or made by its options.

    Empty where no example can be made.
    """
    return [
        check
        for number, example in enumerate(examples(cls))
        for check in _checks(example, name if number == 0 else f"{name} #{number + 1}")
    ]


def examples(cls: type[Configurable]) -> list[Configurable]:
    """Objects of the class: what its `examples()` gives, else one with defaults and guesses.

    A class whose required options cannot be guessed, such as a data set's folder, gives none.
    """
    own = cls.examples()
    if own:
        return list(own)
    if issubclass(cls, DataSource):
        return []
    values = {opt.name: _guess(opt) for opt in options_of(cls) if opt.required}
    if None in values.values():
        return []
    try:
        return [cls(**values)]
    except OptionError:
        return []


def _checks(example: Configurable, name: str) -> list[Check]:
    match example:
        case Layer():
            return [
                check
                for number, shape in enumerate(_fitting(example))
                for check in layer_checks(
                    example, shape, name=name if not number else f"{name} {shape}"
                )
            ]
        case Loss():
            return loss_checks(example, name=name)
        case Optimizer():
            return optimizer_checks(example, name=name)
        case Schedule():
            return schedule_checks(example, name=name)
        case Initializer():
            return initializer_checks(example, name=name)
        case Transform():
            return transform_checks(example, name=name)
        case Kernels():
            return kernel_checks(example, name=name)
        case DataSource():
            return dataset_checks(example, Place(), name=name)
    raise TypeError(f"{example!r} is no plugin")


def _fitting(layer: Layer) -> list[Shape]:
    fitting = []
    for shape in layer.trial_shapes or SHAPES:
        try:
            layer.output_shape(shape)
        except ShapeError:
            continue
        fitting.append(shape)
    return fitting


def _guess(opt: Option) -> Any:
    """A small value that an option without a default takes; None where none can be told."""
    for hint in get_args(opt.hint) or (opt.hint,):
        for value in _candidates(hint, opt):
            try:
                return opt.convert(value)
            except OptionError:
                continue
    for value in _candidates(opt.hint, opt):
        try:
            return opt.convert(value)
        except OptionError:
            continue
    return None


def _candidates(hint: Any, opt: Option) -> Sequence[Any]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        length = 2 if inner[-1] is ... else len(inner)
        values = _candidates(inner[0], opt)
        return [(value,) * length for value in values] + [tuple(values[:length])]
    low = opt.bounds.get("minimum", opt.bounds.get("above", 0))
    if hint is int:
        return [2, 3, int(low), int(low) + 1]
    if hint is float:
        return [0.5, float(low) + 0.1, 1.0, 2.0]
    return [True] if hint is bool else ["a"] if hint is str else []
