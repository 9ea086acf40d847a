"""Random images that suit the network: measuring speed takes no data set."""

from __future__ import annotations

import math

import numpy as np

from lenetkit.arrays import shape_text
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Samples
from lenetkit.errors import InputError
from lenetkit.network.plan import Plan
from lenetkit.profiling.profile import EPOCH
from lenetkit.training.data import TrainingData

_MAX_BYTES = 1 << 26
"""Memory for the images, unless one batch needs more: too much for any cache."""


def random_data(plan: Plan, batch_size: int) -> TrainingData:
    """Whole batches of uint8 images: an epoch's worth, if memory allows.

    Raises InputError if no image shape is found that the spec's transforms turn into its input.
    """
    transforms = plan.spec.data.options.transforms
    pipeline, wanted = Pipeline(transforms, plan.classes), plan.spec.input
    shape = pipeline.input_shape(wanted)
    if shape is None:
        grown = shape_text(pipeline.output_shape(wanted))
        raise InputError(
            f"data.transforms: these turn {shape_text(wanted)} into {grown}, and no image shape "
            f"was found that they turn into the spec's input {shape_text(wanted)}; leave out those "
            "that change the shape: --set 'data.transforms=[scale]'"
        )
    most = min(EPOCH, _MAX_BYTES // math.prod(shape))
    count = max(most // batch_size, 1) * batch_size
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    labels = rng.integers(0, plan.classes, count)
    classes = tuple(map(str, range(plan.classes)))
    samples = Samples(images, labels, "random images", classes)
    pipeline = Pipeline(transforms, plan.classes).fitted(images)
    return TrainingData(samples, samples.take(slice(0, 1)), None, pipeline, "resize")
