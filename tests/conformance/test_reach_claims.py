"""What layers say that they read is compared with what changes their output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from lenetkit.arrays import Shape
from lenetkit.conformance.layer_claims import receptive_field_is_what_is_read
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import CheckFailed, CheckSkipped
from lenetkit.layers.activations import ReLU
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.composite import Composite
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.normalization import LayerNorm
from lenetkit.layers.pooling import GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.upsample2d import Upsample2d
from lenetkit.operations.reach import Reach, all_places, each_place

IMAGE = (2, 6, 7)


def check(layer: Layer, in_shape: Shape = IMAGE) -> None:
    receptive_field_is_what_is_read(LayerCase(layer, in_shape))


class Pair(Composite):
    def parts(self, in_shape: Shape) -> dict[str, Layer]:
        return {"conv": Conv2d(out_channels=2, kernel_size=3), "pool": MaxPool2d(kernel_size=2)}


@pytest.mark.parametrize(
    "layer",
    [
        ReLU(),
        Conv2d(out_channels=3, kernel_size=3, stride=2, padding=1),
        MaxPool2d(kernel_size=2, ceil_mode=True),
        GlobalAvgPool2d(),
        BatchNorm2d(),
        LayerNorm(),
        Flatten(),
        Upsample2d(scale_factor=2),
        Pair(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_is_right_passes(layer: Layer) -> None:
    check(layer)


@dataclass(frozen=True, kw_only=True)
class Claimed(Conv2d):
    def claim(self, in_shape: Shape) -> Any:
        raise NotImplementedError

    def receptive_field(self, in_shape: Shape) -> Any:
        return self.claim(in_shape)


class Unknown(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        return None


class Lists(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        told = self.window.reach(*in_shape[1:])
        return tuple(Reach(r.start.tolist(), r.stop.tolist()) for r in told)


class Everything(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        return all_places(in_shape, self.output_shape(in_shape))


class WithoutDilation(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        undilated = replace(self.window, dilation=(1, 1))
        size = self.window.output_size(*in_shape[1:])
        return tuple(
            Reach(r.start[:n], r.stop[:n])
            for r, n in zip(undilated.reach(*in_shape[1:]), size, strict=True)
        )


class OneTooMany(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        rows, columns = self.window.reach(*in_shape[1:])
        return rows, Reach(columns.start, (columns.stop + 1).clip(max=in_shape[2]))


class OneTooFew(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        rows, columns = self.window.reach(*in_shape[1:])
        return Reach(rows.start, rows.stop - 1), columns


class Exchanged(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        return self.window.reach(*in_shape[1:])[::-1]


class EachPlace(Claimed):
    def claim(self, in_shape: Shape) -> Any:
        return each_place(in_shape)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Everything,
            "row 0 of the output is said to read rows 0 to 5 of the input, but row 5 n",
        ),
        (OneTooMany, "column 0 of the output is said to read columns 0 to 3 of the input, but c"),
        (
            OneTooFew,
            "row 0 of the output is said to read rows 0 to 1 of the input, but row 2 c",
        ),
        (Exchanged, r"expected a tuple with a Reach for each axis of the input"),
        (EachPlace, r"expected a tuple with a Reach for each axis of the input"),
        (WithoutDilation, "with dilation=.*: receptive_field: row 0 of the output is said to read"),
    ],
)
def test_what_is_wrong_is_refused_in_words(layer: type[Claimed], message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        check(layer(out_channels=2, kernel_size=3))


def test_none_is_no_claim_and_lists_are_taken() -> None:
    with pytest.raises(CheckSkipped, match="receptive_field is None"):
        check(Unknown(out_channels=2, kernel_size=3))
    check(Lists(out_channels=2, kernel_size=3))
