"""A page: a figure laid out in inches below a heading, in one style, and saved atomically.

Figures are made without pyplot, which would keep all of them alive and may need a display.
"""

from __future__ import annotations

import base64
import contextlib
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.figure
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lenetkit.errors import InputError
from lenetkit.files.atomic import replacing
from lenetkit.plots.fonts import Typeface

DPI = 150
_SCREEN_DPI = 72
FORMATS = ("png", "pdf", "svg")

INK = "#222222"
MUTED = "#666666"
FAINT = "#bdbdbd"
GRID = "#e4e4e4"
# Okabe and Ito's palette, safe for every common kind of colour blindness.
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"

MARGIN = 0.3
"""Empty inches around everything."""
_TITLE_SIZE = 13.0
_DETAIL_SIZE = 9.5
_TITLE_LINES = 2
_DETAIL_LINES = 3
_LINE_HEIGHT = 1.3  # of the font size
_GAP = 0.16  # inches between heading and body

_NO_DATE: dict[str, dict[str, None]] = {
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
"""Metadata by format: the same figure is the same bytes."""

_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # names may contain dollar signs
    "text.color": INK,
    "font.size": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "image.composite_image": False,
    "svg.fonttype": "none",  # text that can be searched, selected and read aloud
    "svg.hashsalt": "lenetkit",  # otherwise every file has other ids
}


@contextlib.contextmanager
def styled(*texts: str) -> Iterator[Typeface]:
    """Settings under which a figure with `texts` is made or saved; the caller's are restored."""
    typeface = Typeface.for_texts(*texts)
    own = {**_STYLE, "font.family": list(typeface.families)}
    with matplotlib.style.context(["default", own]):
        yield typeface


class Figure(matplotlib.figure.Figure):
    """A figure that notebooks show as it is, with or without pyplot."""

    def png(self) -> bytes:
        """The picture, as `save_figure` writes it."""
        file = io.BytesIO()
        with styled():
            self.savefig(file, format="png", dpi=DPI, facecolor="white")
        return file.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        picture = base64.b64encode(self.png()).decode("ascii")
        bundle = {"image/png": picture, "text/plain": repr(self)}
        return bundle, {"image/png": {"width": round(_SCREEN_DPI * self.get_figwidth())}}


class Page:
    """A figure with a heading and a body below it, measured in inches.

    `width` and `body_height` are the body's, without the margin around it. The heading is the
    `title` in bold, then a line of facts: `what` is shown, the data set and any `notes`; what is
    empty is left out. The figure grows by as many lines as they take.
    """

    def __init__(
        self,
        typeface: Typeface,
        width: float,
        body_height: float,
        title: str,
        what: str,
        dataset: str,
        *notes: str,
    ) -> None:
        self.typeface = typeface
        self.width = width
        self.body_height = body_height
        facts_given = [what, f"data set: {dataset}" if dataset else "", *notes]
        details = " · ".join(filter(None, facts_given))
        titles = typeface.fit(title, _TITLE_SIZE, width, lines=_TITLE_LINES, bold=typeface.bold)
        facts = typeface.fit(details, _DETAIL_SIZE, width, lines=_DETAIL_LINES)
        title_height = len(titles) * _TITLE_SIZE * _LINE_HEIGHT / 72
        heading = title_height + len(facts) * _DETAIL_SIZE * _LINE_HEIGHT / 72
        # Whole pixels, so that what is laid out in pixels meets their edges.
        self.height = math.ceil((body_height + heading + _GAP + 2 * MARGIN) * DPI) / DPI
        self.figure = Figure(figsize=(width + 2 * MARGIN, self.height), dpi=DPI)
        FigureCanvasAgg(self.figure)
        top = self.height - 2 * MARGIN
        weight = "bold" if typeface.bold else "normal"
        self.text(0, top, "\n".join(titles), size=_TITLE_SIZE, weight=weight, va="top")
        self.text(0, top - title_height, "\n".join(facts), size=_DETAIL_SIZE, color=MUTED, va="top")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Fractions of the figure for inches from the body's lower left corner."""
        return (x + MARGIN) / (self.width + 2 * MARGIN), (y + MARGIN) / self.height

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes with a frame of this position, from the body's lower left corner, and size."""
        x, y = self.place(left, bottom)
        right, top = self.place(left + width, bottom + height)
        return self.figure.add_axes((x, y, right - x, top - y))

    def sheet(self) -> Axes:
        """Invisible axes over the whole body, in inches from its lower left corner."""
        axes = self.axes(0, 0, self.width, self.body_height)
        axes.set_axis_off()
        axes.set(xlim=(0, self.width), ylim=(0, self.body_height))
        axes.set_autoscale_on(False)
        return axes

    def text(self, x: float, y: float, text: str, **options: Any) -> None:
        """Printable `text` at inches from the body's lower left corner; empty text is skipped."""
        if text:
            self.figure.text(*self.place(x, y), text, linespacing=1.15, **options)

    def say(self, message: str) -> None:
        """A sentence in the middle of the body, when there is nothing to draw."""
        x, y = self.width / 2, self.body_height / 2
        self.text(x, y, message, size=12, color=MUTED, ha="center", va="center")


def save_figure(figure: matplotlib.figure.Figure, path: str | os.PathLike[str]) -> Path:
    """Write `figure` to `path` (.png, .pdf or .svg), creating its folder if it is missing.

    The same figure becomes the same bytes. The file is replaced atomically: an existing one
    survives any failure.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        wanted = ", ".join(f".{name}" for name in FORMATS)
        raise InputError(f"{target}: cannot save a picture as {target.suffix!r}; use {wanted}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with styled(), replacing(target) as file:
        figure.savefig(file, format=kind, dpi=DPI, facecolor="white", metadata=_NO_DATE[kind])
    return target
