"""What a step takes. Times are in seconds, each the median over all steps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

EPOCH = 60_000
"""Images in the epoch of `Profile.epoch_seconds`: as many as MNIST has."""


@dataclass(frozen=True)
class StageProfile:
    """One layer, or several that the kernels run as one."""

    name: str
    """`pool1`, or `conv1+relu1+pool1` for fused layers."""
    first: int
    """Index of the first layer in the plan."""
    forward_seconds: float
    forward_flops: int
    """Two for each multiply-add with a weight, for the whole batch."""
    backward_seconds: float | None
    """None in inference, and where nothing before the layer, nor the layer, is trained."""
    backward_flops: int
    """For the gradients of the weights and of the input, where they are computed."""
    scratch_bytes: int
    """Memory that the layer keeps between passes."""
    algorithm: str
    """In the kernel set's own words; may be empty."""

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return self.forward_seconds + (self.backward_seconds or 0.0)

    @property
    def forward_gflops(self) -> float | None:
        """GFLOP/s; None where there is nothing to count."""
        return _rate(self.forward_flops, self.forward_seconds)

    @property
    def backward_gflops(self) -> float | None:
        """GFLOP/s; None where there is nothing to count."""
        return _rate(self.backward_flops, self.backward_seconds)


def _rate(flops: int, seconds: float | None) -> float | None:
    return flops / seconds / 1e9 if flops and seconds else None


@dataclass(frozen=True)
class Profile:
    """A whole step and its parts."""

    kernels: str
    batch_size: int
    threads: int
    steps: int
    """Steps measured."""
    batch_seconds: float
    """Picking, converting and transforming the images."""
    stages: tuple[StageProfile, ...]
    loss_seconds: float | None
    """Labels, loss, accuracy and the gradient of the outputs."""
    update_seconds: float | None
    """The optimizer."""
    step_seconds: float
    """A whole step: close to the sum of its parts, which are medians of their own."""
    step_quartiles: tuple[float, float]
    """The first and third quartile of whole steps."""
    peak_bytes: int
    """Peak memory, without the data set."""

    @property
    def parts_seconds(self) -> float:
        """The sum of all parts, which shares are relative to."""
        layers = sum(stage.seconds for stage in self.stages)
        return self.batch_seconds + layers + (self.loss_seconds or 0) + (self.update_seconds or 0)

    @property
    def disturbed(self) -> bool:
        """Whether whole steps take so much longer than their parts that something interrupts."""
        return self.step_seconds > 1.25 * self.parts_seconds

    @property
    def images_per_second(self) -> float:
        """Images processed per second."""
        return self.batch_size / self.step_seconds

    @property
    def epoch_seconds(self) -> float:
        """Seconds for `EPOCH` images."""
        return math.ceil(EPOCH / self.batch_size) * self.step_seconds


def common_groups(profiles: list[Profile]) -> list[list[tuple[StageProfile, ...]]]:
    """The stages of several kernel sets side by side, however each of them fuses layers.

    Each group holds the stages of every profile for the smallest range of layers that starts and
    ends with a stage in all of them.
    """
    starts = set.intersection(*({stage.first for stage in p.stages} for p in profiles))
    edges = [*sorted(starts), math.inf]
    return [
        [tuple(s for s in p.stages if first <= s.first < end) for p in profiles]
        for first, end in itertools.pairwise(edges)
    ]
