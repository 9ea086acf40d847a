"""Scratch memory for layers that call an operation more than once in a pass."""

from __future__ import annotations

from typing import Any

from lenetkit.authoring import Array, Call, Scratch, Shape


def part(call: Call, name: str) -> Scratch:
    """Separate scratch memory for one of several calls: a prefix to the names they choose.

    Otherwise the second call would overwrite what the first one saved for backward.
    """

    def scratch(buffer: str, shape: Shape, dtype: Any) -> Array:
        return call.scratch(f"{name} {buffer}", shape, dtype)

    return scratch
