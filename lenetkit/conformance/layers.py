"""What `lenetkit.layers.base` promises of every layer."""

from __future__ import annotations

from collections.abc import Mapping

from lenetkit.arrays import Shape
from lenetkit.conformance import layer_gradients, layer_memory, layer_modes, layer_shapes
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import NOTHING_EXPECTED, Check, Report
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.layers.base import Layer

_MODULES = (layer_shapes, layer_gradients, layer_memory, layer_modes)
SUITE = Suite(
    Layer, LayerCase, [promise for module in _MODULES for promise in promises_in(module.__name__)]
)


def layer_checks(layer: Layer, in_shape: Shape, *, name: str | None = None) -> list[Check]:
    """`Suite.checks` for a layer and the shape of one input, without the batch.

    Images of about 5×6 pixels with few channels are large enough, and fast.
    """
    return SUITE.checks(layer, tuple(in_shape), name=name)


def check_layer(
    layer: Layer, in_shape: Shape, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """`Suite.check` for a layer and the shape of one input, without the batch."""
    return SUITE.check(layer, tuple(in_shape), expected_failures=expected_failures)
