"""Handwriting-like digits drawn from strokes, for training without any downloaded data.

`glyphs.txt` holds several hand-designed ways of writing each digit. `draw_digits` picks one for
every label, moves its control points, bends, slants and stretches the result, and draws it with a
pen of random width. `digit_renderer` turns strokes into pen paths and frames the ink as MNIST does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from lenetkit.data import digit_renderer as renderer
from lenetkit.data.digit_renderer import IMAGE_SIDE, FloatArray, Stroke

PATH_POINTS = 128  # pen positions per digit; at most about half a pixel apart in the 20-pixel box
_END_FREEDOM = 1.6  # the ends of strokes stray further than the other control points do
_BLOCK = 256  # digits drawn together; few enough for the working arrays to stay in cache


@dataclass(frozen=True)
class _Glyphs:
    """All g glyphs as arrays, padded to k control points, so that any are drawn together."""

    odds: npt.NDArray[np.float64]
    """(10, g): cumulative probability of the glyphs, given the label."""
    controls: FloatArray
    """(g, k, 2): control points; the digit's height is the unit, its middle at 0, 0."""
    strokes: npt.NDArray[np.intp]
    """(g, k): the index of each control point's stroke."""
    freedom: FloatArray
    """(g, k): how far each control point may stray, relative to an ordinary one."""
    weights: FloatArray
    """(g, PATH_POINTS, k): turns control points into pen positions, as a matrix product."""


def read_glyphs() -> list[tuple[int, float, list[Stroke]]]:
    """The digit, weight and strokes of every glyph in `glyphs.txt`, in percent of its height."""
    text = resources.files("lenetkit.data").joinpath("glyphs.txt").read_text("utf-8")
    rows = [line.partition("#")[0].split(maxsplit=2) for line in text.splitlines()]
    return [(int(row[0]), float(row[1]), _strokes(row[2])) for row in rows if row]


def _strokes(drawing: str) -> list[Stroke]:
    strokes = []
    for part in drawing.split("|"):
        words = part.split()
        points = [[float(number) for number in word.rstrip("*").split(",")] for word in words]
        corners = [i for i, word in enumerate(words) if word.endswith("*")]
        strokes.append(Stroke(np.array(points, np.float32), corners))
    return strokes


@lru_cache(maxsize=1)
def _glyphs() -> _Glyphs:
    digits, shares, drawings = zip(*read_glyphs(), strict=True)
    count, most = len(digits), max(sum(len(s.points) for s in strokes) for strokes in drawings)
    odds = np.zeros((10, count))
    odds[digits, range(count)] = shares
    odds = odds.cumsum(axis=1)
    tables = _Glyphs(
        odds=odds / odds[:, -1:],
        controls=np.zeros((count, most, 2), np.float32),
        strokes=np.zeros((count, most), np.intp),
        freedom=np.ones((count, most), np.float32),
        weights=np.zeros((count, PATH_POINTS, most), np.float32),
    )
    for g, strokes in enumerate(drawings):
        points = np.concatenate([stroke.points for stroke in strokes]) / np.float32(100)
        lengths = [len(stroke.points) for stroke in strokes]
        ends = np.cumsum(lengths)
        used = slice(len(points))
        tables.controls[g, used] = points - (points.min(axis=0) + points.max(axis=0)) / 2
        tables.strokes[g, used] = np.repeat(np.arange(len(strokes)), lengths)
        tables.freedom[g, [*(ends - lengths), *(ends - 1)]] = _END_FREEDOM
        tables.weights[g, :, used] = renderer.path_weights(strokes, PATH_POINTS)
    return tables


def _normal(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> FloatArray:
    """float32 values drawn around 0 with standard deviation `spread`."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)


def _write(labels: npt.NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
    """Pen positions (n, PATH_POINTS, 2) of a glyph per label, its control points moved at random.

    The unit is about the height of a digit.
    """
    glyphs = _glyphs()
    n = len(labels)
    picks = (rng.random((n, 1)) >= glyphs.odds[labels]).sum(axis=1)
    controls, strokes = glyphs.controls[picks], glyphs.strokes[picks]
    carelessness = np.exp(_normal(rng, (n, 1, 1), 0.4))
    stroke_moves = _normal(rng, (n, glyphs.strokes.max() + 1, 2), 0.03)
    moves = np.take_along_axis(stroke_moves, strokes[:, :, None], axis=1)
    moves += _normal(rng, controls.shape, 0.045) * glyphs.freedom[picks][:, :, None]
    paths: FloatArray = glyphs.weights[picks] @ (controls + carelessness * moves)
    return paths


def _bend(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Deform the plane that the digit lies on: uneven halves, taper, bows and random waves."""
    n = len(points)
    x, y = points[:, :, 0], points[:, :, 1]
    balance, taper, bow_x, bow_y = (_normal(rng, (n, 1), s) for s in (0.25, 0.25, 0.15, 0.15))
    x, y = x * (1 + taper * y) + bow_x * y * y, y + balance * (0.25 - y * y) + bow_y * x * x
    bent = np.stack([x, y], axis=2)
    for _ in range(2):  # waves that each move the ink in one direction, about a digit long
        frequency = _normal(rng, (n, 1, 2), 4.0)
        phase = rng.random((n, 1), dtype=np.float32) * np.float32(2.0 * np.pi)
        wave = np.sin((bent * frequency).sum(axis=2) + phase)
        bent = bent + wave[:, :, None] * _normal(rng, (n, 1, 2), 0.045)
    return bent


def _lean(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Stretch, slant and turn each digit as a whole."""
    n = len(points)
    stretch = np.exp(_normal(rng, (n, 1), 0.22) + np.float32(0.06))
    slant = _normal(rng, (n, 1), 0.28) + np.float32(0.15)  # most hands lean to the right
    angle = _normal(rng, (n, 1), 0.12)
    x, y = points[:, :, 0] * stretch, points[:, :, 1]
    x = x - slant * y
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=2)


def _pen_radii(n: int, rng: np.random.Generator) -> FloatArray:
    """Half the line width (n, PATH_POINTS) in pixels; the pressure varies along the path."""
    radius = np.clip(1.2 * np.exp(_normal(rng, (n, 1), 0.3)), 0.6, 2.6)
    along = np.linspace(0.0, 1.0, PATH_POINTS, dtype=np.float32)
    turns = rng.uniform(2.0, 16.0, (n, 1)).astype(np.float32)
    phase = rng.uniform(0.0, 2.0 * np.pi, (n, 1)).astype(np.float32)
    pressure = np.exp(_normal(rng, (n, 1), 0.1) * np.sin(turns * along + phase))
    radii: FloatArray = (radius * pressure).astype(np.float32)
    return radii


def _draw_block(labels: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    points = _lean(_bend(_write(labels, rng), rng), rng)
    radii = _pen_radii(len(labels), rng)
    edge_width = rng.uniform(0.7, 1.2, len(labels)).astype(np.float32)
    ink = renderer.rasterise(renderer.fit_to_box(points, radii), radii, edge_width)
    # The faintest lines are grey, all others reach full white.
    peak = ink.max(axis=(1, 2), keepdims=True)
    ink = ink / np.maximum(peak, np.float32(0.85))
    images: npt.NDArray[np.uint8] = np.rint(renderer.centre_by_mass(ink) * 255.0).astype(np.uint8)
    return images


def draw_digits(labels: npt.NDArray[np.integer], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One handwriting-like digit per label (n,), framed as in MNIST.

    Returns (n, 28, 28), light ink (up to 255) on a dark background (0); the same labels and
    generator state give the same digits. Raises ValueError unless labels are integers 0 … 9.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be a 1-D array of integers, found {labels.dtype} of shape {labels.shape}"
        )
    wrong = labels[(labels < 0) | (labels > 9)]
    if wrong.size:
        raise ValueError(f"labels must be 0 … 9, found {wrong[0]}")
    digits = np.empty((len(labels), IMAGE_SIDE, IMAGE_SIDE), dtype=np.uint8)
    for start in range(0, len(labels), _BLOCK):
        block = slice(start, start + _BLOCK)
        digits[block] = _draw_block(labels[block].astype(np.intp), rng)
    return digits
