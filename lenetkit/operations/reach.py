"""What the places of a layer's output read of its input, along one axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape

Places = NDArray[np.intp]
_BEYOND = np.iinfo(np.intp).max


@dataclass(frozen=True, eq=False)
class Reach:
    """Output place i reads of the input's places `start[i]` … `stop[i]` − 1, both ends included.

    Not necessarily all between: a dilated kernel leaves some out. Where `stop` is not above
    `start`, such as for a window that lies in the padding, nothing is read.
    """

    start: Places
    """(n,), for n places of the output."""
    stop: Places
    """(n,)."""

    def __post_init__(self) -> None:
        for name in ("start", "stop"):  # plugins may give lists
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.intp))

    @classmethod
    def own(cls, size: int) -> Reach:
        """Each place reads the one in its own position."""
        return cls(np.arange(size), np.arange(size) + 1)

    @classmethod
    def whole(cls, places: int, size: int) -> Reach:
        """Each of some places reads all of the input's `size` places."""
        return cls(np.zeros(places, np.intp), np.full(places, size, np.intp))

    @property
    def largest(self) -> int:
        """The most places from the first to the last that an output place reads."""
        return max(0, int((self.stop - self.start).max(initial=0)))

    def of(self, before: Reach) -> Reach:
        """What is read through a layer of this reach after one with the reach `before`."""
        pairs, places = np.unique(
            np.stack([self.start, self.stop], axis=1), axis=0, return_inverse=True
        )
        reads = pairs[:, 0] < pairs[:, 1]
        empty = before.stop <= before.start
        first = np.append(np.where(empty, _BEYOND, before.start), _BEYOND)
        last = np.append(np.where(empty, 0, before.stop), 0)
        flat = np.where(reads[:, None], pairs, 0).ravel()
        start = np.where(reads, np.minimum.reduceat(first, flat)[::2], _BEYOND)
        stop = np.where(reads, np.maximum.reduceat(last, flat)[::2], 0)
        start = np.where(start < stop, start, stop)
        return Reach(start[places.ravel()], stop[places.ravel()])

    def joined(self, other: Reach) -> Reach:
        """What places read that read all that both say, such as where two branches are added."""
        return Reach(np.minimum(self.start, other.start), np.maximum(self.stop, other.stop))


def places(shape: Shape) -> Shape:
    """(H, W) of an image, (F,) of a row of values."""
    return shape[1:] if len(shape) > 1 else shape


def each_place(in_shape: Shape) -> tuple[Reach, ...]:
    """The reach of a layer that computes every place from that place alone, as an activation."""
    return tuple(Reach.own(size) for size in places(in_shape))


def all_places(in_shape: Shape, out_shape: Shape) -> tuple[Reach, ...]:
    """The reach of a layer that computes every place from the whole input, as a linear layer."""
    sizes, outs = places(in_shape), places(out_shape)
    outs = outs if len(outs) == len(sizes) else outs[:1] * len(sizes)
    return tuple(Reach.whole(out, size) for out, size in zip(outs, sizes, strict=True))


def through(
    after: tuple[Reach, ...] | None, before: tuple[Reach, ...] | None
) -> tuple[Reach, ...] | None:
    """The reach of two layers, `before` and `after`; None where that of either is unknown."""
    if after is None or before is None:
        return None
    after = after if len(after) == len(before) else after[:1] * len(before)
    return tuple(later.of(earlier) for later, earlier in zip(after, before, strict=True))
