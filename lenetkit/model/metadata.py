"""The metadata of a model file, and its validation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, get_args

from lenetkit.arrays import shape_text
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.source import Preparation
from lenetkit.errors import LenetkitError
from lenetkit.network.plan import Plan
from lenetkit.registry.catalog import BUILTIN
from lenetkit.text import printable
from lenetkit.training.data import TrainingData
from lenetkit.values import show

_ABSENT = object()
_MAX_IMAGE_SIZE = 1 << 28
"""An image with a larger side is taken for a mistake."""


def provenance(data: TrainingData) -> dict[str, str]:
    """What a model file records of the training data."""
    samples = data.train
    return {
        "dataset": samples.dataset,
        "dataset_digest": json.dumps(data.digests()),
        "classes": json.dumps(samples.classes, ensure_ascii=False),
        "image_shape": json.dumps(samples.images.shape[1:]),
        "pixels": json.dumps([data.pixels.low, data.pixels.high]),
        "preparation": data.preparation,
    }


def untrained(plan: Plan) -> dict[str, str]:
    """What is known of images and classes before training."""
    data = plan.spec.data
    pipeline = Pipeline(data.options.transforms, plan.classes)
    shape = pipeline.input_shape(plan.spec.input) if len(plan.spec.input) == 3 else None
    return {
        "dataset": "nothing",
        "classes": "[]",
        "image_shape": json.dumps(shape or plan.spec.input),
        "preparation": data.options.preparation or data.source.preparation or "resize",
    }


def image_problems(metadata: Mapping[str, str], plan: Plan) -> list[str]:
    """What is wrong with the metadata on images and classes, a line each."""
    wrong = []
    shape, names = _json(metadata, "image_shape"), _json(metadata, "classes")
    if not _is_shape(shape):
        wrong.append(f"  image_shape: expected [channels, height, width], found {_shown(shape)}")
    else:
        wrong += _unfit(tuple(shape), plan)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        wrong.append(f"  classes: expected a list of names, found {_shown(names)}")
    if not _is_range(_json({"pixels": "[0, 255]", **metadata}, "pixels")):
        found = metadata["pixels"]
        wrong.append(f"  pixels: expected two numbers, low and high, found {_shown(found)}")
    digests = _json({"dataset_digest": "{}", **metadata}, "dataset_digest")
    if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
        wrong.append(f"  dataset_digest: expected a digest for each set, found {_shown(digests)}")
    preparation, known = metadata.get("preparation", _ABSENT), get_args(Preparation)
    if preparation not in known:
        wrong.append(f"  preparation: expected {' or '.join(known)}, found {_shown(preparation)}")
    return wrong


def missing_providers(metadata: Mapping[str, str]) -> str:
    """What to install or pass so that the types of a model can be found."""
    wanted = _json(metadata, "providers")
    try:
        makers = sorted({(str(n), str(version)) for n, version in wanted.values() if n != BUILTIN})
    except (AttributeError, TypeError, ValueError):
        return ""
    steps = [
        printable(
            f"pass --plugin {name} (the model was made with {version} of it)"
            if name.endswith(".py")
            else f"install {name} (the model was made with {version})"
        )
        for name, version in makers
    ]
    return "".join(f"\n  {step}" for step in steps)


def _json(metadata: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(metadata[key])
    except (KeyError, RecursionError, ValueError):
        return _ABSENT


def _shown(value: Any) -> str:
    return "nothing readable" if value is _ABSENT else show(value)


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == 3
        and all(type(size) is int and 0 < size <= _MAX_IMAGE_SIZE for size in shape)
    )


def _is_range(pixels: Any) -> bool:
    return (
        isinstance(pixels, list)
        and len(pixels) == 2
        and all(type(value) in (int, float) and math.isfinite(value) for value in pixels)
        and pixels[0] < pixels[1]
    )


def _unfit(shape: tuple[int, ...], plan: Plan) -> list[str]:
    """Why images of that shape do not fit the network, if they do not."""
    pipeline = Pipeline(plan.spec.data.options.transforms, plan.classes)
    try:
        arrives = pipeline.output_shape(shape)
    except LenetkitError as error:
        return [f"  image_shape: {shape_text(shape)}: {error}"]
    if arrives == plan.spec.input:
        return []
    expected = shape_text(plan.spec.input)
    return [
        f"  image_shape: {shape_text(shape)} reaches the network as {shape_text(arrives)}; "
        f"its input is {expected}"
    ]
