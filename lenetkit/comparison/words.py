"""Settings and figures in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lenetkit.comparison.settings import Difference
from lenetkit.spec.changes import in_words, short
from lenetkit.text import NOTHING, json_text, number, percent, printable

FIGURE_NAMES = {
    f"{split}_{figure}": f"{split} {name}"
    for split in ("test", "train")
    for figure, name in (("accuracy", "%"), ("rmse", "RMSE"), ("r2", "R²"), ("loss", "loss"))
}


def value_text(value: Any) -> str:
    """A setting in words: `sgd lr=0.05`, `relu1 → conv2`, a dash where there is none."""
    match value:
        case None:
            return NOTHING
        case str():
            return printable(value)
        case {"type": kind, **options}:
            said = (f"{key}={value_text(item)}" for key, item in options.items())
            return " ".join([value_text(kind), *said])
        case dict():
            return " ".join(f"{short(key)} {value_text(item)}" for key, item in value.items())
        case list() if any(isinstance(item, str | dict) for item in value):
            return " + ".join(map(value_text, value))
        case float():
            return f"{value:.10g}"
        case _:
            return json_text(value)


def settings_text(found: Sequence[Difference], index: int) -> str:
    """What one of the specs has for all keys: `relu1, relu2 tanh, lr 0.01`."""
    return in_words({printable(d.key): value_text(d.values[index]) for d in found}, most=3)


def figure_text(name: str, value: float | None, sd: float | None = None) -> str:
    """A figure as people read it: `99.31 %`, `99.31 ± 0.05 %`, `0.0213`."""
    if value is None or math.isnan(value):
        return NOTHING
    if name.endswith("accuracy"):
        mean = percent(value, 2, "")
        return f"{mean} %" if sd is None else f"{mean} ± {100 * sd:.2f} %"
    return number(value, ".4g") + ("" if sd is None else f" ± {number(sd, '.2g')}")
