"""What `lenetkit.layers.base` promises of every layer."""

from __future__ import annotations

from collections.abc import Mapping

from lenetkit.arrays import Shape
from lenetkit.layers.base import Layer
from lenetkit.testing.common import COMMON
from lenetkit.testing.layer_gradients import GRADIENT_CHECKS
from lenetkit.testing.layer_memory import MEMORY_CHECKS
from lenetkit.testing.layer_modes import MODE_CHECKS
from lenetkit.testing.layer_shapes import SHAPE_CHECKS
from lenetkit.testing.passes import LayerCase, LayerCheck
from lenetkit.testing.report import (
    NOTHING_EXPECTED,
    Check,
    Report,
    collect,
    expect_kind,
    require,
    subject_of,
)

LAYER_CHECKS: tuple[LayerCheck, ...] = (
    *SHAPE_CHECKS,
    *GRADIENT_CHECKS,
    *MEMORY_CHECKS,
    *MODE_CHECKS,
    *COMMON,
)


def layer_checks(layer: Layer, in_shape: Shape, *, name: str | None = None) -> list[Check]:
    """The checks of one layer with one shape of input, batch excluded. Runs none of them.

    Images of some 5×6 pixels, with few channels, are large enough, and fast.
    Raises TypeError for anything but a layer.
    """
    expect_kind(layer, Layer)
    return collect(LAYER_CHECKS, LayerCase(layer, tuple(in_shape)), name or subject_of(layer))


def check_layer(
    layer: Layer, in_shape: Shape, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """Hold a layer to the contract; the report says what ran, what was skipped and why.

    `expected_failures` maps names of checks to the reason why they are to fail. Raises CheckFailed,
    with the whole report, where a check fails that is not among them, or one of them holds.
    """
    return require(layer_checks(layer, in_shape), expected_failures=expected_failures)
