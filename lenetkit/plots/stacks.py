"""A network as stacks of maps and bars of values, with the operations between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lenetkit.arrays import Shape
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.upsample2d import Upsample2d
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.plan import Plan
from lenetkit.operations.base import Pair, Window, pair
from lenetkit.plots.words import Words

Box = tuple[int, int, int, int]
"""Top, left, bottom, right: places of a map, the last two not included."""


@dataclass(frozen=True)
class Link:
    """What a unit of a stack sees of the stack before it."""

    unit: Pair
    """Its row and column."""
    box: Box


@dataclass(frozen=True)
class Stack:
    """The output of a layer, and how it comes from the stack before it."""

    name: str
    shape: Shape
    operations: tuple[str, ...] = ()
    """In words, the layer's own first; then the activations and the like that follow it."""
    link: Link | None = None
    """For a unit near the middle of a map, where maps are made of windows of maps."""

    @property
    def is_maps(self) -> bool:
        """Whether it is drawn as maps: images of more than one pixel."""
        return len(self.shape) == 3 and math.prod(self.shape[1:]) > 1

    @property
    def size(self) -> str:
        """`6 @ 24×24`, or `120`."""
        if len(self.shape) != 3:
            return "×".join(f"{size:,}" for size in self.shape)
        maps, height, width = self.shape
        return f"{maps:,} @ {height}×{width}"


def stacks(plan: Plan, words: Words) -> list[Stack]:
    """The input, and every layer that makes something else of what it gets.

    Layers that keep the shape and have no connections (activations, normalization, dropout) are
    operations on the way to a stack, not stacks of their own.
    """
    found = [Stack(words.input, plan.spec.input)]
    before: tuple[str, ...] = ()
    for layer in plan.layers:
        if layer.out_shape == layer.in_shape and not layer.cost.connections:
            if len(found) == 1:
                before += (layer.type,)
            else:
                last = found[-1]
                operations = (*last.operations, layer.type)
                found[-1] = Stack(last.name, last.shape, operations, last.link)
            continue
        operations = (*before, operation(layer, words))
        found.append(Stack(layer.name, layer.out_shape, operations, _link(layer)))
        before = ()
    if before:  # nothing but such layers
        found.append(Stack(plan.layers[-1].name, plan.out_shape, before))
    return found


def operation(layer: LayerPlan, words: Words) -> str:
    """What a layer does, in words; the type of a layer that lenetkit does not know."""
    match layer.layer:
        case Conv2d() as conv:
            groups = [words.groups.format(count=conv.groups)] if conv.groups > 1 else []
            return ", ".join([_windowed(words.convolution, conv.window, (1, 1), words), *groups])
        case MaxPool2d() as pool:
            return _windowed(words.max_pooling, pool.window, pool.window.kernel, words)
        case AvgPool2d() as pool:
            return _windowed(words.average_pooling, pool.window, pool.window.kernel, words)
        case GlobalAvgPool2d():
            return words.global_average
        case Linear():
            return words.linear
        case Flatten():
            return words.flatten
        case Upsample2d() as larger:
            return words.upsampling.format(size=_size(pair(larger.scale_factor)))
    link = _link(layer)
    if link is None:
        return layer.type
    top, left, bottom, right = link.box
    return f"{layer.type} {bottom - top}×{right - left}"


def _windowed(text: str, window: Window, usual_stride: Pair, words: Words) -> str:
    parts = [text.format(size=_size(window.kernel))]
    if window.stride != usual_stride:
        parts.append(words.stride.format(size=_short(window.stride)))
    if window.dilation != (1, 1):
        parts.append(words.dilation.format(size=_short(window.dilation)))
    return ", ".join(parts)


def _size(sizes: Pair) -> str:
    return f"{sizes[0]}×{sizes[1]}"


def _short(sizes: Pair) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else _size(sizes)


def _link(layer: LayerPlan) -> Link | None:
    """What a unit right of the middle sees; None if that is everything, nothing or unknown."""
    reach = layer.layer.receptive_field(layer.in_shape)
    if reach is None or len(layer.in_shape) != 3 or len(layer.out_shape) != 3:
        return None
    row, column = (round(0.62 * (size - 1)) for size in layer.out_shape[1:])
    (top, bottom), (left, right) = (
        (int(axis.start[at]), int(axis.stop[at]))
        for axis, at in zip(reach, (row, column), strict=True)
    )
    if (top, left, bottom, right) == (0, 0, *layer.in_shape[1:]) or bottom <= top or right <= left:
        return None
    return Link((row, column), (top, left, bottom, right))
