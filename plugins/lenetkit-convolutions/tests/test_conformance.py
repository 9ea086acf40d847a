"""The conformance suite on everything that this distribution provides: one test a check."""

from __future__ import annotations

import pytest
from lenetkit_convolutions.conv_transpose2d import ConvTranspose2d
from lenetkit_convolutions.dilated_pyramid2d import DilatedPyramid2d
from lenetkit_convolutions.separable_conv2d import SeparableConv2d

from lenetkit.authoring import Layer, OptionError, Shape, ShapeError
from lenetkit.testing import Check, layer_checks, parametrize

LAYERS: list[tuple[Layer, Shape]] = [
    (ConvTranspose2d(out_channels=3, kernel_size=3), (2, 4, 3)),
    (ConvTranspose2d(out_channels=2, kernel_size=(3, 2), stride=(2, 3), padding=1), (3, 3, 4)),
    (
        ConvTranspose2d(out_channels=4, kernel_size=2, stride=3, output_padding=2, groups=2),
        (2, 3, 2),
    ),
    (
        ConvTranspose2d(
            out_channels=2,
            kernel_size=2,
            stride=(1, 2),
            padding=2,
            output_padding=(2, 1),
            dilation=3,
            bias=False,
        ),
        (1, 4, 3),
    ),
    (SeparableConv2d(out_channels=3, kernel_size=3), (2, 5, 4)),
    (
        SeparableConv2d(
            out_channels=2, kernel_size=(2, 3), stride=2, padding=1, depth_multiplier=2
        ),
        (3, 4, 5),
    ),
    (SeparableConv2d(out_channels=4, kernel_size=2, dilation=(2, 1), bias=False), (1, 4, 4)),
    (DilatedPyramid2d(out_channels=6), (2, 5, 4)),
    (
        DilatedPyramid2d(out_channels=2, kernel_size=(1, 3), dilations=(2, 3), stride=(1, 2)),
        (3, 4, 5),
    ),
    (DilatedPyramid2d(out_channels=3, dilations=(2,), bias=False), (1, 6, 5)),
]


@parametrize([check for layer, shape in LAYERS for check in layer_checks(layer, shape)])
def test_layer(check: Check) -> None:
    check()


@pytest.mark.parametrize(
    ("layer", "in_shape", "message"),
    [
        (
            ConvTranspose2d(out_channels=2, kernel_size=3, padding=2),
            (1, 2, 5),
            "padding 2 leaves an output of 0×3; use less",
        ),
        (
            ConvTranspose2d(out_channels=2, kernel_size=3, groups=2),
            (3, 4, 4),
            "groups must divide the input channels (3), found 2",
        ),
        (
            SeparableConv2d(out_channels=2, kernel_size=(2, 5)),
            (3, 4, 4),
            "kernel 2×5 is larger than its input 4×4; use a smaller kernel_size, more padding, "
            "or fewer layers that shrink the image",
        ),
        (
            DilatedPyramid2d(out_channels=3),
            (7,),
            "expected an image (channels × height × width), found 7",
        ),
    ],
)
def test_shapes_that_cannot_come_in(layer: Layer, in_shape: Shape, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.output_shape(in_shape)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (
            ConvTranspose2d,
            {"out_channels": 2, "kernel_size": 3, "stride": (2, 1), "output_padding": 1},
            "output_padding: must be less than stride ([2, 1]) or dilation (1), found 1",
        ),
        (
            ConvTranspose2d,
            {"out_channels": 3, "kernel_size": 3, "groups": 2},
            "groups: must divide out_channels (3), found 2",
        ),
        (
            DilatedPyramid2d,
            {"out_channels": 4},
            "out_channels: must be a multiple of the number of dilations (3), found 4",
        ),
        (
            DilatedPyramid2d,
            {"out_channels": 3, "kernel_size": (3, 2)},
            "kernel_size: must be odd, found [3, 2]",
        ),
        (
            DilatedPyramid2d,
            {"out_channels": 3, "dilations": ()},
            "dilations: expected at least one dilation, found none",
        ),
    ],
)
def test_options_that_do_not_go_together(
    cls: type[Layer], options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        cls(**options)
    assert str(caught.value) == message
