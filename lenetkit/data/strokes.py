"""Handwriting-like digits drawn from strokes, for training without any downloaded data.

`GLYPHS` holds several hand-designed ways of writing each digit. `draw_digits` picks one for every
label, moves its control points about, bends, slants and stretches the result, and draws it with a
pen of random width. `digit_renderer` turns the strokes into pen paths and frames the ink as MNIST
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lenetkit.data.digit_renderer import (
    IMAGE_SIDE,
    FloatArray,
    Stroke,
    centre_by_mass,
    fit_to_box,
    path_weights,
    rasterise,
)

# Each glyph is a weight (how often this way of writing is picked, relative to the others of its
# digit) and a drawing. A drawing is a row of control points "x,y" of a smooth curve, in percent of
# the digit's height, with y growing downwards. A star marks a sharp corner, and the pen is lifted
# at a bar. The points are where a careful writer would put them; `draw_digits` scatters them.
GLYPHS: dict[int, tuple[tuple[float, str], ...]] = {
    0: (
        # Oval, closed at the top.
        (3.0, "30,0 12,8 0,35 0,65 10,92 30,100 50,92 60,65 60,35 48,8 30,0"),
        # Round.
        (2.0, "45,0 15,10 0,48 15,90 45,100 78,90 92,50 78,10 45,0"),
        # The end runs past the beginning.
        (1.5, "44,12 30,0 10,15 0,50 8,88 28,100 50,85 60,50 54,18 36,4 20,10"),
        # Not quite closed, begun at the upper left.
        (1.0, "18,6 4,28 0,60 12,94 32,100 54,84 60,48 50,14 30,4"),
        # The end curls into the middle.
        (1.5, "36,10 14,14 0,40 2,78 22,100 48,90 60,55 56,20 38,2 22,8 26,26"),
        # The end runs past the beginning to the left.
        (1.5, "36,8 10,20 0,58 14,96 40,98 60,66 54,26 34,6 20,2"),
        # The beginning sticks out above the ring.
        (2.0, "30,-8 10,18 0,56 12,94 38,98 58,66 52,28 30,12 8,24"),
        # Wide and flat.
        (1.0, "60,2 22,8 0,34 18,62 64,64 96,38 88,10 58,0"),
        # Begun at the upper right with a hook inside.
        (0.7, "40,20 46,4 24,2 4,30 2,68 18,98 40,96 58,68 60,34 48,6 30,8"),
    ),
    1: (
        # Plain bar.
        (6.0, "0,0 0,50 0,100"),
        # Slightly curved bar.
        (2.0, "2,0 6,33 5,67 0,100"),
        # With a flag.
        (1.2, "0,24 14,14 24,0* 24,50 24,100"),
        # With a short flag.
        (0.8, "10,10 18,0* 18,50 18,100"),
        # With a flag and a foot.
        (1.2, "0,22 14,14 26,0* 26,50 26,100 | 0,100 26,100 54,99"),
    ),
    2: (
        # Round head, sharp lower left corner, straight foot.
        (3.0, "3,22 20,3 45,5 52,25 38,52 18,78 0,98* 30,97 62,95"),
        # A loop at the lower left.
        (2.5, "3,22 20,3 45,6 52,28 38,62 18,94 2,98 -4,82 10,68 30,78 48,94 68,92"),
        # Like a Z.
        (1.5, "3,10 28,4 54,6* 30,48 0,95* 34,95 66,93"),
        # A hooked head and a wavy foot.
        (1.5, "10,28 4,14 24,0 48,10 48,36 26,68 0,96* 20,88 40,96 64,96"),
        # A round turn in place of the corner.
        (1.0, "2,20 24,0 48,12 44,40 20,70 4,92 18,98 40,96 62,92"),
        # A large loop at the lower left.
        (3.0, "4,18 24,0 48,10 52,40 40,72 18,98 0,92 0,70 18,58 38,72 66,98"),
        # A hooked head and a loop whose end runs almost straight.
        (2.0, "0,30 8,8 28,0 48,14 44,42 30,70 10,92 0,84 8,68 28,72 48,88 70,94"),
        # A wide, flat loop at the lower left.
        (2.0, "4,16 24,0 44,12 44,44 28,72 8,90 -4,84 4,72 26,70 50,82 76,86"),
        # A short foot.
        (1.0, "0,12 22,0 42,12 36,44 16,72 2,94* 18,92 40,96"),
        # The head curls far inwards and the foot begins with a loop.
        (2.0, "24,34 8,32 4,14 24,0 48,12 50,44 36,76 12,98 -4,88 4,72 22,68 42,82 66,94"),
        # A narrow head and a foot that rises, like a tick.
        (1.0, "0,20 18,0 34,14 24,58 6,96* 38,86 82,72"),
    ),
    3: (
        # Two round bows that meet in a cusp.
        (3.0, "5,14 24,1 46,8 46,30 22,46* 48,54 56,76 40,96 18,98 0,86"),
        # Flat top.
        (1.0, "4,4 28,2 52,2* 38,22 22,40* 46,48 56,70 42,95 16,99 0,88"),
        # A small loop between the bows.
        (1.0, "5,12 26,0 46,12 40,34 22,46 14,42 22,38 44,50 54,74 36,98 12,97 0,86"),
        # No cusp.
        (2.0, "2,10 28,0 48,14 38,36 24,46 40,52 54,72 38,96 12,98 0,88"),
        # A long bar between the bows.
        (1.0, "6,12 28,0 48,14 40,36 10,46* 44,50 56,72 40,96 14,98 0,90"),
        # The end curls upwards.
        (1.0, "8,12 28,0 48,12 42,34 24,46* 52,54 60,78 36,100 6,94 2,78"),
        # Both ends curl inwards.
        (1.0, "14,22 6,10 26,0 48,10 44,32 26,46* 50,54 58,74 40,98 14,98 2,80"),
        # The end runs straight to the lower left.
        (2.0, "4,8 28,2 50,10 38,30 18,44* 42,54 46,74 18,100"),
        # A shallow cusp.
        (1.5, "2,12 26,0 46,12 34,40* 50,58 44,80 14,100"),
        # A small head above a large bow.
        (1.0, "16,10 34,0 48,10 40,28 24,38* 50,48 60,72 40,96 14,100 0,88"),
    ),
    4: (
        # Open, with a square corner; the stem is a stroke of its own.
        (3.0, "8,2 3,28 0,52* 28,54 62,48 | 54,6 50,50 44,100"),
        # Closed: a triangle.
        (1.5, "46,0 22,30 0,62* 35,62 70,60 | 46,0 46,50 46,100"),
        # Open, with a round cup.
        (2.0, "4,0 2,28 14,50 36,46 52,30 | 54,4 50,50 44,100"),
        # One stroke: the cup climbs up to the stem.
        (1.0, "8,5 0,42 24,50 46,34 54,2* 50,50 44,100"),
        # Like a U with a short tail.
        (1.0, "2,0 0,34 10,62 32,62 50,44 | 54,4 54,50 54,100"),
        # Short stem under a long, low bar.
        (1.0, "14,0 6,36 0,70* 32,72 68,68 | 44,34 42,68 40,100"),
    ),
    5: (
        # One stroke beginning with the hat.
        (3.0, "58,2 34,2 14,3* 10,22 6,42* 30,36 50,50 52,75 34,97 0,94"),
        # The hat is a stroke of its own.
        (3.0, "12,4 8,22 5,42* 28,35 50,50 54,74 36,97 2,92 | 12,4 36,3 66,0"),
        # Like an S.
        (1.5, "52,6 26,2 8,20 18,42 42,56 48,80 28,98 0,90"),
        # No corner above the bow.
        (1.5, "60,2 34,3 16,4* 8,30 14,44 40,48 50,70 36,96 0,96"),
        # A long hat that rises.
        (1.5, "18,18 10,34 4,46* 26,40 44,54 44,80 24,98 0,90 | 18,18 46,10 86,0"),
        # The bow almost closes.
        (2.0, "58,2 22,3* 12,40* 34,36 54,56 48,88 24,98 4,88 8,74"),
        # A hat of its own and a bow that almost closes.
        (1.5, "10,2 8,22 6,44* 34,36 54,56 50,86 24,100 4,90 6,72 | 10,2 34,2 64,0"),
        # A short stem above a large, round bow.
        (1.5, "56,2 20,2* 8,34* 32,28 56,44 58,78 30,100 2,92 -2,82"),
        # The hat floats.
        (1.0, "14,16 8,42* 32,36 50,54 50,80 28,98 0,92 | 24,4 44,2 68,0"),
        # Tall bow without a corner, small hat.
        (1.0, "48,4 24,4 12,24 32,44 44,68 34,92 0,98"),
    ),
    6: (
        # Curved stem.
        (3.0, "42,0 18,20 3,52 4,82 22,100 44,92 50,72 38,56 18,60 5,76"),
        # Straight stem.
        (2.0, "36,0 16,34 2,70 10,96 32,100 48,84 42,62 24,60 6,78"),
        # Large loop.
        (1.5, "50,2 22,10 2,45 2,80 24,100 50,92 56,68 38,46 14,54 3,74"),
        # Small loop that ends inside.
        (1.0, "34,0 12,30 0,66 8,94 30,100 48,88 44,70 26,66 12,80 14,92"),
        # The loop stays open.
        (1.0, "30,0 8,34 0,70 12,96 34,98 46,80 40,62 28,62"),
        # The loop crosses the stem.
        (1.0, "38,0 14,28 2,64 12,96 38,98 50,76 36,60 12,66 -8,82"),
        # A wide bowl whose end curls in.
        (2.5, "16,0 2,40 6,84 34,100 60,84 58,60 42,56 28,70 26,92"),
        # A wide loop.
        (1.5, "14,0 2,40 2,80 24,100 56,92 62,66 40,56 10,70 0,86"),
        # A narrow loop.
        (1.0, "24,0 8,40 0,80 10,100 26,94 30,76 16,72 4,86"),
    ),
    7: (
        # Sharp corner.
        (4.0, "0,8 28,5 56,2* 42,35 32,66 24,100"),
        # Sharp corner and a bar.
        (1.5, "0,8 28,5 56,2* 40,35 28,66 20,100 | 8,54 30,51 56,48"),
        # A serif at the left.
        (2.0, "0,24 2,6* 28,4 56,4* 44,36 34,66 30,100"),
        # A serif and a bar.
        (1.0, "0,22 2,6* 28,4 56,4* 42,36 30,66 24,100 | 10,52 32,50 58,48"),
        # A long serif.
        (1.0, "0,36 2,4* 28,3 54,2* 44,40 40,70 38,100"),
        # Round corner.
        (2.0, "0,14 24,4 48,4 54,18 44,45 32,72 24,100"),
        # Wavy top.
        (1.0, "0,14 12,2 30,10 56,2* 38,42 28,70 22,100"),
        # Flat top above an upright stem.
        (1.0, "0,5 30,4 60,4* 58,50 54,100"),
        # Low and wide.
        (0.7, "0,8 36,4 74,0* 52,26 32,52 14,80"),
    ),
    8: (
        # One stroke, begun at the upper right.
        (3.0, "46,10 26,0 6,12 10,32 30,46 50,64 50,88 28,100 4,90 4,68 24,48 46,28 46,10"),
        # Two rings.
        (1.0, "26,0 6,10 6,36 26,46 46,36 46,10 26,0 | 26,46 2,58 0,86 26,100 52,86 50,58 26,46"),
        # Both ends free at the upper right.
        (3.0, "56,6 34,0 12,8 10,28 28,44 44,62 42,88 20,100 2,88 10,66 32,44 52,24 58,8"),
        # The upper ring stays open.
        (1.5, "58,14 40,0 16,4 8,24 26,44 44,62 46,86 24,100 2,86 8,66 28,48 44,36"),
        # An S whose end stops short of the beginning.
        (1.5, "56,6 30,0 8,14 18,38 44,62 44,90 20,100 2,84 14,62 36,44 48,32"),
        # The beginning reaches far to the upper right.
        (1.5, "70,4 40,0 12,10 12,28 36,48 46,74 30,98 8,94 6,76 28,52 50,32 62,10"),
        # The lower ring comes first.
        (1.5, "64,26 40,40 10,62 2,88 22,100 42,86 34,60 12,36 8,12 28,0 48,12 42,32 30,44"),
        # A narrow upper ring.
        (1.0, "40,2 28,8 22,24 30,44 46,66 42,92 20,100 2,88 8,66 30,44 40,26 44,4"),
        # A narrow lower ring.
        (1.5, "50,8 28,0 8,10 10,32 28,48 34,70 30,94 20,98 14,86 22,62 44,36 52,20 48,6"),
    ),
    9: (
        # Straight tail.
        (3.0, "48,12 26,0 4,12 2,36 22,48 42,36 48,10* 46,55 42,100"),
        # Curved tail.
        (1.5, "48,16 28,0 6,12 2,36 20,48 40,38 48,14 50,46 42,80 20,100 2,92"),
        # The head does not quite close and turns smoothly into the tail.
        (2.0, "44,4 20,4 2,26 10,44 32,40 48,16 46,50 38,76 30,100"),
        # The tail is a stroke of its own.
        (1.5, "46,10 22,2 2,24 14,46 36,40 48,16 | 50,4 48,50 44,100"),
        # One clockwise line that begins below the head.
        (1.0, "40,36 20,46 4,34 6,12 26,2 44,10 48,32 44,64 38,100"),
        # A flat, wide head.
        (2.0, "54,8 26,2 2,18 4,38 26,42 48,26 56,6* 48,50 40,100"),
        # A head like a C that the tail closes.
        (1.5, "52,2 24,0 2,14 4,34 24,38 50,24 | 54,2 48,50 40,100"),
        # A large head and a short tail.
        (2.0, "54,20 40,0 10,2 0,30 8,56 30,60 50,42 56,14* 56,60 54,100"),
        # A head like a tilted leaf.
        (1.5, "50,6 34,2 12,16 2,38 14,48 34,34 52,8* 44,50 30,100"),
        # A narrow head, open at the upper right.
        (1.0, "32,4 8,6 2,28 16,44 40,32 54,8* 48,50 40,100"),
        # A square head with a gap below its top.
        (0.8, "56,4 24,4 4,10 4,30 20,40 44,32 52,18 48,52 36,100"),
        # A slanted tail that bends to the left.
        (1.0, "44,18 30,2 8,8 2,30 18,44 38,32 46,12 40,48 26,80 10,100"),
    ),
}

PATH_POINTS = 128  # pen positions a digit; at most about half a pixel apart in the 20-pixel box
_END_FREEDOM = 1.6  # the ends of strokes stray further than the other control points do
_BLOCK = 256  # digits drawn together; few enough for the working arrays to stay in cache


@dataclass(frozen=True)
class _Glyphs:
    """All glyphs as arrays, padded with zeros, so that digits of every kind are drawn together."""

    odds: npt.NDArray[np.float64]
    """(10, g): running sum over the glyphs of the chance of each, given the label."""

    controls: FloatArray
    """(g, k, 2): control points; the digit's height is the unit, its middle at 0, 0."""

    strokes: npt.NDArray[np.intp]
    """(g, k): the number of the stroke that each control point belongs to."""

    freedom: FloatArray
    """(g, k): how far each control point may stray, relative to an ordinary one."""

    weights: FloatArray
    """(g, PATH_POINTS, k): what turns control points into pen positions, by a matrix product."""


def _parse_drawing(drawing: str) -> list[Stroke]:
    """Return the strokes of a drawing, in percent of its height."""
    strokes = []
    for part in drawing.split("|"):
        words = part.split()
        points = [[float(number) for number in word.rstrip("*").split(",")] for word in words]
        corners = [i for i, word in enumerate(words) if word.endswith("*")]
        strokes.append(Stroke(np.array(points, dtype=np.float32), corners))
    return strokes


def _centred(points: FloatArray) -> FloatArray:
    """Return points in percent as fractions, the middle of their bounding box at 0, 0."""
    fractions = points / np.float32(100.0)
    centred: FloatArray = fractions - (fractions.min(axis=0) + fractions.max(axis=0)) / 2.0
    return centred


@lru_cache(maxsize=1)
def _glyphs() -> _Glyphs:
    """Convert `GLYPHS` to arrays, once."""
    entries = [(digit, *glyph) for digit, glyphs in GLYPHS.items() for glyph in glyphs]
    drawings = [_parse_drawing(drawing) for _, _, drawing in entries]
    count, most = len(entries), max(sum(len(s.points) for s in strokes) for strokes in drawings)
    shares = np.zeros((10, count))
    for g, (digit, weight, _) in enumerate(entries):
        shares[digit, g] = weight
    running = np.cumsum(shares, axis=1)
    tables = _Glyphs(
        odds=running / running[:, -1:],
        controls=np.zeros((count, most, 2), dtype=np.float32),
        strokes=np.zeros((count, most), dtype=np.intp),
        freedom=np.ones((count, most), dtype=np.float32),
        weights=np.zeros((count, PATH_POINTS, most), dtype=np.float32),
    )
    for g, strokes in enumerate(drawings):
        lengths = [len(stroke.points) for stroke in strokes]
        total, after_last = sum(lengths), np.cumsum(lengths)
        tables.controls[g, :total] = _centred(np.concatenate([s.points for s in strokes]))
        tables.strokes[g, :total] = np.repeat(np.arange(len(strokes)), lengths)
        tables.freedom[g, [*(after_last - lengths), *(after_last - 1)]] = _END_FREEDOM
        tables.weights[g, :, :total] = path_weights(strokes, PATH_POINTS)
    return tables


def _normal(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> FloatArray:
    """Draw float32 values around 0 with the standard deviation `spread`."""
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)


def _write(labels: npt.NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
    """Write a glyph of each label, its strokes and control points moved at random.

    Returns pen positions (n, PATH_POINTS, 2), where 1 is about the height of a digit.
    """
    glyphs = _glyphs()
    n = len(labels)
    picks = (rng.random((n, 1)) >= glyphs.odds[labels]).sum(axis=1)
    controls, strokes = glyphs.controls[picks], glyphs.strokes[picks]
    # Some writers are careful, some are not.
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
    """Return half the line width (n, PATH_POINTS) in pixels; the pressure varies along the way."""
    radius = np.clip(1.2 * np.exp(_normal(rng, (n, 1), 0.3)), 0.6, 2.6)
    along = np.linspace(0.0, 1.0, PATH_POINTS, dtype=np.float32)
    turns = rng.uniform(2.0, 16.0, (n, 1)).astype(np.float32)
    phase = rng.uniform(0.0, 2.0 * np.pi, (n, 1)).astype(np.float32)
    pressure = np.exp(_normal(rng, (n, 1), 0.1) * np.sin(turns * along + phase))
    radii: FloatArray = (radius * pressure).astype(np.float32)
    return radii


def _draw_block(labels: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw a few hundred digits at once."""
    points = _lean(_bend(_write(labels, rng), rng), rng)
    radii = _pen_radii(len(labels), rng)
    edge_width = rng.uniform(0.7, 1.2, len(labels)).astype(np.float32)
    ink = rasterise(fit_to_box(points, radii), radii, edge_width)
    # The faintest lines are grey, all others reach full white.
    peak = ink.max(axis=(1, 2), keepdims=True)
    ink = ink / np.maximum(peak, np.float32(0.85))
    pictures: npt.NDArray[np.uint8] = np.rint(centre_by_mass(ink) * 255.0).astype(np.uint8)
    return pictures


def draw_digits(labels: npt.NDArray[np.integer], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw one handwriting-like digit for each label, framed as in MNIST.

    Args:
        labels: (n,) whole numbers from 0 to 9.
        rng: source of all randomness; the same labels and generator state give the same digits.

    Returns:
        (n, 28, 28) light ink (up to 255) on a dark ground (0).

    Raises:
        ValueError: if `labels` is not a row of whole numbers from 0 to 9.
    """
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be a row of whole numbers; got shape {labels.shape}, {labels.dtype}"
        )
    wrong = labels[(labels < 0) | (labels > 9)]
    if wrong.size:
        raise ValueError(f"labels must lie between 0 and 9; got {wrong[0]}")
    digits = np.empty((len(labels), IMAGE_SIDE, IMAGE_SIDE), dtype=np.uint8)
    for start in range(0, len(labels), _BLOCK):
        block = slice(start, start + _BLOCK)
        digits[block] = _draw_block(labels[block].astype(np.intp), rng)
    return digits
