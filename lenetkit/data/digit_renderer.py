"""Turns strokes into images that follow MNIST's conventions.

MNIST was made by scaling the ink of every digit into a 20×20 box (keeping its aspect ratio) and
pasting that box into a 28×28 field so that the ink's centre of mass lies in the middle. Here a
batch of digits goes the same way: `path_weights` gives dense pen paths of smooth strokes, then
come `fit_to_box`, `rasterise` and `centre_by_mass`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

IMAGE_SIDE = 28  # pixels
BOX_SIDE = 20  # pixels; the ink of a digit fills this box along its longer side
_CURVE_STEPS = 24  # candidate pen positions between two control points


class Stroke(NamedTuple):
    """A curve through control points, drawn without lifting the pen."""

    points: FloatArray
    """(k, 2): x, y of the control points."""
    corners: list[int]
    """Indices of the control points where the curve turns sharply."""


def path_weights(strokes: list[Stroke], count: int) -> FloatArray:
    """Weights (count, k) that turn a drawing's k control points into evenly spaced pen positions.

    Their product with control points (k, 2) is positions (count, 2), shared among the strokes in
    proportion to their lengths. A curve is linear in its control points, so the same weights serve
    control points that were moved a little.
    """
    curves = [_curve_weights(len(points), corners) for points, corners in strokes]
    travelled = [_travelled(w @ s.points) for w, s in zip(curves, strokes, strict=True)]
    ends = np.cumsum([distance[-1] for distance in travelled])
    shares = np.diff(np.rint(ends / ends[-1] * count).astype(int), prepend=0)
    weights = np.zeros((count, sum(len(s.points) for s in strokes)), dtype=np.float32)
    row = column = 0
    for curve, distance, share in zip(curves, travelled, shares, strict=True):
        wanted = np.linspace(0.0, distance[-1], share)
        nearest = np.minimum(np.searchsorted(distance, wanted), len(curve) - 1)
        weights[row : row + share, column : column + curve.shape[1]] = curve[nearest]
        row, column = row + share, column + curve.shape[1]
    return weights


def _curve_weights(count: int, corners: list[int]) -> FloatArray:
    """Weights (m, count) of one stroke: smooth curves that meet in the corners."""
    pieces = []
    for first, last in pairwise([0, *corners, count - 1]):
        piece = _smooth_weights(last - first + 1)
        pieces.append(np.pad(piece, ((0, 0), (first, count - 1 - last))))
    return np.concatenate(pieces)


def _smooth_weights(count: int) -> FloatArray:
    """Weights (m, count) of a Catmull-Rom spline through `count` control points.

    Its direction in a control point is parallel to the line between the neighbours.
    """
    # Mirror the ends (2 * first - second) to have two neighbours for the outermost spans as well.
    neighbours = np.zeros((count + 2, count), dtype=np.float32)
    neighbours[1:-1] = np.eye(count)
    neighbours[0, :2] = 2, -1
    neighbours[-1, -2:] = -1, 2
    t = np.linspace(0.0, 1.0, _CURVE_STEPS, dtype=np.float32)
    powers = np.stack([np.ones_like(t), t, t**2, t**3], axis=1)
    catmull_rom = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2.0
    span = (powers @ catmull_rom).astype(np.float32)
    return np.concatenate([span @ neighbours[i : i + 4] for i in range(count - 1)])


def _travelled(positions: FloatArray) -> FloatArray:
    """Distance (m,) covered along positions (m, 2) up to each of them."""
    steps = np.hypot(*np.diff(positions, axis=0).T)
    return np.concatenate([np.zeros(1, np.float32), np.cumsum(steps, dtype=np.float32)])


def fit_to_box(points: FloatArray, radii: FloatArray) -> FloatArray:
    """Pen positions (n, p, 2), x and y in any unit, scaled so that the ink fits the box exactly.

    Returns pixels, 0 to `BOX_SIDE` on both axes. x and y are scaled alike and the shorter side is
    centred. `radii` (n, p) are half the line width at each point in pixels, and are not scaled.
    """
    low, high = points.min(axis=1), points.max(axis=1)
    room = BOX_SIDE - 2.0 * radii.max(axis=1)
    longer_side = np.maximum((high - low).max(axis=1), 1e-6)
    scale = (room / longer_side)[:, None, None]
    middle = ((low + high) / 2.0)[:, None, :]
    fitted: FloatArray = (points - middle) * scale + np.float32(BOX_SIDE / 2.0)
    return fitted


def rasterise(points: FloatArray, radii: FloatArray, edge_width: FloatArray) -> FloatArray:
    """Ink (n, BOX_SIDE, BOX_SIDE) in 0..1 of each path drawn with a round pen.

    A pixel's ink follows from its distance to the nearest pen position, in pen radii: full inside
    the line, none outside, and a linear ramp across the edge, which is what averaging over the
    pixel's area would give.

    `points` (n, p, 2) are pen positions in pixels, at most about half a pixel apart, `radii` (n, p)
    half the line width there, `edge_width` (n,) the width of the ramp in pixels.
    """
    count, steps, _ = points.shape
    pixel_centres = np.arange(BOX_SIDE, dtype=np.float32) + np.float32(0.5)
    # The image index comes last so that every NumPy inner loop is long.
    inverse_radii = 1.0 / radii.T
    columns, rows = (
        np.square((pixel_centres[:, None] - points[:, :, axis].T[:, None]) * inverse_radii[:, None])
        for axis in (0, 1)
    )
    nearest = np.full((BOX_SIDE, BOX_SIDE, count), np.inf, dtype=np.float32)
    candidate = np.empty_like(nearest)
    for step in range(steps):
        np.add(rows[step][:, None], columns[step][None, :], out=candidate)
        np.minimum(nearest, candidate, out=nearest)
    depth = (1.0 - np.sqrt(nearest)) * radii.mean(axis=1)
    ink = np.clip(depth / edge_width + 0.5, 0.0, 1.0)
    return np.ascontiguousarray(np.moveaxis(ink, -1, 0), dtype=np.float32)


def centre_by_mass(boxes: FloatArray) -> FloatArray:
    """Boxes (n, BOX_SIDE, BOX_SIDE) pasted into empty fields (n, IMAGE_SIDE, IMAGE_SIDE).

    The ink's centre of mass ends within half a pixel of the middle, unless the box would leave the
    field. As in MNIST, the shift is a whole number of pixels, so no pixel is blurred.
    """
    pixel_centres = np.arange(BOX_SIDE, dtype=np.float32) + np.float32(0.5)
    mass = np.maximum(boxes.sum(axis=(1, 2)), 1e-6)
    centre_y = (boxes.sum(axis=2) * pixel_centres).sum(axis=1) / mass
    centre_x = (boxes.sum(axis=1) * pixel_centres).sum(axis=1) / mass
    top, left = (
        np.clip(np.rint(IMAGE_SIDE / 2.0 - centre), 0, IMAGE_SIDE - BOX_SIDE).astype(np.intp)
        for centre in (centre_y, centre_x)
    )
    fields = np.zeros((len(boxes), IMAGE_SIDE, IMAGE_SIDE), dtype=np.float32)
    for field, box, y, x in zip(fields, boxes, top, left, strict=True):
        field[y : y + BOX_SIDE, x : x + BOX_SIDE] = box
    return fields
