"""Writes LLVM instructions on vectors, of which the tiles consist."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lenetkit_numba.target import lanes

BYTE, INDEX = ir.IntType(8), ir.IntType(64)
_FUSED = ("contract",)
_LANE = ir.IntType(32)


class Writer:
    """Instructions on vectors of `L` values: the same place in `L` images.

    Positions count values from a pointer, and are Python or LLVM integers.
    """

    def __init__(self, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.bytes = dtype.bitwidth // 8
        self.L = lanes(self.bytes)
        self.value = ir.FloatType() if dtype == types.float32 else ir.DoubleType()

    def vector_of(self, element: Any) -> Any:
        """The type of `L` elements."""
        return ir.VectorType(element, self.L)

    def index(self, value: Any) -> Any:
        """A Python integer as an LLVM integer, which is returned as it is."""
        return ir.Constant(INDEX, value) if isinstance(value, int) else value

    def sum(self, *positions: Any) -> Any:
        """The sum of positions."""
        first, *others = map(self.index, positions)
        for other in others:
            first = self.builder.add(first, other)
        return first

    def times(self, position: Any, factor: Any) -> Any:
        """The product of positions."""
        return self.builder.mul(self.index(position), self.index(factor))

    def at(self, pointer: Any, position: Any) -> Any:
        """The address of a position."""
        return self.builder.gep(pointer, [self.index(position)])

    def entry(self, table: Any, position: Any) -> Any:
        """The entry of a table of int32, as an index."""
        return self.builder.sext(self.scalar(table, position), INDEX)

    def scalar(self, pointer: Any, position: Any) -> Any:
        """The value at a position."""
        return self.builder.load(self.at(pointer, position))

    def load(self, pointer: Any, position: Any) -> Any:
        """The vector at a position."""
        return self.load_as(self.value, pointer, position)

    def load_as(self, element: Any, pointer: Any, position: Any) -> Any:
        """The vector at a position, with elements of a given type."""
        kind = self.vector_of(element).as_pointer()
        address = self.builder.bitcast(self.at(pointer, position), kind)
        return self.builder.load(address, align=1 if element == BYTE else self.bytes)

    def store(self, vector: Any, pointer: Any, position: Any) -> None:
        """Write a vector to a position."""
        address = self.builder.bitcast(self.at(pointer, position), vector.type.as_pointer())
        align = 1 if vector.type.element == BYTE else self.bytes
        self.builder.store(vector, address, align=align)

    def everywhere(self, value: float, element: Any = None) -> Any:
        """A constant in all lanes."""
        return ir.Constant(self.vector_of(element or self.value), [value] * self.L)

    def spread(self, scalar: Any) -> Any:
        """A scalar in all lanes."""
        nothing = ir.Constant(self.vector_of(scalar.type), ir.Undefined)
        alone = self.builder.insert_element(nothing, scalar, ir.Constant(_LANE, 0))
        return self.shuffle(alone, nothing, [0] * self.L)

    def shuffle(self, a: Any, b: Any, picks: Sequence[int]) -> Any:
        """Lanes of `a` (0 … L−1) and `b` (L … 2·L−1)."""
        mask = ir.Constant(ir.VectorType(_LANE, len(picks)), list(picks))
        return self.builder.shuffle_vector(a, b, mask)

    def swap(self, a: Any, b: Any, size: int) -> tuple[Any, Any]:
        """`a` and `b` after `a`'s odd runs of `size` lanes are swapped with `b`'s even ones.

        One step of a transposition.
        """
        low = [j if not j & size else self.L + j - size for j in range(self.L)]
        high = [j + size if not j & size else self.L + j for j in range(self.L)]
        return self.shuffle(a, b, low), self.shuffle(a, b, high)

    def transposed(self, rows: Sequence[Any]) -> list[Any]:
        """`L` vectors with lane i of vector j as lane j of vector i."""
        rows, size = list(rows), 1
        while size < self.L:
            for i in range(self.L):
                if not i & size:
                    rows[i], rows[i + size] = self.swap(rows[i], rows[i + size], size)
            size *= 2
        return rows

    def lane_sums(self, vectors: Sequence[Any]) -> Any:
        """The sums over the lanes of `L` vectors, as one vector, always in the same order."""
        vectors, size = list(vectors), 1
        while size < self.L:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [self.builder.fadd(*self.swap(a, b, size)) for a, b in pairs]
            size *= 2
        return vectors[0]

    def variable(self, value: Any) -> Any:
        """A variable that starts with `value`; LLVM keeps it in a register."""
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def add_product(self, variable: Any, a: Any, b: Any) -> None:
        """Add a·b to a variable, with a single rounding if the processor can."""
        product = self.builder.fmul(a, b, flags=_FUSED)
        total = self.builder.fadd(self.builder.load(variable), product, flags=_FUSED)
        self.builder.store(total, variable)

    @contextmanager
    def loop(self, first: Any, last: Any) -> Iterator[Any]:
        """Run the block for every index from `first` up to, but not including, `last`."""
        bounds = self.index(first), self.index(last), self.index(1)
        with cgutils.for_range_slice(self.builder, *bounds) as (index, _):
            yield index


def vectorized(*, literals: int = 0, returns: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Turn a function that writes instructions into one that compiled code can call.

    The writer `write(w, *literals, *arguments)` gets the first `literals` arguments as Python
    values, arrays as pointers, tuples as lists, integers as indices. Vectors have the dtype of the
    first array among them. With `returns`, it returns one value of that dtype.
    """

    def decorate(write: Callable[..., Any]) -> Any:
        def implement(typing_context: Any, *kinds: Any) -> Any:
            dtype = next(k.dtype for k in _flat(kinds) if isinstance(k, types.Array))

            def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                known = [kind.literal_value for kind in kinds[:literals]]
                given = [
                    _lowered(context, builder, kind, value)
                    for kind, value in zip(kinds[literals:], values[literals:], strict=True)
                ]
                result = write(Writer(builder, dtype), *known, *given)
                return result if returns else context.get_dummy_value()

            return (dtype if returns else types.void)(*kinds), generate

        implement.__name__ = write.__name__
        implement.__doc__ = write.__doc__
        implement.__signature__ = inspect.signature(write)  # type: ignore[attr-defined]
        return intrinsic(prefer_literal=True)(implement)

    return decorate


def _flat(kinds: Sequence[Any]) -> Iterator[Any]:
    for kind in kinds:
        yield from _flat(kind) if isinstance(kind, types.BaseTuple) else [kind]


def _lowered(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """An array as the pointer to its first value, a tuple as a list, other values as they are."""
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        return [_lowered(context, builder, k, v) for k, v in zip(kind, parts, strict=True)]
    if isinstance(kind, types.Array):
        return context.make_array(kind)(context, builder, value).data
    if isinstance(kind, types.Integer):
        return context.cast(builder, value, kind, types.int64)
    return value
