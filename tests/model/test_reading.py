"""What is read in a picture file, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import lenetkit
from lenetkit.model.model import Model
from lenetkit.model.reading import read_file
from lenetkit.plots.page import save_figure
from lenetkit.plots.readings import readings_figure

PHOTOS = Path(__file__).parents[1] / "support" / "field" / "photos"


class Sure(Model):
    """Calls every image a 4, as sure as it is told."""

    sureness = 0.97

    def read(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        answer = np.full((len(pictures), 10), (1 - self.sureness) / 9, np.float32)
        answer[:, 4] = self.sureness
        return answer


@pytest.fixture
def model() -> Sure:
    return Sure(lenetkit.build("lenet5").plan)


def test_one_digit(model: Sure) -> None:
    reading = read_file(model, PHOTOS / "underlined" / "4.jpg")
    assert (reading.label, reading.reason) == ("4", "")
    (digit,) = reading.digits
    assert digit.probabilities.shape == (10,)
    assert digit.image.shape == (1, 28, 28)
    left, top, right, bottom = digit.box
    assert 0 < left < right < 480
    assert 0 < top < bottom < 360


def test_several_digits_are_one_label(model: Sure) -> None:
    reading = read_file(model, PHOTOS / "several" / "2026.jpg")
    assert reading.label == "4444"
    assert reading.weakest in reading.digits


def test_a_digit_that_no_class_fits_is_refused(model: Sure) -> None:
    model.sureness = 0.45
    reading = read_file(model, PHOTOS / "control" / "4.jpg")
    assert reading.label is None
    assert reading.digits == ()
    assert len(reading.found) == 1  # for the picture
    assert reading.reason.endswith("4.jpg: not certain what it shows: 4 at only 45%")


def test_a_file_that_is_no_picture_is_refused(model: Sure, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello", "utf-8")
    reading = read_file(model, tmp_path / "a.png")
    assert reading.reason.endswith("a.png: is a text file; expected a PNG, JPEG or similar")
    assert (reading.label, reading.weakest, reading.found) == (None, None, ())


def test_resized_pictures_are_read_whole(model: Sure, tmp_path: Path) -> None:
    model.metadata["preparation"] = "resize"
    picture = Image.new("RGB", (90, 60), (200, 30, 30))
    picture.save(tmp_path / "blank.png")
    ImageDraw.Draw(picture).rectangle((0, 0, 45, 60), fill=(0, 0, 0))
    picture.save(tmp_path / "half.png")
    reading = read_file(model, tmp_path / "half.png")
    assert reading.label == "4"
    assert reading.digits[0].box == (0, 0, 90, 60)
    model.sureness = 0.2
    assert read_file(model, tmp_path / "half.png").label == "4"
    blank = read_file(model, tmp_path / "blank.png")
    assert "blank.png: every pixel is the same; expected a picture that shows" in blank.reason


def test_the_picture_shows_each_answer_and_each_reason(model: Sure, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello", "utf-8")
    paths = [PHOTOS / "several" / "42.jpg", PHOTOS / "flash" / "2.jpg", tmp_path / "a.png"]
    readings = [read_file(model, path) for path in paths]
    figure = readings_figure(readings, dataset="MNIST")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "42.jpg" in texts
    assert "44: 97.0% · 97.0%" in texts
    assert any("text file" in text for text in texts)
    assert "not a picture" in texts
    images = [image for axes in figure.axes for image in axes.images]
    assert len(images) == 2 + 3  # pictures, and what the network saw
    assert save_figure(figure, tmp_path / "show.png").stat().st_size > 10_000
