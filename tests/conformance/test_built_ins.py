"""Everything that lenetkit registers itself keeps what its kind promises: one test a check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lenetkit import authoring as kit
from lenetkit import schedules, testing
from lenetkit.conformance.examples import checks_of
from lenetkit.conformance.suite import subject_of
from lenetkit.data.distortions import Elastic, RandomAffine
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.mnist import Mnist
from lenetkit.data.picture_folder import PictureFolder
from lenetkit.data.source import SPLITS
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import OneHot, Pad, Scale, Standardize
from lenetkit.options import Configurable
from lenetkit.registry.catalog import installed

LAYERS: list[tuple[kit.Layer, kit.Shape]] = [
    (kit.Conv2d(out_channels=3, kernel_size=3, stride=(1, 2), padding=1), (2, 5, 6)),
    (kit.Conv2d(out_channels=4, kernel_size=2, groups=2, dilation=2), (4, 5, 5)),
    (kit.Conv2d(out_channels=3, kernel_size=1, bias=False), (2, 3, 4)),
    (kit.Conv2d(out_channels=2, kernel_size=3, weight_init=kit.HeNormal()), (1, 5, 5)),
    (kit.Conv2d(out_channels=2, kernel_size=(4, 3), padding="same"), (2, 5, 6)),
    (kit.Conv2d(out_channels=2, kernel_size=3, stride=2, padding=((2, 0), (0, 1))), (2, 5, 6)),
    (kit.MaxPool2d(kernel_size=2), (2, 5, 6)),
    (kit.MaxPool2d(kernel_size=2, dilation=(2, 1), ceil_mode=True), (2, 6, 7)),
    (kit.MaxPool2d(kernel_size=2, stride=1, padding=((0, 1), (1, 0))), (2, 4, 5)),
    (kit.MaxPool2d(kernel_size=3, stride=1, padding=1), (2, 5, 4)),
    (kit.AvgPool2d(kernel_size=2), (2, 5, 6)),
    (kit.AvgPool2d(kernel_size=3, stride=2, padding=1, count_include_pad=False), (2, 5, 4)),
    (kit.AvgPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True), (2, 6, 5)),
    (kit.AvgPool2d(kernel_size=2, dilation=2, stride=3, ceil_mode=True), (2, 7, 8)),
    (kit.GlobalAvgPool2d(), (2, 3, 4)),
    (kit.Upsample2d(scale_factor=2), (2, 3, 4)),
    (kit.Upsample2d(scale_factor=(3, 2), mode="bilinear"), (2, 3, 4)),
    (kit.ReLU(), (2, 3, 4)),
    (kit.LeakyReLU(), (2, 3, 4)),
    (kit.LeakyReLU(negative_slope=0.3), (7,)),
    (kit.ELU(), (2, 3, 4)),
    (kit.ELU(alpha=0.3), (7,)),
    (kit.GELU(), (2, 3, 4)),
    (kit.GELU(approximate="tanh"), (2, 3, 4)),
    (kit.SiLU(), (2, 3, 4)),
    (kit.Softplus(), (2, 3, 4)),
    (kit.Softplus(beta=3, threshold=30), (7,)),
    (kit.Sigmoid(), (2, 3, 4)),
    (kit.Tanh(), (3, 4)),
    (kit.Softmax(), (2, 3, 4)),
    (kit.Softmax(dim=-1), (2, 3, 4)),
    (kit.Softmax(), (7,)),
    (kit.Flatten(), (2, 3, 4)),
    (kit.Linear(out_features=5), (2, 3, 4)),
    (kit.Linear(out_features=5, bias=False), (7,)),
    (kit.Dropout(p=0.4), (2, 3, 4)),
    (kit.Dropout(p=0.0), (9,)),
    (kit.BatchNorm2d(), (2, 3, 4)),
    (kit.BatchNorm2d(affine=False, eps=0.1), (3, 2, 2)),
    (kit.LayerNorm(), (2, 3, 4)),
    (kit.LayerNorm(normalized_shape=(3, 4), bias=False), (2, 3, 4)),
    (kit.LayerNorm(normalized_shape=7, elementwise_affine=False, eps=0.1), (7,)),
    (kit.GroupNorm(num_groups=2), (4, 3, 2)),
    (kit.GroupNorm(num_groups=4, affine=False), (4, 3, 2)),
    (kit.GroupNorm(num_groups=2), (6,)),
]
DATASETS: list[kit.DataSource] = [
    Mnist(),
    IdxFolder(title="digits"),
    PictureFolder(),
    SyntheticDigits(train=12, test=6),
]
OTHERS: list[Configurable] = [
    kit.SoftmaxCrossEntropy(),
    kit.SoftmaxCrossEntropy(label_smoothing=0.1),
    kit.BinaryCrossEntropy(),
    kit.MeanSquaredError(),
    kit.Huber(),
    kit.Huber(delta=0.4),
    kit.SGD(),
    kit.SGD(momentum=0.9, weight_decay=0.1),
    kit.SGD(momentum=0.9, nesterov=True),
    kit.Adam(),
    kit.Adam(weight_decay=0.1, betas=(0.5, 0.6)),
    kit.RMSprop(),
    kit.RMSprop(alpha=0.9, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.1),
    kit.Adagrad(),
    kit.Adagrad(lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5),
    kit.Lion(),
    kit.Lion(betas=(0.5, 0.8), weight_decay=0.3),
    schedules.Constant(),
    schedules.Step(step_size=2),
    schedules.Cosine(),
    schedules.Cosine(min_lr=0.01),
    schedules.OneCycle(),
    schedules.CosineWarmRestarts(t_0=2, t_mult=2, min_lr=0.01),
    schedules.Warmup(),
    schedules.Warmup(epochs=2, start_factor=0.1, then=schedules.Cosine()),
    schedules.ReduceOnPlateau(),
    schedules.RangeTest(),
    schedules.Piecewise(boundaries=(2, 5), values=(0.5, 0.2, 0.1)),
    kit.Normal(),
    kit.Normal(mean=3, std=0.5),
    kit.Uniform(),
    kit.Uniform(low=1, high=4),
    kit.XavierNormal(),
    kit.XavierUniform(gain=2),
    kit.HeNormal(),
    kit.HeUniform(),
    kit.Constant(value=0.1),
    kit.Zeros(),
    Scale(),
    Scale(low=-1, high=1),
    Standardize(),
    Standardize(mean=0.13, std=0.31),
    kit.Normalize(mean=(0.5,), std=(0.25,)),
    Pad(padding=2),
    Pad(padding=(2, 1), value=-0.5),
    OneHot(),
    RandomAffine(degrees=20, translate=(0.2, 0.1), scale=(0.7, 1.4), shear=15),
    Elastic(alpha=8, sigma=2),
    kit.Flip(),
    kit.Flip(horizontal=0.3, vertical=0.6),
    kit.Crop(padding=(2, 1)),
    kit.Crop(value=-0.5),
    kit.Cutout(size=4),
    kit.Cutout(size=3, value=0.5),
    kit.NumpyKernels(),
]


@testing.parametrize(
    [check for layer, shape in LAYERS for check in testing.layer_checks(layer, shape)]
)
def test_layers(check: testing.Check) -> None:
    check()


def name_of(thing: Configurable) -> str:
    """For ids: the names of an initializer and of a schedule may be the same."""
    return f"{thing.group.removeprefix('lenetkit.')}-{subject_of(thing)}"


@testing.parametrize([check for thing in OTHERS for check in checks_of(thing, name_of(thing))])
def test_other_kinds(check: testing.Check) -> None:
    check()


@testing.parametrize(testing.transform_checks(Standardize(), (3, 7, 5), name="three channels"))
def test_transform_of_channels(check: testing.Check) -> None:
    check()


@pytest.mark.parametrize("source", DATASETS, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("name", [check.name for check in checks_of(DATASETS[0], "names only")])
def test_dataset(source: kit.DataSource, name: str, make_idx: Callable[..., Path]) -> None:
    """MNIST's files are not available: small ones under its names stand in."""
    folder = make_idx()
    for split in SPLITS if isinstance(source, PictureFolder) else ():
        samples = IdxFolder().load(split, kit.Place(folder))
        for number, (image, label) in enumerate(zip(samples.images, samples.labels, strict=True)):
            (folder / split / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0]).save(folder / split / str(label) / f"{number}.png")
    place = kit.Place(folder, image_shape=(1, 8, 8))
    next(check for check in testing.dataset_checks(source, place) if check.name == name)()


KINDS = [
    kit.Layer,
    kit.Loss,
    kit.Optimizer,
    kit.Schedule,
    kit.Initializer,
    kit.Transform,
    kit.Kernels,
    kit.DataSource,
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_name_of_ours_is_checked(kind: type[Configurable]) -> None:
    registry = installed().registry(kind)
    ours = {e.name for e in registry.entries() if e.provider.distribution == "lenetkit"}
    checked = [layer for layer, _ in LAYERS] + DATASETS + OTHERS
    assert {registry.name_of(type(thing)) for thing in checked if isinstance(thing, kind)} == ours
