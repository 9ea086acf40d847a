"""Labels from a user's program, and the class numbers that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import expect_unmasked
from lenetkit.errors import ArrayError, nearest, shortened
from lenetkit.values import show

Label = int | float | str
"""Also bool, which is an int."""
_LISTED = 12
"""Classes that a message lists."""


@dataclass(frozen=True)
class Labels:
    """What the classes of a network are called from Python, in the order of its outputs.

    Without `values` they are class numbers, or, in arrays of strings, the `names`.
    """

    count: int
    """The number of classes: the network's outputs."""
    axes: ClassVar[int] = 0
    values: tuple[Label, ...] = ()
    names: tuple[str, ...] = ()
    last: str = ""
    """The layer whose `out_features` is that number, if there is one; messages name it."""

    def decided_by(self, labels: Any, samples: int) -> Labels:
        """These, or, if they have no `values`, what the labels of a first training set make them.

        Whole numbers from 0 to count - 1 and one-hot rows are class numbers. Of any others, the
        distinct values, sorted, are the classes. Raises ArrayError unless they are `count`.
        """
        found = _read(labels, samples)
        if self.values or found.ndim == 2 or not len(found) or self._are_numbers(found):
            return self
        values = np.unique(found).tolist()
        if len(values) != self.count:
            raise ArrayError(
                f"found {_classes(values)}, but the network has {self.count:,} outputs"
                f"{self._fix(len(values))}"
                + ("; or name those without samples too: classes=[…]" * (len(values) < self.count))
            )
        return Labels(self.count, tuple(values), (), self.last)

    def named(self, classes: Any) -> Labels:
        """These, of which `classes` says what they are called, in the order of the outputs.

        Raises ArrayError unless they are `count` different labels, and the same as before.
        """
        if isinstance(classes, str | Set) or not isinstance(classes, Iterable):
            raise TypeError(f"expected classes=[…], labels in order, found {classes!r}")
        listed = classes if isinstance(classes, np.ndarray) else list(classes)
        found = _read(listed, len(listed))
        if found.ndim != 1 or len(np.unique(found)) != self.count or len(found) != self.count:
            what = _listed(found.tolist()) if found.ndim == 1 else f"shape {found.shape}"
            fix = self._fix(len(found)) if found.ndim == 1 and len(found) != self.count else ""
            raise ArrayError(
                f"classes: expected {self.count:,} different labels, one for each output, found "
                f"{what}{fix}"
            )
        values, known = found.tolist(), self._known(found) if self.names else ()
        if known and (values != list(known) or _family(found) != _family(np.asarray(known))):
            raise ArrayError(
                f"classes: expected those of the first training, {_listed(known)}, in this order, "
                f"found {_classes(values)}"
            )
        are_numbers = found.dtype.kind in "iu" and values == [*range(self.count)]
        return self if known or are_numbers else Labels(self.count, tuple(values), (), self.last)

    @property
    def titles(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(map(_name, self.values)) or self.names

    def read(self, labels: Any, samples: int) -> NDArray[np.int64]:
        """Class numbers (N,) of labels (N,), a column (N, 1), or one-hot rows (N, K).

        Raises ArrayError for another number of labels, and for labels that are no class.
        """
        found = _read(labels, samples)
        if found.ndim == 2:
            return self._of_rows(found)
        if not len(found):
            return np.zeros(0, np.int64)
        if not self.values and self._are_numbers(found):
            return found.astype(np.int64)
        known = self._known(found)
        values, places = np.unique(found, return_inverse=True)
        if _family(values) != _family(np.asarray(known)):
            raise ArrayError(
                f"expected labels as in training, {_listed(known)}, found {_classes(values)}"
            )
        index = {value: number for number, value in enumerate(known)}
        for value in values.tolist():
            if value not in index:
                raise ArrayError(f"{show(value)} is no class of the network{_near(value, known)}")
        return np.array([index[value] for value in values.tolist()], np.int64)[places]

    def of(self, numbers: NDArray[np.intp]) -> NDArray[Any]:
        """The labels of class numbers."""
        if not self.values:
            return numbers
        found = np.array(self.values)
        if found.dtype.kind == "f" and {type(value) for value in self.values} == {int}:
            found = np.array(self.values, np.uint64)  # 1 and 2⁶³: NumPy makes them floats
        return found[numbers]

    def _known(self, found: NDArray[Any]) -> Sequence[Label]:
        """What labels such as these can be."""
        return self.values or (found.dtype.kind == "U" and self.names) or range(self.count)

    def _are_numbers(self, found: NDArray[Any]) -> bool:
        return found.dtype.kind in "iuf" and found.min() >= 0 and found.max() < self.count

    def _of_rows(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        if rows.shape[1] != self.count:
            raise ArrayError(
                f"found label rows of {rows.shape[1]:,} classes, but the network has "
                f"{self.count:,} outputs{self._fix(rows.shape[1])}"
            )
        wrong = np.flatnonzero(((rows != 0) & (rows != 1)).any(axis=1) | (rows.sum(axis=1) != 1))
        if len(wrong):
            raise ArrayError(
                f"expected one-hot rows, a single 1 in each, found {_row(rows[wrong[0]])} in row "
                f"{wrong[0]:,}; for the most probable class: labels.argmax(axis=1)"
            )
        return rows.argmax(axis=1).astype(np.int64)

    def _fix(self, count: int) -> str:
        return f'; overrides={{"layers.{self.last}.out_features": {count}}}' if self.last else ""


def _read(labels: Any, samples: int) -> NDArray[Any]:
    """Labels as an array: strings, booleans, whole numbers, or rows (N, K) of numbers."""
    expect_unmasked(labels, "labels")
    try:
        found = np.asarray(labels)
    except ValueError:
        raise ArrayError(
            "expected one label for each image, found rows of several lengths"
        ) from None
    if found.shape == (samples, 1):
        found = found[:, 0]
    if not found.size and not samples:
        return np.zeros(0)
    if found.ndim not in (1, 2) or len(found) != samples:
        shape = f"shape {found.shape}" if found.ndim else type(labels).__name__
        raise ArrayError(f"expected {samples:,} labels, one for each image, found {shape}")
    if found.dtype.kind == "U" and isinstance(labels, list | tuple):
        found = np.array(labels, object)  # NumPy writes numbers, and nan, among strings as strings
    if found.dtype.kind == "T":  # NumPy's strings of any length, which may hold missing ones
        found = found.astype(object)
    if found.dtype == object:
        found = _typed(found)
    if found.ndim == 1:
        _expect_classes(found)
    elif found.dtype.kind not in "biuf":
        raise ArrayError(f"expected one label for each image, found {found.shape[1]} columns")
    return found


def _expect_classes(found: NDArray[Any]) -> None:
    """Raise ArrayError for values that are no classes: fractions, NaN, other types."""
    kind, what, hint = found.dtype.kind, str(found.dtype), ""
    if kind == "f":
        _expect_none_missing(int(np.isnan(found).sum()))
        strange = found[~np.isfinite(found) | (found != np.rint(found))]
        what = f"{strange[0]:g}" if len(strange) else ""
        largest = np.abs(found).max(initial=0)
        if not what and largest >= 2 ** (np.finfo(found.dtype).nmant + 1):
            what = f"{largest:g}, which {found.dtype} does not tell from its neighbours"
            hint = "; whole numbers: labels.astype('uint64')"
    elif kind == "U":
        lone = [value for value in np.unique(found).tolist() if not _is_unicode(value)]
        what = f"{show(lone[0])}, half of a surrogate pair" if lone else ""
    if what and kind not in "biu":
        hint = "; for text: labels.astype(str)" if kind == "S" else hint
        if kind == "f" and np.isfinite(found).all() and not hint:
            hint = "; networks learn real numbers with loss: mean_squared_error"
        raise ArrayError(
            f"expected labels of whole numbers, strings or booleans, found {what}{hint}"
        )


def _expect_none_missing(count: int) -> None:
    if count:
        raise ArrayError(
            f"expected a label for each image, but {count:,} of them lack one (nan, NA or None)"
        )


def _is_missing(value: Any) -> bool:
    """Whether it is None, nan, or one of pandas' NA and NaT."""
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _is_unicode(text: str) -> bool:
    """Whether a model file can hold it."""
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False


def _typed(found: NDArray[Any]) -> NDArray[Any]:
    """An array of objects of one type, such as a column of pandas', with that type."""
    values = [v.item() if isinstance(v, np.generic) else v for v in found.reshape(-1)]
    _expect_none_missing(sum(map(_is_missing, values)))
    kinds = {type(value) for value in values}
    if kinds == {str} or kinds == {bool} or kinds == {int} or kinds <= {int, float}:
        return np.array(values).reshape(found.shape)
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return found.astype(str)
    names = " and ".join(sorted({kind.__name__.removesuffix("Type") for kind in kinds}))
    raise ArrayError(
        f"expected labels of one type, whole numbers, strings or booleans, found {names}"
    )


def _family(values: NDArray[Any]) -> str:
    return {"U": "text", "b": "truth"}.get(values.dtype.kind, "number")


def _classes(values: Sequence[Any] | NDArray[Any]) -> str:
    values = list(np.asarray(values).tolist())
    return f"{len(values):,} class{'' if len(values) == 1 else 'es'}, {_listed(values)}"


def _listed(values: Sequence[Any]) -> str:
    shown = [_text(value) for value in values[:_LISTED]]
    if len(values) > _LISTED:
        shown[-1:] = ["…", _text(values[-1])]
    return shortened(", ".join(shown))


def _row(row: NDArray[Any]) -> str:
    shown = ", ".join(f"{value:.3g}" for value in row[:_LISTED].astype(float))
    return f"[{shown}{', …' if len(row) > _LISTED else ''}]"


def _text(value: Any) -> str:
    return show(value) if isinstance(value, str) else _name(value)


def _name(value: Label) -> str:
    """A label as the name of its class."""
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _near(value: Any, known: Sequence[Any]) -> str:
    if isinstance(value, str):
        near = nearest(value, known)
        return f"; did you mean {show(near)}?" if near else f"; they are {_listed(known)}"
    return f"; the nearest is {_text(min(known, key=lambda each: abs(each - value)))}"
