"""The conformance suite on everything that this distribution provides: one test a check."""

from __future__ import annotations

from lenetkit_numba.fused import ConvReLUPool2d
from lenetkit_numba.kernels import NumbaKernels

from lenetkit.authoring import AvgPool2d, Conv2d, Layer, MaxPool2d, Shape
from lenetkit.testing import Check, kernel_checks, layer_checks, parametrize

LARGEST, MEAN = MaxPool2d(kernel_size=2), AvgPool2d(kernel_size=2)
FUSED: list[tuple[Layer, Shape]] = [
    (ConvReLUPool2d(conv=Conv2d(out_channels=6, kernel_size=3), pool=LARGEST), (2, 6, 6)),
    (ConvReLUPool2d(conv=Conv2d(out_channels=5, kernel_size=2), pool=LARGEST), (1, 6, 5)),
    (
        ConvReLUPool2d(
            conv=Conv2d(out_channels=4, kernel_size=(3, 2), stride=(1, 2), padding=1, groups=2),
            pool=LARGEST,
        ),
        (2, 4, 5),
    ),
    (
        ConvReLUPool2d(
            conv=Conv2d(out_channels=3, kernel_size=2, dilation=2, bias=False), pool=MEAN
        ),
        (2, 5, 6),
    ),
]


@parametrize(kernel_checks(NumbaKernels()))
def test_kernels(check: Check) -> None:
    check()


@parametrize([check for layer, shape in FUSED for check in layer_checks(layer, shape)])
def test_fused_layer(check: Check) -> None:
    check()
