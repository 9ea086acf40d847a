"""Templates become HTML; what is put into them is made `printable` and escaped."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lenetkit.arrays import shape_text
from lenetkit.text import number, percent, printable

_FORMATS = {"epoch": ".0f", "lr": ".2e", "seconds": ".2f", "rmse": ".4g"}


def render(template: str, **values: Any) -> str:
    """The template of this name in `templates/`, with these values."""
    return _environment().get_template(template).render(values)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file's content as an address, so that a page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("lenetkit.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else printable(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": lambda value: f"{value:,}",
        "figure": figure,
        "number": number,
        "percent": percent,
        "setting": setting,
        "shape": shape_text,
    }
    return made


def figure(value: float, name: str) -> str:
    """A figure of an epoch, such as `test_accuracy`, as its name demands."""
    kind = name.rpartition("_")[2]
    return percent(value) if kind == "accuracy" else number(value, _FORMATS.get(kind, ".4f"))


def setting(value: Any) -> str:
    """An option of a spec in words: `adam (lr 0.003, weight_decay 0.1)`."""
    match value:
        case {"type": kind, **options} if options:
            said = (f"{name} {setting(option)}" for name, option in options.items())
            return f"{kind} ({', '.join(said)})"
        case Mapping():
            return setting(value["type"]) if "type" in value else str(dict(value))
        case str():
            return value
        case Sequence():
            return ", ".join(map(setting, value)) or "none"
        case float():
            return f"{value:g}"
        case None:
            return "none"
    return str(value)
