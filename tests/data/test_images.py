"""Pictures read from files and prepared as MNIST's."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lenetkit.data.digits import load_digits, prepare_digit
from lenetkit.data.images import find_images, load_resized, read_image, resize
from lenetkit.data.ink import to_gray
from lenetkit.errors import ImageError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def load_digit(path: Path) -> Bytes:
    """The only digit of a picture file, as the network sees it first."""
    (digit,) = load_digits(path)
    return digit.images[0]


def drawn(
    side: int = 240, pen: int = 20, scale: float = 0.5, at: tuple[float, float] = (0.3, 0.25)
) -> Bytes:
    """A `4`, dark on light, its box `scale` of the page's side, its corner `at` (x, y)."""
    page = Image.new("L", (side, side), 255)
    pen_down = ImageDraw.Draw(page)
    strokes = [[(0.6, 0.0), (0.0, 0.6), (0.8, 0.6)], [(0.6, 0.3), (0.6, 1.0)]]
    for stroke in strokes:
        points = [((at[0] + x * scale) * side, (at[1] + y * scale) * side) for x, y in stroke]
        pen_down.line(points, fill=0, width=pen, joint="curve")
    return np.asarray(page)


def difference(one: Bytes, other: Bytes) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(one.astype(float) - other).mean())


def box_of(digit: Bytes) -> tuple[int, int]:
    rows, columns = np.nonzero(digit > 64)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def centre_of(digit: Bytes) -> list[float]:
    return [float((digit * along).sum() / digit.sum()) for along in np.indices(digit.shape)]


@pytest.fixture(scope="module")
def mnist() -> Bytes:
    """MNIST's first 100 test pictures, (N, 28, 28)."""
    folder = os.environ.get("LENETKIT_DATA")
    if not folder:
        pytest.skip("needs MNIST: set LENETKIT_DATA to the folder that holds it")
    file = next(Path(folder).rglob("t10k-images*ubyte.gz"), None)
    if file is None:
        pytest.skip(f"no t10k-images file under LENETKIT_DATA ({folder})")
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, 100 * 784, 16).reshape(
        -1, 28, 28
    )


# Preparation


def test_box_is_20_and_mass_is_central() -> None:
    digit = prepare_digit(drawn())
    assert digit.shape == (28, 28)
    assert digit.dtype == np.uint8
    assert max(box_of(digit)) == 20
    assert all(13.5 <= centre < 14.5 for centre in centre_of(digit))
    assert digit.max() == 255
    assert digit[0, 0] == digit[-1, -1] == 0


@pytest.mark.parametrize("size", [(32, 32), (14, 14), (56, 28), (5, 9), (1, 1)])
def test_other_sizes(size: tuple[int, int]) -> None:
    digit = prepare_digit(drawn(), size)
    assert digit.shape == size
    assert digit.any()
    assert all(
        length <= round(side * 20 / 28) + 1
        for length, side in zip(box_of(digit), size, strict=True)
    )


def test_polarity_does_not_matter() -> None:
    page = drawn()
    assert difference(prepare_digit(page), prepare_digit(255 - page)) < 0.1


@pytest.mark.parametrize("at", [(0.06, 0.06), (0.5, 0.4), (0.06, 0.42)])
def test_place_does_not_matter(at: tuple[float, float]) -> None:
    assert difference(prepare_digit(drawn()), prepare_digit(drawn(at=at))) < 1.5


@pytest.mark.parametrize("side", [80, 480, 2000])
def test_resolution_does_not_matter(side: int) -> None:
    assert difference(prepare_digit(drawn()), prepare_digit(drawn(side, side // 12))) < 8


def test_number_type_does_not_matter() -> None:
    page = drawn()
    expected = prepare_digit(page)
    for same in (page.astype(np.uint16) * 257, page / 255, (page / 255).astype(np.float32)):
        assert difference(prepare_digit(same), expected) < 0.1
    assert difference(prepare_digit(page > 127), expected) < 1


def test_shade_noise_and_specks_are_removed() -> None:
    rng = np.random.default_rng(3)
    page = drawn(480, 40)
    y, x = np.indices(page.shape) / 480
    photo = (0.9 - 0.3 * x - 0.25 * y * y) * (0.3 + 0.7 * page / 255)
    photo += rng.normal(0, 0.04, page.shape)
    photo[20:25, 440:445] = photo[430:434, 30:36] = 0.1
    digit = prepare_digit(np.clip(photo, 0, 1))
    assert difference(digit, prepare_digit(page)) < 4
    assert np.mean(digit == 0) > 0.6


def test_shadow_with_an_edge_is_removed() -> None:
    page = drawn(480, 40)
    x = np.indices(page.shape)[1] / 480
    photo = (1 - 0.45 / (1 + np.exp((x - 0.45) / 0.02))) * (0.3 + 0.7 * page / 255)
    assert difference(prepare_digit(photo), prepare_digit(page)) < 8


def test_faint_pencil_becomes_full_ink() -> None:
    page = drawn()
    faint = (230 + page / 255 * 20).astype(np.uint8)
    assert difference(prepare_digit(faint), prepare_digit(page)) < 1


def test_thin_strokes_in_a_large_picture_are_thickened() -> None:
    digit = prepare_digit(drawn(3000, 2))
    assert digit.max() == 255
    assert difference(digit, prepare_digit(drawn(3000, 180))) < 18
    assert 50 < np.count_nonzero(digit > 127) < 150


def test_broad_strokes_are_left_alone() -> None:
    narrow, broad = (np.count_nonzero(prepare_digit(drawn(pen=pen)) > 127) for pen in (14, 28))
    assert broad > 1.6 * narrow


def test_close_crop_with_more_ink_than_ground() -> None:
    ring = Image.new("L", (120, 160), 255)
    ImageDraw.Draw(ring).ellipse((0, 0, 119, 159), fill=0)
    ImageDraw.Draw(ring).ellipse((40, 50, 80, 110), fill=255)
    digit = prepare_digit(np.asarray(ring))
    assert digit[14, 14] == 0
    assert digit[14, 8] == 255
    assert digit[0, 0] == 0


def test_ruled_lines_and_a_printed_box_are_left_out() -> None:
    page = drawn(480, 30, at=(0.3, 0.2)).copy()
    expected = prepare_digit(page)
    ruled, boxed, table = page.copy(), page.copy(), page.copy()
    ruled[60:63], ruled[420:423] = 120, 120
    ImageDraw.Draw(frame := Image.fromarray(boxed)).rectangle(
        (20, 20, 460, 460), outline=60, width=5
    )
    table[:25], table[:, :25] = 30, 30
    for furnished in (ruled, np.asarray(frame), table):
        assert difference(prepare_digit(furnished), expected) < 3


def test_a_detached_stroke_is_kept() -> None:
    page = drawn().copy()
    page[40:52, 100:180] = 0
    with_bar = prepare_digit(page)
    page[:40] = 255
    assert np.count_nonzero(with_bar[:8] > 127) > 8


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (
            np.zeros((30, 30), np.uint8),
            "nothing stands out from the background; expected a picture",
        ),
        (np.full((1, 1), 255, np.uint8), "nothing stands out from the background"),
        (np.zeros((3, 8, 8), np.uint8), r"shape \(3, 8, 8\); expected \(H, W\)"),
        (np.zeros((0, 8), np.uint8), r"shape \(0, 8\); expected \(H, W\)"),
        (np.zeros((8, 8), np.int64), "type int64; expected uint8, uint16, bool or floating"),
        (np.eye(8) * 255, "from 0 to 255; expected 0 to 1"),
        (np.full((8, 8), np.nan), "from nan to nan; expected 0 to 1"),
    ],
)
def test_pictures_without_a_digit(picture: NDArray[np.generic], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        prepare_digit(picture)


def test_grain_alone_is_no_digit() -> None:
    grain = np.random.default_rng(0).normal(0.9, 0.03, (300, 300)).clip(0, 1)
    with pytest.raises(ImageError, match="nothing stands out"):
        prepare_digit(grain)


def test_a_speck_alone_is_no_digit() -> None:
    page = np.full((300, 300), 255, np.uint8)
    page[100:106, 100:106] = 0
    with pytest.raises(ImageError, match="larger than a speck; expected a picture of one digit"):
        prepare_digit(page)


def test_an_empty_field() -> None:
    with pytest.raises(ImageError, match="field of 0 × 28 pixels; expected at least 1 × 1"):
        prepare_digit(drawn(), (0, 28))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_gives_a_digit_or_a_reason(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    try:
        digit = prepare_digit(picture)
    except ImageError:
        return
    assert digit.shape == (28, 28)
    assert digit.max() > 200


@pytest.mark.mnist
def test_mnist_passes_nearly_unchanged(mnist: Bytes) -> None:
    prepared = np.stack([prepare_digit(digit) for digit in mnist])
    distances = np.abs(prepared.astype(float) - mnist).mean(axis=(1, 2))
    assert np.mean(distances) < 1.5
    assert np.mean(distances > 5) <= 0.01


@pytest.mark.mnist
def test_mnist_enlarged_comes_back(mnist: Bytes) -> None:
    prepared = []
    for number, digit in enumerate(mnist[:60]):
        large = Image.fromarray(digit).resize((224, 224), Image.Resampling.BICUBIC)
        page = np.full((300, 400), 255, np.uint8)
        page[number % 70 :][:224, 2 * number % 170 :][:, :224] -= np.asarray(large)
        prepared.append(prepare_digit(page))
    apart = np.stack(prepared).reshape(-1, 1, 784).astype(float) - mnist.reshape(1, -1, 784)
    nearest = np.abs(apart).mean(axis=2).argmin(axis=1)
    assert np.mean(nearest == np.arange(60)) >= 0.95


# Colours and other sizes


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((0.95, 0.9, 0.3), (1, 1, 1)),
        ((0.9, 0.2, 0.2), (0.95, 0.95, 0.9)),
        ((0.8, 0.2, 0.2), (0.2, 0.4, 0.3)),
        ((0.9, 0.9, 0.2), (0.1, 0.1, 0.1)),
    ],
)
def test_coloured_pens(ink: tuple[float, ...], paper: tuple[float, ...]) -> None:
    page = drawn()
    bare = page.astype(np.float32) / 255
    picture = np.stack([i + (p - i) * bare for i, p in zip(ink, paper, strict=True)])
    gray = to_gray(picture.astype(np.float32))
    assert gray.shape == page.shape
    assert 0 <= gray.min() <= gray.max() <= 1 + 1e-6
    assert difference(prepare_digit(np.clip(gray, 0, 1)), prepare_digit(page)) < 1


def test_gray_stays_gray() -> None:
    picture = drawn()[None].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(to_gray(picture), picture[0])
    np.testing.assert_allclose(to_gray(np.repeat(picture, 3, axis=0)), picture[0], atol=1e-6)


def test_to_gray_takes_one_or_three_channels() -> None:
    with pytest.raises(ImageError, match=r"shape \(2, 4, 4\); expected \(1 or 3, H, W\)"):
        to_gray(np.zeros((2, 4, 4), np.float32))


@pytest.mark.parametrize(("channels", "shape"), [(1, (3, 8, 6)), (3, (3, 8, 6)), (3, (1, 5, 7))])
def test_resize(channels: int, shape: tuple[int, int, int]) -> None:
    picture = np.full((channels, 50, 90), 0.4, np.float32)
    pixels = resize(picture, shape)
    assert pixels.shape == shape
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, 102)


def test_resize_averages_fine_detail_away() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (1, 200, 100))
    pixels = resize(stripes, (1, 20, 20))
    assert np.abs(pixels.astype(int) - 128).max() < 10


def test_resize_keeps_channels_apart() -> None:
    picture = np.zeros((3, 10, 10), np.float32)
    picture[1] = 1
    np.testing.assert_array_equal(resize(picture, (3, 4, 4)).mean(axis=(1, 2)), [0, 255, 0])
    np.testing.assert_array_equal(resize(picture, (1, 4, 4)), 150)


@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 0, 8)])
def test_resize_to_an_odd_shape(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ImageError, match=r"shape \(1, 9, 9\) to .*; expected \(1 or 3, H"):
        resize(np.zeros((1, 9, 9), np.float32), shape)


# Files


def ink_only(colour: int) -> Image.Image:
    plane = Image.new("L", (240, 240), colour)
    return Image.merge("RGBA", (plane, plane, plane, Image.fromarray(255 - drawn())))


PICTURES = {
    "gray.png": Image.fromarray(drawn()),
    "colour.jpg": Image.fromarray(drawn()).convert("RGB"),
    "palette.gif": Image.fromarray(drawn()).convert("P"),
    "one bit.png": Image.fromarray(drawn()).convert("1"),
    "sixteen.png": Image.fromarray(drawn().astype(np.uint16) * 257),
    "twelve.tif": Image.fromarray(drawn().astype(np.uint16) * 16),
    "floating.tif": Image.fromarray(drawn().astype(np.float32)),
    "print.jpg": Image.fromarray(drawn()).convert("RGB").convert("CMYK"),
    "black ink.png": ink_only(0),
    "white ink.png": ink_only(255),
    "gray ink.png": ink_only(0).convert("LA"),
    "schöne 数字.png": Image.fromarray(drawn()),
}


@pytest.mark.parametrize("name", PICTURES)
def test_kinds_of_picture(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    PICTURES[name].save(path)
    pixels = read_image(path)
    assert pixels.dtype == np.float32
    assert pixels.shape in {(1, 240, 240), (3, 240, 240)}
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert difference(load_digit(path), prepare_digit(drawn())) < 1


def test_channels(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (255, 0, 51)).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (3, 2, 3)
    np.testing.assert_allclose(pixels[:, 0, 0], [1, 0, 0.2], atol=1e-6)
    assert load_resized(tmp_path / "a.png", (3, 4, 4)).shape == (3, 4, 4)


def test_cut_out_paper_keeps_its_colour_round_it(tmp_path: Path) -> None:
    alpha = Image.new("L", (240, 240), 255)
    alpha.paste(0, (0, 0, 40, 240))
    picture = Image.fromarray(drawn()).convert("RGB")
    picture.putalpha(alpha)
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[:, 0, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_turned_upright(tmp_path: Path, suffix: str) -> None:
    note = Image.Exif()
    note[0x0112] = 6  # the camera was turned: show it turned by 90° clockwise
    lying = Image.fromarray(drawn()[:, :200]).transpose(Image.Transpose.ROTATE_90)
    lying.save(tmp_path / f"a.{suffix}", exif=note)
    assert read_image(tmp_path / f"a.{suffix}").shape == (1, 240, 200)
    assert difference(load_digit(tmp_path / f"a.{suffix}"), prepare_digit(drawn()[:, :200])) < 1


def test_large_picture_is_shrunk(tmp_path: Path) -> None:
    Image.new("L", (5000, 100), 255).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (1, 34, 1667)


def test_the_error_names_the_file(tmp_path: Path) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "blank.png")
    with pytest.raises(
        ImageError, match=r"blank\.png: nothing stands out from the background; expected"
    ):
        load_digit(tmp_path / "blank.png")
    with pytest.raises(ImageError, match=r"blank\.png: cannot resize shape \(1, 20, 20\)"):
        load_resized(tmp_path / "blank.png", (5, 20, 20))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", r"empty\.png: is an empty file; expected a PNG, JPEG or similar"),
        ("text.png", b"hello you", r"text\.png: is a text file; expected a PNG, JPEG or similar"),
        ("photo.heic", b"\0\0\0\x18ftypheic", "is a HEIC photo; .*; save it as JPEG first"),
    ],
)
def test_no_picture(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif"])
def test_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(drawn()).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=rf"a\.{suffix}: cannot be read .*; expected a complete"):
        read_image(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no\.png: no such file; expected a picture"):
        read_image(tmp_path / "no.png")
    with pytest.raises(ImageError, match="is a folder; expected a picture"):
        read_image(tmp_path)


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (300, 200)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: 300 × 200 pixels; expected at most 50,000"):
        read_image(tmp_path / "a.png", max_pixels=50_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"a\.png: too large \(.*60000.*; expected at most 50,000"):
        read_image(tmp_path / "a.png", max_pixels=50_000)


def test_pillows_own_warning_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (300, 200)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    assert read_image(tmp_path / "a.png").shape == (1, 200, 300)


def test_find_images_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.png", "9.PNG", "b2.jpg", "B10.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "deeper.png").mkdir()
    found = find_images([tmp_path / "notes.txt", tmp_path])
    assert [path.name for path in found] == ["notes.txt", "9.PNG", "10.png", "b2.jpg", "B10.jpg"]


def test_find_no_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match=r"no pictures among the 1 files .* names ending in \.av"):
        find_images([tmp_path])
    with pytest.raises(ImageError, match="nowhere: no such file or folder; expected a picture or"):
        find_images([tmp_path / "nowhere"])
    assert find_images([]) == []


@pytest.mark.parametrize(
    "levels", [(-3e38, 3e38), (0, 3.4e38), (1e-40, 3e-40), (-1e30, 7), (0, 1.0), (0, 255.6)]
)
def test_levels_of_any_size_become_pixels(tmp_path: Path, levels: tuple[float, float]) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(np.tile(np.array(levels, np.float32), (6, 3))).save(path)
    pixels = read_image(path)
    assert pixels.shape == (1, 6, 6)
    assert pixels.min() >= 0
    assert pixels.max() <= 1
