"""Images in training beside the same ones in evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from lenetkit.data.agreement import difference, first_fault
from lenetkit.data.distortions import Elastic, RandomAffine
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Place
from lenetkit.data.synthetic import SyntheticDigits
from lenetkit.data.transforms import Images, OneHot, Pad, Scale, Standardize, Transform
from tests.support.blind_data import (
    TRANSFORM_TWINS,
    Blanked,
    ByteNoise,
    CutsARow,
    Negated,
    SaysItCuts,
    ScalesBytesAlone,
    To1,
    To255,
    UnitNoise,
)

SAMPLES = SyntheticDigits(train=64, test=10).load("train", Place(image_shape=(1, 28, 28)))


def fault(*transforms: Transform) -> str:
    """What is found of some digits; empty if all is well."""
    fitted = tuple(transform.fitted(SAMPLES.images) for transform in transforms)
    rng = np.random.default_rng(0)
    found = first_fault(Pipeline(fitted, 10), SAMPLES.images, SAMPLES.labels, rng)
    return f"{type(found[0]).__name__}: {found[1]}" if found else ""


@dataclass(frozen=True, kw_only=True)
class Halved(Transform):
    """Gives half of the images."""

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return images[::2].copy()


@dataclass(frozen=True, kw_only=True)
class WithoutShape(Pad):
    """Pads, and says that it does not."""

    def output_shape(self, in_shape: Any) -> Any:
        return in_shape


@dataclass(frozen=True, kw_only=True)
class SplitScale(Scale):
    """Scales bytes and leaves floats: right alone, wrong after what makes floats in training."""

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return super().images(images, rng) if images.dtype == np.uint8 else images


@dataclass(frozen=True, kw_only=True)
class Nowhere(Transform):
    """NaN in training."""

    training_only: ClassVar[bool] = True

    def images(self, images: Images, rng: np.random.Generator) -> Images:
        return images * np.float32(np.nan)


@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        ((CutsARow(), Scale()), "CutsARow: images are 1×27×28 in training, but 1×28×28 in"),
        ((Scale(), SaysItCuts()), "SaysItCuts: images are 1×27×28 in training, but 1×28×28 in"),
        ((Scale(), To255()), "To255: images span 0 to 255 in training, but 0 to 1 in evaluation"),
        ((To1(), Scale()), "To1: images span 0 to 1 in training, but 0 to 255 in evaluation"),
        ((ScalesBytesAlone(), Scale()), "ScalesBytesAlone: images span 0 to 1 in training"),
        ((Scale(), Negated()), "Negated: images span -1 to 0 in training, but 0 to 1 in"),
        ((Standardize(), Blanked()), "Blanked: images are blank in training, but not blank in"),
        ((RandomAffine(), SplitScale()), "SplitScale: images span 0 to 25"),
        ((Scale(), Nowhere()), "Nowhere: images are not finite in training, but finite in"),
        ((Scale(), ByteNoise()), "ByteNoise: images span 0 to "),
        ((UnitNoise(), Scale()), "UnitNoise: images span 0 to 1 in training, but 0 to 255 in"),
        ((Halved(),), "Halved: expected 64 images, found (32, 1, 28, 28)"),
        ((WithoutShape(padding=2),), "WithoutShape: expected images 1×28×28, found 1×32×32"),
        ((Scale(high=1e300),), "Scale: expected finite values, found NaN or infinite ones"),
        ((Standardize(std=1e-320),), "Standardize: expected finite values"),
    ],
    ids=str,
)
def test_what_evaluation_would_not_see_is_found(
    transforms: tuple[Transform, ...], expected: str
) -> None:
    assert fault(*transforms)[: len(expected)] == expected


@pytest.mark.parametrize(
    "distortion",
    [
        *(t for t in TRANSFORM_TWINS if t.training_only and type(t) not in (ByteNoise, UnitNoise)),
        RandomAffine(degrees=180, scale=(0.01, 100), shear=80, translate=(1, 1)),
        RandomAffine(degrees=15, scale=(0.9, 1.1)),
        Elastic(),
        Elastic(alpha=1e6, sigma=1000),
    ],
    ids=repr,
)
@pytest.mark.parametrize("after", [Scale(), Standardize(), OneHot(), Pad(padding=2, value=-1)])
def test_what_augments_is_left_alone(distortion: Transform, after: Transform) -> None:
    assert fault(distortion, after) == ""
    assert fault(after, distortion) == ""


def test_blank_images_have_no_scale() -> None:
    blank = np.zeros((5, 1, 4, 4), np.uint8)
    assert difference(blank, blank) == ""
    assert difference(blank[:0], blank[:0]) == ""
