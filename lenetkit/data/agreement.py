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
"""Images that span less of their range than this are on another scale, unless nearly blank."""
_FEW = 0.05
"""So many of the images may lie beyond the range, or not be blank where the others are."""
_SOME = 0.25
"""So many may be dull: moving and zooming can leave a fraction of a pixel."""


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
        with np.errstate(all="ignore"):  # what comes of it is judged below
            shape, trained = evaluated.shape[1:], transform.images(trained, rng)
            if not transform.training_only:
                shape = transform.output_shape(shape)
                evaluated = transform.images(evaluated, rng)
            labels = transform.labels(labels, pipeline.classes)
        for found in (evaluated, trained):
            if not isinstance(found, np.ndarray) or len(found) != len(images):
                what = getattr(found, "shape", type(found).__name__)
                return transform, f"expected {len(images)} images, found {what}"
        if evaluated.shape[1:] != shape:
            found_shape = shape_text(evaluated.shape[1:])
            return transform, f"expected images {shape_text(shape)}, found {found_shape}"
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
    if not training.size or not np.isfinite(evaluation).all():
        return ""
    trained, shown = (
        values.reshape(len(values), -1).astype(np.float64) for values in (training, evaluation)
    )
    if not np.isfinite(trained).all():
        return _in_both("are", "not finite", "finite")
    low, high = float(shown.min()), float(shown.max())
    room, most = _BEYOND * (high - low), np.quantile(trained, (0.01, 0.99), axis=1)
    beyond = (most[0] < low - room) | (most[1] > high + room)
    spans, shown_spans = np.ptp(trained, axis=1), np.ptp(shown, axis=1)
    inked = (trained > trained.min(axis=1, keepdims=True)).mean(axis=1)
    dull = (spans < _DULL * shown_spans) & (inked > _DULL)
    for unlike, few in ((beyond, _FEW), (dull, _SOME)):
        if high > low and unlike.mean() > few:
            return _in_both("span", _span(trained[unlike]), _span(shown[unlike]))
    if (shown_spans > 0).mean() > _FEW > (spans > 0).mean():
        return _in_both("are", "blank", "not blank")
    return ""


def _span(values: NDArray[Any]) -> str:
    return f"{values.min() + 0.0:.5g} to {values.max() + 0.0:.5g}"  # + 0.0: no -0


def _in_both(verb: str, training: str, evaluation: str) -> str:
    return f"images {verb} {training} in training, but {evaluation} in evaluation"
