"""Photos: finding the digits in them, with OpenCV and without. No network is needed for that."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

import phone_photos
from lenetkit.data.digits import load_digits
from lenetkit.data.strokes import draw_digits
from lenetkit.errors import ImageError

PHOTOS = Path(__file__).parents[1] / "support" / "field" / "photos"
KINDS = sorted(folder.name for folder in PHOTOS.iterdir())
SINGLE = [kind for kind in KINDS if kind != "several"]


def page(width: int = 480, height: int = 360) -> Image.Image:
    return Image.new("RGB", (width, height), (236, 233, 226))


def seven(draw: ImageDraw.ImageDraw, x: int, y: int, size: int, pen: int) -> None:
    points = [(x, y), (x + 0.6 * size, y), (x + 0.2 * size, y + size)]
    draw.line(points, fill=(30, 40, 120), width=pen, joint="curve")


def saved(picture: Image.Image, folder: Path) -> Path:
    picture.save(folder / "a.png")
    return folder / "a.png"


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean difference in grey levels, wherever the other lies within two pixels."""
    moves = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
    shifted = [np.roll(other, move, (0, 1)).astype(float) for move in moves]
    return min(float(np.abs(one - moved).mean()) for moved in shifted)


def without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, "lenetkit.data.photos", raising=False)
    monkeypatch.delattr("lenetkit.data.photos", raising=False)


# The same strokes on a bare page and among what is round them


@pytest.fixture(scope="module")
def bare() -> list[NDArray[np.uint8]]:
    """The digits 0 … 9, from bare pages."""
    return [load_digits(PHOTOS / "control" / f"{n}.jpg")[0].images[0] for n in range(10)]


def nearest(image: NDArray[np.uint8], images: list[NDArray[np.uint8]]) -> int:
    return int(np.argmin([apart(image, other) for other in images]))


@pytest.mark.parametrize("kind", [kind for kind in SINGLE if kind != "control"])
def test_what_is_not_the_digit_is_not_ink(kind: str, bare: list[NDArray[np.uint8]]) -> None:
    for number in range(10):
        (found,) = load_digits(PHOTOS / kind / f"{number}.jpg")
        assert nearest(found.images[0], bare) == number
        assert apart(found.images[0], bare[number]) < 18  # other digits: 25 and more


@pytest.mark.parametrize("name", ["42", "2026"])
def test_several_digits_are_found_from_left_to_right(
    name: str, bare: list[NDArray[np.uint8]]
) -> None:
    found = load_digits(PHOTOS / "several" / f"{name}.jpg")
    assert len(found) == len(name)
    lefts = [digit.box[0] for digit in found]
    assert lefts == sorted(lefts)
    assert [str(nearest(digit.images[0], bare)) for digit in found] == list(name)


def synthetic(labels: Sequence[int], seed: int) -> NDArray[np.uint8]:
    return draw_digits(np.array(labels), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", phone_photos.KINDS)
def test_simulated_photos(kind: str, tmp_path: Path) -> None:
    labels = [3, 0, 7] if kind == "several" else [3]
    rng = np.random.default_rng(phone_photos.KINDS.index(kind))
    photo = phone_photos.take(kind, list(synthetic(labels, 4)), rng)
    assert len(load_digits(saved(photo, tmp_path))) == len(labels)


def test_boxes_are_in_pixels_of_the_upright_picture(tmp_path: Path) -> None:
    picture = page(4000, 3000)
    seven(ImageDraw.Draw(picture), 1000, 2000, 600, 50)
    (found,) = load_digits(saved(picture, tmp_path))
    np.testing.assert_allclose(found.box, (1000, 2000, 1360, 2600), atol=50)
    note = Image.Exif()
    note[0x0112] = 6
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / "b.jpg", exif=note)
    (turned,) = load_digits(tmp_path / "b.jpg")
    np.testing.assert_allclose(turned.box, found.box, atol=20)


# Never a sure wrong digit


def cut_off(draw: ImageDraw.ImageDraw) -> None:
    draw.line([(-10, 180), (200, 180), (120, 400)], fill=(30, 40, 120), width=8)


def empty_box(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((150, 100, 300, 220), outline=(30, 30, 30), width=3)
    draw.rectangle((0, 0, 480, 40), fill=(60, 40, 30))


def two_sizes(draw: ImageDraw.ImageDraw) -> None:
    seven(draw, 60, 60, 200, 10)
    seven(draw, 350, 250, 60, 10)


def dash(draw: ImageDraw.ImageDraw) -> None:
    draw.line([(150, 180), (330, 182)], fill=(30, 40, 120), width=8)
    draw.rectangle((0, 0, 480, 40), fill=(60, 40, 30))


def crowd(draw: ImageDraw.ImageDraw) -> None:
    for number in range(14):
        seven(draw, 25 + 31 * number, 150, 30, 3)


@pytest.mark.parametrize(
    ("add", "reason"),
    [
        (cut_off, "the ink touches the edge of the picture; leave some paper round the digit"),
        (empty_box, "nothing but lines, frames or specks; expected a picture of a digit"),
        (two_sizes, "2 marks that are not a row of digits of one size"),
        (dash, "a mark much broader than tall; expected a digit"),
        (crowd, "14 separate marks; expected at most 12 digits"),
    ],
)
def test_refusals(add, reason: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    picture = page()
    add(ImageDraw.Draw(picture))
    with pytest.raises(ImageError, match=f"a.png: {reason}"):
        load_digits(saved(picture, tmp_path))


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (90, 20, 200)])
def test_a_blank_picture_is_refused(colour: tuple[int, int, int], tmp_path: Path) -> None:
    picture = Image.new("RGB", (300, 200), colour)
    with pytest.raises(ImageError, match="nothing stands out from the background"):
        load_digits(saved(picture, tmp_path))


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (700, 2), (65, 65)])
@pytest.mark.parametrize("seed", [0, 1])
def test_odd_pictures_are_read_or_refused(size: tuple[int, int], seed: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    with contextlib.suppress(ImageError):
        for digit in load_digits(saved(Image.fromarray(noise), tmp_path)):
            assert digit.images.shape[1:] == (28, 28)


@pytest.mark.parametrize("size", [(32, 32), (14, 20)])
def test_other_sizes(size: tuple[int, int]) -> None:
    (found,) = load_digits(PHOTOS / "form-box" / "3.jpg", size)
    assert found.images.shape == (3, *size)


# A plain install


def test_plain_installs_read_bare_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    without_opencv(monkeypatch)
    for number in range(10):
        (found,) = load_digits(PHOTOS / "control" / f"{number}.jpg")
        assert found.images.shape == (3, 28, 28)


@pytest.mark.parametrize(
    ("picture", "doubt"),
    [
        ("dark-table/3", "the ink reaches the edge|something dark lies on the paper"),
        ("hand-shadow/5", "a shadow, a reflection or something dark lies on the paper"),
        ("flash/2", "a shadow, a reflection or something dark|some marks are darker"),
        ("several/42", "more ink beside|several marks"),
    ],
)
def test_plain_installs_say_what_the_extra_would_read(
    picture: str, doubt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_opencv(monkeypatch)
    with pytest.raises(
        ImageError, match=rf'({doubt}).*; to read such photos: pip install "lenetkit\[photos\]"'
    ):
        load_digits(PHOTOS / f"{picture}.jpg")


# Furniture of other shapes than in the photos above


def same_as_alone(picture: Image.Image, folder: Path) -> bool:
    alone = page(640, 480)
    seven(ImageDraw.Draw(alone), 280, 150, 130, 9)
    (expected,) = load_digits(saved(alone, folder))
    (found,) = load_digits(saved(picture, folder))
    return apart(found.images[0], expected.images[0]) < 12


def test_a_digit_underlined_twice(tmp_path: Path) -> None:
    picture = page(640, 480)
    draw = ImageDraw.Draw(picture)
    seven(draw, 280, 150, 130, 9)
    for y in (310, 328):
        draw.line([(260, y), (380, y)], fill=(30, 40, 120), width=8)
    assert same_as_alone(picture, tmp_path)


def test_a_digit_across_the_middle_of_broad_rules(tmp_path: Path) -> None:
    picture = page(640, 480)
    draw = ImageDraw.Draw(picture)
    for y in range(20, 480, 40):
        draw.line([(0, y), (640, y + 4)], fill=(120, 160, 200), width=5)
    seven(draw, 280, 150, 130, 9)
    assert same_as_alone(picture, tmp_path)


def test_a_small_shadow_is_not_the_digit(tmp_path: Path) -> None:
    picture = page(640, 480)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((240, 130, 330, 220), fill=(150, 148, 143))
    seven(draw, 280, 150, 130, 9)
    blurred = picture.filter(ImageFilter.GaussianBlur(1.5))
    assert same_as_alone(blurred, tmp_path)


@pytest.mark.parametrize("tail", [14, 20, 26])
def test_a_filled_loop_is_not_cut_from_its_tail(tail: int, tmp_path: Path) -> None:
    """A 9 with a loop of ink is read whole or refused; its tail alone would be a sure 1."""
    picture = page(640, 640)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((170, 170, 310, 285), fill=(30, 40, 50))
    draw.line([(300, 225), (338, 300), (332, 420)], fill=(30, 40, 50), width=tail, joint="curve")
    with contextlib.suppress(ImageError):
        (found,) = load_digits(saved(picture, tmp_path))
        left, top, right, bottom = found.box
        assert right - left > 150
        assert bottom - top > 230


@pytest.mark.parametrize("plain", [False, True])
def test_two_lines_of_digits_are_refused(
    plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plain:
        without_opencv(monkeypatch)
    picture = page(500, 700)
    for y in (60, 360):
        seven(ImageDraw.Draw(picture), 180, y, 200, 12)
    with pytest.raises(ImageError, match="marks"):
        load_digits(saved(picture, tmp_path))
