"""Simulated phone photos of handwritten digits, with what is round them on a real desk.

A digit is MNIST's, thinned to its centre line and drawn again with a pen, or enlarged as it is.
Paper, pen, place, size, light and disturbance are drawn at random from one generator.

    python benchmarks/phone_photos.py FOLDER [--count 10] [--seed 0] [--data-dir DIR]
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lenetkit.data.mnist import Mnist
from lenetkit.data.source import Place

Pixels = NDArray[Any]
Rng = np.random.Generator
Strokes = list[list[tuple[float, float]]]
"""Lines through points (x, y); the digit's height is 1, its box begins at 0, 0."""


def thinned(ink: Pixels) -> Pixels:
    """The centre line of a mask, one pixel broad (Zhang & Suen 1984)."""
    mask = np.pad(ink, 1).astype(int)
    changed = True
    while changed:
        changed = False
        for step in (0, 1):
            n, e, s, w = (
                np.roll(mask, move, axis) for move, axis in ((1, 0), (-1, 1), (-1, 0), (1, 1))
            )
            ne, se, sw, nw = (np.roll(p, move, 1) for p, move in ((n, -1), (s, -1), (s, 1), (n, 1)))
            ring = [n, ne, e, se, s, sw, w, nw]
            rises = sum((a == 0) & (b == 1) for a, b in zip(ring, [*ring[1:], n], strict=True))
            count = sum(ring)
            first, second = (n * e * s, e * s * w) if step == 0 else (n * e * w, n * s * w)
            gone = (
                (mask == 1)
                & (count >= 2)
                & (count <= 6)
                & (rises == 1)
                & (first == 0)
                & (second == 0)
            )
            mask[gone] = 0
            changed |= bool(gone.any())
    return mask[1:-1, 1:-1].astype(bool)


def holes(ink: Pixels) -> int:
    """Holes less pieces of a mask whose corners connect (Gray's bit quads)."""
    m = np.pad(ink, 1).astype(int)
    quads = m[:-1, :-1] + m[1:, :-1] + m[:-1, 1:] + m[1:, 1:]
    diagonal = (quads == 2) & (m[:-1, :-1] == m[1:, 1:])
    ones, threes, across = (int(q.sum()) for q in (quads == 1, quads == 3, diagonal))
    return -(ones - threes - 2 * across) // 4


def strokes_of(digit: Pixels) -> Strokes:
    """The digit (28, 28) as lines between neighbouring points of its centre line."""
    large = np.asarray(Image.fromarray(digit).resize((84, 84), Image.Resampling.BICUBIC))
    inks = [large > level for level in (95, 140, 180)]
    ys, xs = np.nonzero(thinned(max(inks, key=holes)))  # with the loops that a faint rim closes
    points = np.stack([xs, ys], axis=1).astype(float)
    near = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    weights = np.exp(-((near / 2.5) ** 2) / 2) * (near < 6)  # smooths the staircase
    smooth = weights @ points / weights.sum(axis=1, keepdims=True)
    smooth = (smooth - smooth.min(axis=0)) / max(float(np.ptp(smooth, axis=0)[1]), 1e-6)
    one, other = np.nonzero(np.triu((near > 0) & (near < 1.5)))
    return [[tuple(smooth[a]), tuple(smooth[b])] for a, b in zip(one, other, strict=True)]


def draw_strokes(
    ink: Image.Image, strokes: Strokes, at: tuple[float, float], height: float, pen: float
) -> None:
    """Draw on a mask; `at` is the upper left corner of the digit's box."""
    draw = ImageDraw.Draw(ink)
    for stroke in strokes:
        places = [(at[0] + x * height, at[1] + y * height) for x, y in stroke]
        draw.line(places, fill=255, width=max(1, round(pen)), joint="curve")
        for x, y in places:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)


def wobbly(points: Sequence[tuple[float, float]], rng: Rng, by: float) -> list[tuple[float, float]]:
    """Points along a line, moved a little as a hand does."""
    steps = np.linspace(0, 1, 24)
    phase, waves = rng.uniform(0, 6, 2), rng.uniform(2, 7, 2)
    line = np.array(points, float)
    along = np.linspace(0, 1, len(line))
    x, y = (np.interp(steps, along, line[:, axis]) for axis in (0, 1))
    return list(
        zip(
            x + by * np.sin(waves[0] * steps + phase[0]),
            y + by * np.sin(waves[1] * steps + phase[1]),
            strict=True,
        )
    )


class Page:
    """A sheet with writing, twice as large as the photo will be, and where its digits are."""

    def __init__(self, size: tuple[int, int], rng: Rng) -> None:
        self.size, self.rng = (2 * size[0], 2 * size[1]), rng
        tint = rng.uniform(0.93, 1, 3) * rng.uniform(0.8, 0.97)
        self.colour = np.array(tint * 255)
        self.image = Image.new("RGB", self.size, tuple(int(c) for c in self.colour))
        inks = [
            (25, 40, 130),
            (20, 20, 25),
            (150, 25, 30),
            (20, 90, 50),
            (85, 85, 90),
            (60, 30, 110),
        ]
        self.ink = inks[rng.integers(len(inks))]
        self.box = (0.0, 0.0, 0.0, 0.0)
        self.pen = 1.0

    def lay(self, mask: Image.Image, colour: Sequence[float], strength: float = 1) -> None:
        """Colour where the mask is."""
        alpha = mask.point(lambda level: int(level * strength))
        self.image.paste(tuple(int(c) for c in colour), (0, 0), alpha)

    def write(self, digits: Sequence[Pixels]) -> None:
        """Digits side by side, at a random place."""
        rng, (width, tall) = self.rng, self.size
        bold = rng.random() < 0.25
        drawn = [strokes_of(digit) for digit in digits]
        widths = [max(max(x for s in strokes for x, _ in s), 0.25) for strokes in drawn]
        gap = rng.uniform(0.25, 0.5)
        length = sum(widths) + gap * (len(digits) - 1)
        height = min(rng.uniform(0.12, 0.5) * min(self.size), 0.75 * width / length)
        self.pen = height * (rng.uniform(0.09, 0.14) if bold else rng.uniform(0.04, 0.09))
        margin = 0.06 * min(self.size) + 0.3 * height + self.pen
        x = rng.uniform(margin, max(margin + 1, width - margin - length * height))
        y = rng.uniform(margin, max(margin + 1, tall - margin - height))
        self.box = (x, y, x + length * height, y + height)
        mask = Image.new("L", self.size)
        for strokes, broad in zip(drawn, widths, strict=True):
            draw_strokes(mask, strokes, (x, y), height, self.pen)
            x += (broad + gap) * height
        self.lay(mask, self.ink, rng.uniform(0.85, 1))

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: Sequence[float],
        pen: float,
        strength: float = 1,
    ) -> None:
        """A line through points."""
        mask = Image.new("L", self.size)
        ImageDraw.Draw(mask).line(list(points), fill=255, width=max(1, round(pen)), joint="curve")
        self.lay(mask, colour, strength)

    def rule(self, squared: bool) -> None:
        """Ruled or squared lines, slightly turned."""
        rng, (width, tall) = self.rng, self.size
        spacing = rng.uniform(0.05, 0.13) * tall * (0.7 if squared else 1)
        colours = [(130, 160, 215), (160, 165, 175), (215, 140, 140), (110, 130, 190)]
        colour, pen = colours[rng.integers(4)], rng.uniform(1.2, 4)
        slope = rng.uniform(-0.04, 0.04)
        for y in np.arange(rng.uniform(0, spacing) - 0.1 * tall, 1.1 * tall, spacing):
            self.line([(0, y), (width, y + slope * width)], colour, pen, 0.9)
        for x in (
            np.arange(rng.uniform(0, spacing) - 0.1 * width, 1.1 * width, spacing)
            if squared
            else ()
        ):
            self.line([(x, 0), (x - slope * tall, tall)], colour, pen, 0.9)

    def frame(self) -> None:
        """A form's box round the digits."""
        rng, (x0, y0, x1, y1) = self.rng, self.box
        room = rng.uniform(0.15, 0.5, 4) * (y1 - y0) + 2 * self.pen
        mask = Image.new("L", self.size)
        box = (x0 - room[0], y0 - room[1], x1 + room[2], y1 + room[3])
        ImageDraw.Draw(mask).rectangle(box, outline=255, width=round(rng.uniform(2, 6)))
        self.lay(mask, [(30, 30, 30), (120, 120, 120), (200, 80, 70)][rng.integers(3)])

    def underline(self) -> None:
        """One line or two under the digits, with the same pen."""
        rng, (x0, y0, x1, y1) = self.rng, self.box
        side, below, tilt = rng.uniform(0, 0.3), rng.uniform(0.12, 0.35), rng.uniform(-0.06, 0.06)
        for i in range(1 + int(rng.random() < 0.25)):
            y = y1 + (below + 0.15 * i) * (y1 - y0) + self.pen
            ends = [(x0 - side * (y1 - y0), y), (x1 + side * (y1 - y0), y + tilt * (y1 - y0))]
            self.line(wobbly(ends, rng, 0.2 * self.pen), self.ink, self.pen)

    def circle(self) -> None:
        """A ring by hand round the digits, closed or nearly."""
        rng, (x0, y0, x1, y1) = self.rng, self.box
        radius = np.array([x1 - x0, y1 - y0]) * 0.72 + rng.uniform(0.1, 0.3) * (y1 - y0) + self.pen
        turn = np.linspace(0, rng.uniform(6.0, 6.6), 60) + rng.uniform(0, 6)
        wave = 1 + 0.04 * np.sin(3 * turn + rng.uniform(0, 6))
        x, y = (
            (x0 + x1) / 2 + radius[0] * wave * np.cos(turn),
            (y0 + y1) / 2 + radius[1] * wave * np.sin(turn),
        )
        self.line(
            list(zip(x, y, strict=True)), [self.ink, (190, 30, 30)][rng.integers(2)], self.pen
        )


def on_table(page: Image.Image, rng: Rng) -> Image.Image:
    """The page in perspective on a table of wood, cloth or stone."""
    width, height = page.size
    table = np.array(
        [(70, 48, 38), (45, 45, 50), (110, 75, 50), (60, 80, 70)][rng.integers(4)], float
    )
    grain = np.asarray(
        Image.fromarray(rng.normal(0, 1, (max(2, height // 10), 8)).astype(np.float32)).resize(
            (width, height)
        )
    )
    ground = table + 6 * rng.random() * grain[..., None]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    inset = rng.uniform(0.03, 0.14, (4, 2)) * (width, height) * [(1, 1), (-1, 1), (-1, -1), (1, -1)]
    return warped(page, corners + inset, Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)))


def warped(page: Image.Image, corners: Pixels, ground: Image.Image) -> Image.Image:
    """The page with its corners (clockwise from the upper left) at `corners`."""
    width, height = page.size
    source = [(0, 0), (width, 0), (width, height), (0, height)]
    rows, right = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    numbers = np.linalg.solve(np.array(rows, float), np.array(right, float))
    method = (page.size, Image.Transform.PERSPECTIVE, numbers.tolist(), Image.Resampling.BICUBIC)
    mask = Image.new("L", page.size, 255).transform(*method)
    return Image.composite(page.transform(*method), ground, mask)


def edge_point(size: tuple[int, int], rng: Rng, outside: float) -> tuple[float, float]:
    """A point on the lower, left or right edge, or `outside` of it."""
    width, height = size
    side, along = rng.integers(3), rng.uniform(0.1, 0.9)
    if side == 0:
        return along * width, height + outside
    return (-outside, along * height) if side == 1 else (width + outside, along * height)


def blob(
    size: tuple[int, int], centre: tuple[float, float], radii: tuple[float, float], soft: float
) -> Pixels:
    """An ellipse with a soft edge, 0 to 1."""
    mask = Image.new("L", size)
    (x, y), (a, b) = centre, radii
    ImageDraw.Draw(mask).ellipse((x - a, y - b, x + a, y + b), fill=255)
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(soft)), np.float32)[..., None] / 255


def far_from(
    box: Sequence[float], place: Callable[[], tuple[float, float]], reach: float
) -> tuple[float, float]:
    """A place that leaves the box free, if 40 tries find one."""
    for _ in range(40):
        x, y = place()
        dx, dy = max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3])
        if math.hypot(dx, dy) > reach:
            break
    return x, y


def finger(photo: Pixels, box: Sequence[float], rng: Rng) -> Pixels:
    """A fingertip that comes in from an edge, with its soft shadow."""
    size, side = photo.shape[1::-1], min(photo.shape[:2])
    radius = rng.uniform(0.1, 0.25) * side
    x, y = far_from(box, lambda: edge_point(size, rng, 0.2 * radius), 1.3 * radius)
    skin = np.array([(215, 165, 140), (190, 125, 100), (120, 80, 60)][rng.integers(3)], float)
    shape = (radius, radius * rng.uniform(0.85, 1.2))
    photo = photo * (1 - 0.25 * blob(size, (x + 6, y + 8), shape, 9))
    mask = blob(size, (x, y), shape, 1.5)
    shade = 1 - 0.25 * blob(size, (x + radius / 2, y + radius / 3), shape, radius / 3)
    return photo * (1 - mask) + skin * shade * mask


def pen(photo: Pixels, box: Sequence[float], rng: Rng) -> Pixels:
    """A pen that lies across a corner or along an edge."""
    height, width = photo.shape[:2]
    broad = rng.uniform(0.03, 0.06) * min(width, height)
    across = rng.uniform(0.03, 0.14)
    x = across * width if (box[0] + box[2]) / 2 > width / 2 else (1 - across) * width
    ends = [(x + rng.uniform(-0.06, 0.06) * width, -10), (x, height * rng.uniform(0.6, 1.1))]
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).line(ends, fill=255, width=round(broad))
    body = np.asarray(mask.filter(ImageFilter.GaussianBlur(1)), np.float32)[..., None] / 255
    shadow = np.asarray(mask.filter(ImageFilter.GaussianBlur(6)), np.float32)[..., None] / 255
    photo = photo * (1 - 0.35 * np.roll(shadow, (5, 7), (0, 1)))
    colour = np.array([(30, 30, 35), (30, 60, 160), (200, 170, 40)][rng.integers(3)], float)
    return photo * (1 - body) + colour * body


def shadow(photo: Pixels, box: Sequence[float], rng: Rng) -> Pixels:
    """The shadow of a hand or an arm, which may cross the digit."""
    size, side = photo.shape[1::-1], min(photo.shape[:2])
    place = edge_point(size, rng, 0.1 * side)
    radii = (rng.uniform(0.3, 0.6) * side, rng.uniform(0.3, 0.8) * side)
    return photo * (1 - rng.uniform(0.2, 0.5) * blob(size, place, radii, rng.uniform(2, 20)))


def flash(photo: Pixels, box: Sequence[float], rng: Rng) -> Pixels:
    """A dim picture with the flash's reflection beside the digit."""
    height, width = photo.shape[:2]
    radius = rng.uniform(0.07, 0.2) * min(height, width)
    place = far_from(box, lambda: tuple(rng.uniform(0, 1, 2) * (width, height)), 1.6 * radius)
    glare = blob((width, height), place, (radius, radius), radius / 3)
    dim = photo * rng.uniform(0.6, 0.85)
    return dim + (320 - dim) * np.clip(1.3 * glare, 0, 1)


def lit(photo: Pixels, rng: Rng) -> Pixels:
    """Uneven light and a darker rim."""
    y, x = np.mgrid[-1 : 1 : photo.shape[0] * 1j, -1 : 1 : photo.shape[1] * 1j]
    slope, turn = rng.uniform(0, 0.15), rng.uniform(0, 2 * math.pi)
    light = 1 - slope * (1 + x * math.cos(turn) + y * math.sin(turn)) / 2
    return photo * (light * (1 - rng.uniform(0, 0.12) * (x * x + y * y)))[..., None]


def taken(photo: Pixels, rng: Rng) -> Image.Image:
    """What the camera makes of it: blur, noise, JPEG."""
    soft = Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.1)))
    noisy = np.asarray(soft, np.float32) + rng.normal(0, rng.uniform(0.5, 5), photo.shape)
    packed = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(
        packed, "JPEG", quality=int(rng.integers(60, 93))
    )
    return Image.open(packed)


KINDS = (
    "control", "dark-table", "hand-shadow", "ruled-paper", "squared-paper", "form-box",
    "underlined", "circled", "fingertip", "pen-at-edge", "flash", "two-of-them", "several",
)  # fmt: skip
OVER: dict[str, Callable[[Pixels, Sequence[float], Rng], Pixels]] = {
    "fingertip": finger, "pen-at-edge": pen, "hand-shadow": shadow, "flash": flash,
}  # fmt: skip
SIZES = ((550, 410), (720, 540), (640, 640), (600, 900), (1000, 750), (1600, 1200))


def take(kind: str, digits: Sequence[Pixels], rng: Rng) -> Image.Image:
    """A photo of a kind with these digits (28, 28) on it."""
    size = (1000, 540) if len(digits) > 1 else SIZES[rng.integers(len(SIZES))]
    chosen = {kind}
    if kind == "two-of-them":
        chosen = set(rng.choice(KINDS[1:11], 2, replace=False))
    page = Page(size, rng)
    if chosen & {"ruled-paper", "squared-paper"}:
        page.rule("squared-paper" in chosen)
    page.write(digits)
    for name, add in (
        ("form-box", page.frame),
        ("underlined", page.underline),
        ("circled", page.circle),
    ):
        if name in chosen:
            add()
    sheet, box = page.image, np.array(page.box) / 2
    if "dark-table" in chosen or rng.random() < 0.1:
        sheet = on_table(sheet, rng)
        box = 0.1 * np.tile(size, 2) + 0.8 * box
    photo = lit(np.asarray(sheet.resize(size, Image.Resampling.BOX), np.float32), rng)
    for name, add_over in OVER.items():
        if name in chosen:
            photo = add_over(photo, box.tolist(), rng)
    return taken(photo, rng)


def write(folder: Path, images: Pixels, labels: Pixels, count: int, seed: int) -> None:
    """`count` photos of each kind, named LABEL-NUMBER.jpg, in a folder a kind."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            rng = np.random.default_rng([seed, KINDS.index(kind), number])
            many = int(rng.integers(2, 5)) if kind == "several" else 1
            picks = rng.integers(len(images), size=many)
            if many == 1:
                picks = rng.permutation(np.flatnonzero(labels == number % 10))[:1]
            name = "".join(str(labels[i]) for i in picks)
            take(kind, [images[i] for i in picks], rng).save(
                folder / kind / f"{name}-{number}.jpg", quality=92
            )


def main() -> None:
    """Write photos of MNIST's test or training digits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=("test", "train"), default="test")
    parser.add_argument("--data-dir", type=Path, default=Path("MNIST"))
    given = parser.parse_args()
    samples = Mnist().load(given.split, Place(given.data_dir, report=print))
    write(given.folder, samples.images[:, 0], samples.labels, given.count, given.seed)


if __name__ == "__main__":
    main()
