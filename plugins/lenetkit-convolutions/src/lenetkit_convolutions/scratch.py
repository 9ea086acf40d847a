"""Scratch memory for a layer that calls the kernels more than once in a pass."""

from __future__ import annotations

from typing import Any

from lenetkit.authoring import Array, Call, Scratch, Shape


def part(call: Call, name: str) -> Scratch:
    """Scratch of its own for one of several kernel calls: kernels choose the names, this a prefix.

    With the same scratch the second call would overwrite what the first one saved for backward.
    """

    def scratch(buffer: str, shape: Shape, dtype: Any) -> Array:
        return call.scratch(f"{name} {buffer}", shape, dtype)

    return scratch
