"""What a step was found to take. Times are seconds, each the median of all steps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

EPOCH = 60_000
"""Images of an epoch, in `Profile.epoch_seconds`: as many as MNIST has."""


@dataclass(frozen=True)
class StepProfile:
    """One layer, or several that the kernels run as one."""

    name: str
    """`pool1`; of fused layers `conv1+relu1+pool1`."""
    first: int
    """Index in the plan of the first layer."""
    forward: float
    forward_flops: int
    """Two a multiply-add with a weight, for the whole batch."""
    backward: float | None
    """None in inference, as for all that only training does."""
    backward_flops: int
    """Those of the weights' and the input's gradients, where they are computed."""
    scratch_bytes: int
    """Memory that the layer holds between passes."""
    algorithm: str
    """In the kernel set's own words; empty where it has none."""

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return self.forward + (self.backward or 0.0)


@dataclass(frozen=True)
class Profile:
    """A whole step and its parts."""

    kernels: str
    batch_size: int
    threads: int
    count: int
    """Steps measured."""
    batch: float
    """Picking, converting and transforming the images."""
    steps: tuple[StepProfile, ...]
    loss: float | None
    """Labels, loss, accuracy and the gradient of the outputs."""
    update: float | None
    """The optimizer."""
    whole: float
    """A whole step: near the sum of the parts, which are medians of their own."""
    quartiles: tuple[float, float]
    """A quarter of the steps took less than the first, a quarter more than the second."""
    peak_bytes: int
    """Most memory held at once, the data set left out."""

    @property
    def parts(self) -> float:
        """The sum of all parts, of which shares are taken."""
        layers = sum(step.seconds for step in self.steps)
        return self.batch + layers + (self.loss or 0.0) + (self.update or 0.0)

    @property
    def images_per_second(self) -> float:
        """How many images pass in a second."""
        return self.batch_size / self.whole

    @property
    def epoch_seconds(self) -> float:
        """Seconds for `EPOCH` images."""
        return math.ceil(EPOCH / self.batch_size) * self.whole


def common_groups(profiles: list[Profile]) -> list[list[tuple[StepProfile, ...]]]:
    """The steps of several kernel sets side by side, however differently each fuses layers.

    A list a group, the smallest that no kernel set's fused layers straddle; in it, the steps of
    each profile.
    """
    starts = set.intersection(*({step.first for step in p.steps} for p in profiles))
    edges = [*sorted(starts), math.inf]
    return [
        [tuple(step for step in p.steps if first <= step.first < end) for p in profiles]
        for first, end in itertools.pairwise(edges)
    ]
