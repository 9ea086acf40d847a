"""Reading picture files with a model: what was found, and how sure the model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenetkit.data.digits import Prepared, load_digits
from lenetkit.data.images import naming, read_picture, resize
from lenetkit.data.readings import Digit, Reading
from lenetkit.errors import ImageError
from lenetkit.model.model import Model
from lenetkit.text import printable

MIN_PROBABILITY = 0.5
"""A digit in a picture is not read if no class is more likely than not."""
MIN_RANGE = 1 / 255
"""A picture that varies less is blank."""


def read_file(model: Model, path: Path) -> Reading:
    """What a model reads in a picture file; a picture that cannot be read is a refusal."""
    try:
        if model.is_regression:
            raise ImageError("the model gives real numbers, not classes; call its predict()")
        if len(shape := model.image_shape) != 3:
            raise ImageError(f"the model takes rows of {shape[0]:,} features, not pictures")
        channels, *size = shape
        if model.preparation == "digit" and channels == 1:
            return _judged(path, _digits(model, load_digits(path, (size[0], size[1]))))
        return Reading(path, _digits(model, _whole(model, path)))
    except ImageError as error:
        return Reading(path, reason=str(error))


def _whole(model: Model, path: Path) -> list[Prepared]:
    """The whole picture, resized."""
    picture = read_picture(path)
    with naming(path):
        if np.ptp(picture.pixels, axis=(1, 2)).max() < MIN_RANGE:
            raise ImageError("every pixel is the same; expected a picture that shows something")
        channels, height, width = model.image_shape
        image = resize(picture.pixels, (channels, height, width))
    return [Prepared(image[None], (0.0, 0.0, float(picture.width), float(picture.height)))]


def _digits(model: Model, prepared: list[Prepared]) -> tuple[Digit, ...]:
    digits = []
    for one in prepared:
        images = one.images.reshape(-1, *model.image_shape)
        mean = model.read(images).mean(axis=0)
        digits.append(Digit(model.classes[int(mean.argmax())], mean, one.box, images[0]))
    return tuple(digits)


def _judged(path: Path, digits: tuple[Digit, ...]) -> Reading:
    """Refused if one of the digits may well be another."""
    doubtful = [
        f"{printable(digit.label)} at only {digit.probabilities.max():.0%}"
        for digit in digits
        if round(float(digit.probabilities.max()), 2) < MIN_PROBABILITY
    ]
    reason = f"{printable(path)}: not certain what it shows: {', '.join(doubtful)}"
    return Reading(path, digits, reason if doubtful else "")
