"""Whether the same images are alike in training and in evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import shape_text
from lenetkit.data.pipeline import Pipeline
from lenetkit.data.transforms import Images, Labels, Transform

_BEYOND = 0.5
"""How far beyond the range of evaluation most values of an image may lie, as a part of it."""
_DULL = 0.05
"""Images that span less of their range than this are on another scale, unless they are blank."""
_FEW = 0.05
"""So many of the images may be unlike the others."""


def first_fault(
    pipeline: Pipeline, images: Images, labels: Labels, rng: np.random.Generator
) -> tuple[Transform, str] | None:
    """The first transform that fails on some images, and why; None if all do what they must.

    Images have the declared shape and are finite, in training as in evaluation, and alike in both;
    labels are class numbers (N,) or rows (N, classes).
    """
    trained = evaluated = images
    rows = ((len(labels),), (len(labels), pipeline.classes))
    for transform in pipeline.transforms:
        shape, only = evaluated.shape[1:], transform.training_only
        if not only:
            shape = transform.output_shape(shape)
            evaluated = transform.images(evaluated, rng)
        trained = transform.images(trained, rng)
        labels = transform.labels(labels, pipeline.classes)
        for found in (trained, evaluated):
            if not isinstance(found, np.ndarray) or found.shape != (len(images), *shape):
                what = getattr(found, "shape", type(found).__name__)
                return transform, f"expected images {(len(images), *shape)}, found {what}"
        if not np.isfinite(evaluated).all():
            return transform, "expected finite values, found NaN or infinite ones"
        if problem := difference(trained, evaluated):
            return transform, problem
        if np.shape(labels) not in rows:
            return transform, f"expected labels {rows[0]} or {rows[1]}, found {np.shape(labels)}"
    return None


def difference(training: NDArray[Any], evaluation: NDArray[Any]) -> str:
    """How some images (N, …) differ in kind from the same ones in evaluation; empty if alike.

    What transforms for training may do: move pixels, cover some, add noise, change brightness and
    contrast. What they may not: change the shape or the scale, or lose the image.
    """
    if training.shape != evaluation.shape:
        return _in_both("are", shape_text(training.shape[1:]), shape_text(evaluation.shape[1:]))
    trained, shown = (
        values.reshape(len(values), -1).astype(np.float64) for values in (training, evaluation)
    )
    if not trained.size or not np.isfinite(shown).all():
        return ""
    if not np.isfinite(trained).all():
        return _in_both("are", "not finite", "finite")
    low, high = float(shown.min()), float(shown.max())
    most = np.quantile(trained, (0.01, 0.99), axis=1)
    room = _BEYOND * (high - low)
    spans = np.ptp(trained, axis=1)
    unlike = {
        "beyond": (most[0] < low - room) | (most[1] > high + room),
        "dull": (spans > 0) & (spans < _DULL * np.ptp(shown, axis=1)),
    }
    if high > low and any(rows.mean() > _FEW for rows in unlike.values()):
        span = f"{trained.min():.5g} to {trained.max():.5g}"
        return _in_both("span", span, f"{low:.5g} to {high:.5g}")
    if (np.ptp(shown, axis=1) > 0).mean() > _FEW > (spans > 0).mean():
        return _in_both("are", "blank", "not blank")
    return ""


def _in_both(verb: str, training: str, evaluation: str) -> str:
    return f"images {verb} {training} in training, but {evaluation} in evaluation"
