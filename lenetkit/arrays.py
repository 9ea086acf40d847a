"""Arrays, their shapes, and shapes in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import ArrayError

Array = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
"""Sizes along each axis; the batch is not part of a shape unless a docstring says so."""


def shape_text(shape: Shape) -> str:
    """`6×24×24`."""
    return "×".join(map(str, shape)) or "a scalar"


class Views(dict[str, Array]):
    """Arrays by name, written in place: `views["weight"][...] = …`, or `views["weight"] += …`.

    Assigning another array to a name would leave the network's own unchanged, so it raises
    TypeError.
    """

    def __setitem__(self, name: str, value: Array) -> None:
        if self.get(name) is not value:  # `views[name] += …` puts the same array back
            raise TypeError(
                f"[{name!r}] = … does not reach the network's own array; "
                f"write into it: [{name!r}][...] = …"
            )

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("the names are fixed; write into the arrays: [NAME][...] = …")

    __delitem__ = update = setdefault = pop = popitem = clear = __ior__ = _refuse

    def __reduce__(self) -> tuple[type[Views], tuple[Mapping[str, Array]]]:
        return Views, (dict(self),)


def slices(count: int, size: int) -> Iterator[slice]:
    """`count` samples in batches of `size`; the last may be smaller."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def expect_unmasked(values: Any, what: str) -> None:
    """Raise ArrayError for a masked array that hides some: NumPy would hand over what it hides."""
    if isinstance(values, np.ma.MaskedArray) and (hidden := int(np.sum(values.mask))):
        raise ArrayError(
            f"{what}: {hidden:,} of the values are masked; expected an array without a mask: "
            f"{what}.filled(…)"
        )
