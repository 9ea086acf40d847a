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
from lenetkit.registry.given import CLASS
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
        "pixels": json.dumps(None if data.pixels.is_any else [data.pixels.low, data.pixels.high]),
        "preparation": data.preparation,
        **({"labels": json.dumps(data.labels)} if data.labels else {}),
        **({"target_axes": f"{data.target_axes}"} if data.target_axes else {}),
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
    if not _is_shape(shape, len(plan.spec.input)):
        expected = "[features]" if len(plan.spec.input) == 1 else "[channels, height, width]"
        wrong.append(f"  image_shape: expected {expected}, found {_shown(shape)}")
    else:
        wrong += _unfit(tuple(shape), plan)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        wrong.append(f"  classes: expected a list of names, found {_shown(names)}")
    if "labels" in metadata and not _are_labels(labels := _json(metadata, "labels"), plan.classes):
        expected = f"{plan.classes:,} different whole numbers, strings or booleans"
        wrong.append(f"  labels: expected {expected}, found {_shown(labels)}")
    axes = ("1", "2") if plan.classes == 1 else ("2",)
    if metadata.get("target_axes", "2") not in axes:
        found = _shown(metadata["target_axes"])
        wrong.append(f"  target_axes: expected {' or '.join(axes)}, found {found}")
    pixels = _json({"pixels": "[0, 255]", **metadata}, "pixels")
    any_scale = pixels is None and len(plan.spec.input) == 1
    if not any_scale and not _is_range(pixels):
        found = metadata["pixels"]
        wrong.append(f"  pixels: expected two numbers, low and high, found {_shown(found)}")
    digests = _json({"dataset_digest": "{}", **metadata}, "dataset_digest")
    if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
        wrong.append(f"  dataset_digest: expected a digest for each set, found {_shown(digests)}")
    preparation, known = metadata.get("preparation", _ABSENT), get_args(Preparation)
    if preparation not in known:
        wrong.append(f"  preparation: expected {' or '.join(known)}, found {_shown(preparation)}")
    return wrong


def measured(metadata: Mapping[str, str]) -> dict[str, float]:
    """The figures of the epoch whose weights these are; those that are none are left out."""
    figures = _json(metadata, "metrics")
    known = figures.items() if isinstance(figures, dict) else ()
    return {name: value for name, value in known if type(value) in (int, float)}


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
            else f"pass plugins=[…] from Python, with the class of {name} that the model was made "
            "with"
            if version == CLASS
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


def _is_shape(shape: Any, axes: int) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == axes
        and all(type(size) is int and 0 < size <= _MAX_IMAGE_SIZE for size in shape)
    )


def _is_range(pixels: Any) -> bool:
    return (
        isinstance(pixels, list)
        and len(pixels) == 2
        and all(type(value) in (int, float) and math.isfinite(value) for value in pixels)
        and pixels[0] < pixels[1]
    )


def _are_labels(labels: Any, count: int) -> bool:
    """Whether they are so many different labels of one type, in 64 bits if numbers."""
    if not isinstance(labels, list) or len(labels) != count:
        return False
    kinds = {type(label) for label in labels}
    if not any(kinds <= alike for alike in ({str}, {bool}, {int, float})):
        return False
    numbers = [label for label in labels if not isinstance(label, str)]
    top = 1 << (63 if any(label < 0 for label in numbers) else 64)
    within = all(-(1 << 63) <= label < top for label in numbers)  # not so for NaN
    return within and len(set(labels)) == count


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
