"""Receptive fields: how much of the network's input a unit of each layer sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenetkit.arrays import Shape
from lenetkit.errors import PluginError
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.operations.reach import Reach, each_place, places, through
from lenetkit.registry.blame import blaming


def reaches(entrance: Shape, layers: Sequence[LayerPlan]) -> list[tuple[Reach, ...] | None]:
    """For each layer, what its rows and columns read of the input's; None where it is unknown.

    `entrance` is the network's input shape; for [F] there is one Reach, over its values. Raises
    PluginError for a layer whose `receptive_field` is not as its shapes are.
    """
    found: list[tuple[Reach, ...] | None] = []
    seen: tuple[Reach, ...] | None = each_place(entrance)
    for layer in layers:
        seen = through(_own(layer), seen)
        found.append(seen)
    return found


def _own(layer: LayerPlan) -> tuple[Reach, ...] | None:
    culprit = f"layers.{layer.name}: {layer.type} of {layer.provider or 'this process'}"
    with blaming(culprit):
        found = layer.layer.receptive_field(layer.in_shape)
    if found is not None and not fits(found, layer.in_shape, layer.out_shape):
        raise PluginError(
            f"{culprit}: receptive_field does not fit its shapes; expected a Reach for each of "
            f"{len(places(layer.in_shape))} axes, with a place for each of the output's, or None"
        )
    return found


def fits(found: Any, in_shape: Shape, out_shape: Shape) -> bool:
    """Whether there is a reach for each axis, within the shapes."""
    sizes, outs = places(in_shape), places(out_shape)
    if not isinstance(found, tuple) or len(found) != len(sizes):
        return False
    outs = outs if len(outs) == len(sizes) else outs[:1] * len(sizes)
    return all(
        isinstance(axis, Reach)
        and axis.start.shape == axis.stop.shape == (out,)
        and (axis.start.min() >= 0 and axis.stop.max() <= size)
        for axis, size, out in zip(found, sizes, outs, strict=True)
    )
