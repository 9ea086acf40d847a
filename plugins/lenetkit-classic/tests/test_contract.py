"""The promises of lenetkit's contracts, held to everything that this plugin registers."""

from __future__ import annotations

from lenetkit_classic.initializers import LecunUniform
from lenetkit_classic.kernels import SingleKernels
from lenetkit_classic.map_criterion import MapCriterion
from lenetkit_classic.partial_conv2d import PartialConv2d
from lenetkit_classic.rbf import Rbf
from lenetkit_classic.scaled_tanh import ScaledTanh
from lenetkit_classic.schedule import Lecun1998
from lenetkit_classic.sdlm import Sdlm
from lenetkit_classic.subsample2d import Subsample2d

from lenetkit.authoring import Conv2d, Layer
from lenetkit.testing import (
    Check,
    initializer_checks,
    kernel_checks,
    layer_checks,
    loss_checks,
    optimizer_checks,
    parametrize,
    schedule_checks,
)

LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (ScaledTanh(), (2, 3, 4)),
    (ScaledTanh(amplitude=2, slope=0.3), (5,)),
    (Subsample2d(), (3, 4, 6)),
    (Subsample2d(kernel_size=(1, 3), maps=2), (2, 4, 6)),
    (PartialConv2d(table=((0,), (2, 1), (0, 2)), kernel_size=(2, 3)), (3, 4, 5)),
    (PartialConv2d(table=((1, 0),), kernel_size=3), (2, 3, 3)),
    (Rbf(), (84,)),
    (Rbf(factor=0.5), (84,)),
]


@parametrize([check for layer, shape in LAYERS for check in layer_checks(layer, shape)])
def test_layer(check: Check) -> None:
    check()


@parametrize(
    layer_checks(Rbf(curvature=1), (84,)),
    expected_failures={
        "second_backward_is_right": "it is a constant in place of the chain rule, as in Lush"
    },
)
def test_rbf_with_a_constant_curvature(check: Check) -> None:
    check()


@parametrize(
    loss_checks(MapCriterion()),
    expected_failures=MapCriterion.expected_failures,
)
def test_loss(check: Check) -> None:
    check()


@parametrize(
    optimizer_checks(Sdlm()),
)
def test_optimizer(check: Check) -> None:
    check()


@parametrize(
    [
        *schedule_checks(Lecun1998()),
        *initializer_checks(LecunUniform()),
        *initializer_checks(LecunUniform(scale=1.5, power=0.5)),
        *kernel_checks(SingleKernels()),
    ]
)
def test_the_others(check: Check) -> None:
    check()


def test_single_images_are_told_apart_from_batches() -> None:
    kernels, conv = SingleKernels(), Conv2d(out_channels=6, kernel_size=5)
    assert kernels.algorithm(conv, (1, 28, 28), 1) == "im2col, one product"
    assert kernels.algorithm(conv, (1, 28, 28), 2).startswith("blocks of ")
    padded = Conv2d(out_channels=6, kernel_size=5, padding=2)
    assert kernels.algorithm(padded, (1, 28, 28), 1).startswith("blocks of ")
