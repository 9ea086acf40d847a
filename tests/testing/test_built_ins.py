"""Everything that lenetkit registers itself keeps what its kind promises: one test a check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lenetkit.arrays import Shape
from lenetkit.data.distortions import Elastic, RandomAffine
from lenetkit.data.folder import IdxFolder
from lenetkit.data.mnist import Mnist
from lenetkit.data.source import DataSource, Place
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import OneHot, Pad, Scale, Standardize, Transform
from lenetkit.initializers import (
    Constant,
    HeNormal,
    HeUniform,
    Initializer,
    Normal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from lenetkit.kernels.base import Kernels
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from lenetkit.optimizers import SGD, Adam, Optimizer
from lenetkit.options import Configurable
from lenetkit.registry.catalog import installed
from lenetkit.schedules import Constant as ConstantRate
from lenetkit.schedules import Cosine, OneCycle, Piecewise, Schedule, Step
from lenetkit.testing import (
    Check,
    dataset_checks,
    initializer_checks,
    kernel_checks,
    layer_checks,
    loss_checks,
    optimizer_checks,
    parametrize,
    schedule_checks,
    transform_checks,
)

LAYERS: list[tuple[Layer, Shape]] = [
    (Conv2d(out_channels=3, kernel_size=3, stride=(1, 2), padding=1), (2, 5, 6)),
    (Conv2d(out_channels=4, kernel_size=2, groups=2, dilation=2), (4, 5, 5)),
    (Conv2d(out_channels=3, kernel_size=1, bias=False), (2, 3, 4)),
    (Conv2d(out_channels=2, kernel_size=3, weight_init=HeNormal()), (1, 5, 5)),
    (MaxPool2d(kernel_size=2), (2, 5, 6)),
    (MaxPool2d(kernel_size=3, stride=1, padding=1), (2, 5, 4)),
    (AvgPool2d(kernel_size=2), (2, 5, 6)),
    (AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False), (2, 5, 4)),
    (ReLU(), (2, 3, 4)),
    (LeakyReLU(), (2, 3, 4)),
    (LeakyReLU(negative_slope=0.3), (7,)),
    (Sigmoid(), (2, 3, 4)),
    (Tanh(), (3, 4)),
    (Flatten(), (2, 3, 4)),
    (Linear(out_features=5), (2, 3, 4)),
    (Linear(out_features=5, bias=False), (7,)),
    (Dropout(p=0.4), (2, 3, 4)),
    (Dropout(p=0.0), (9,)),
    (BatchNorm2d(), (2, 3, 4)),
    (BatchNorm2d(affine=False, eps=0.1), (3, 2, 2)),
]
LOSSES: list[Loss] = [SoftmaxCrossEntropy(), MeanSquaredError()]
OPTIMIZERS: list[Optimizer] = [
    SGD(),
    SGD(momentum=0.9, weight_decay=0.1),
    SGD(momentum=0.9, nesterov=True),
    Adam(),
    Adam(weight_decay=0.1, betas=(0.5, 0.6)),
]
SCHEDULES: list[Schedule] = [
    ConstantRate(),
    Step(step_size=2),
    Cosine(),
    Cosine(min_lr=0.01),
    OneCycle(),
    Piecewise(boundaries=(2, 5), values=(0.5, 0.2, 0.1)),
]
INITIALIZERS: list[Initializer] = [
    Normal(),
    Normal(mean=3, std=0.5),
    Uniform(),
    Uniform(low=1, high=4),
    XavierNormal(),
    XavierUniform(gain=2),
    HeNormal(),
    HeUniform(),
    Constant(value=0.1),
    Zeros(),
]
TRANSFORMS: list[Transform] = [
    Scale(),
    Scale(low=-1, high=1),
    Standardize(),
    Standardize(mean=0.13, std=0.31),
    Pad(padding=2),
    Pad(padding=(2, 1), value=-0.5),
    OneHot(),
    RandomAffine(degrees=20, translate=(0.2, 0.1), scale=(0.7, 1.4), shear=15),
    Elastic(alpha=8, sigma=2),
]
KERNELS: list[Kernels] = [NumpyKernels()]
DATASETS: list[DataSource] = [
    Mnist(),
    IdxFolder(title="digits"),
    SyntheticDigits(train=12, test=6),
]


@parametrize([check for layer, shape in LAYERS for check in layer_checks(layer, shape)])
def test_layer(check: Check) -> None:
    check()


@parametrize([check for loss in LOSSES for check in loss_checks(loss)])
def test_loss(check: Check) -> None:
    check()


@parametrize([check for optimizer in OPTIMIZERS for check in optimizer_checks(optimizer)])
def test_optimizer(check: Check) -> None:
    check()


@parametrize([check for schedule in SCHEDULES for check in schedule_checks(schedule)])
def test_schedule(check: Check) -> None:
    check()


@parametrize([check for init in INITIALIZERS for check in initializer_checks(init)])
def test_initializer(check: Check) -> None:
    check()


@parametrize([check for transform in TRANSFORMS for check in transform_checks(transform)])
def test_transform(check: Check) -> None:
    check()


@parametrize(transform_checks(Standardize(), (3, 7, 5), name="Standardize of three channels"))
def test_transform_of_channels(check: Check) -> None:
    check()


@parametrize([check for kernels in KERNELS for check in kernel_checks(kernels)])
def test_kernels(check: Check) -> None:
    check()


@pytest.mark.parametrize("source", DATASETS, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("name", [check.name for check in dataset_checks(DATASETS[0], Place())])
def test_dataset(source: DataSource, name: str, make_idx: Callable[..., Path]) -> None:
    """MNIST's files are not there: small ones under its names stand in."""
    place = Place((make_idx(),))
    next(check for check in dataset_checks(source, place) if check.name == name)()


@pytest.mark.parametrize(
    ("kind", "things"),
    [
        (Layer, [layer for layer, _ in LAYERS]),
        (Loss, LOSSES),
        (Optimizer, OPTIMIZERS),
        (Schedule, SCHEDULES),
        (Initializer, INITIALIZERS),
        (Transform, TRANSFORMS),
        (Kernels, KERNELS),
        (DataSource, DATASETS),
    ],
)
def test_every_registered_name_of_ours_is_checked(
    kind: type[Configurable], things: list[Configurable]
) -> None:
    registry = installed().registry(kind)
    ours = {e.name for e in registry.entries() if e.provider.distribution == "lenetkit"}
    assert {registry.name_of(type(thing)) for thing in things} == ours
