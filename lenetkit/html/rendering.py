"""Templates become HTML; what is put into them is made `printable` and escaped."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lenetkit.arrays import shape_text
from lenetkit.html.chinese import CHINESE
from lenetkit.text import counted, number, percent, printable

_FORMATS = {"epoch": ".0f", "lr": ".2e", "seconds": ".2f", "rmse": ".4g"}


LANGUAGES = {"en": "en", "zh": "zh-CN"}
"""The languages, and what HTML calls them."""
Said = Callable[..., str]


def render(template: str, lang: str = "en", /, **values: Any) -> str:
    """The template of this name in `templates/`, with these values, in one of `LANGUAGES`.

    What templates say is English; `t("… {n} …", n=3)` translates it and fills it in.
    """
    return _environment(lang).get_template(template).render(values)


def sayer(lang: str) -> Said:
    """What translates a text and fills in its braces."""

    def said(text: str, **values: Any) -> str:
        found = CHINESE[text] if lang == "zh" else text
        return found.format(**values) if values else found

    return said


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """A file's content as an address, so that a page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@functools.cache
def _environment(lang: str) -> Environment:
    said = sayer(lang)
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
        "counted": counted,
        "figure": figure,
        "number": number,
        "percent": percent,
        "setting": setting,
        "lines": _lines,
        "shape": shape_text,
    }
    translated = CHINESE if lang == "zh" else {}
    made.globals |= {
        "t": said,
        "known": lambda text: translated.get(text, text),
        "html_lang": LANGUAGES[lang],
        "space": "" if lang == "zh" else " ",
    }
    return made


def _lines(text: str) -> Markup:
    """Text of several lines, for `<pre>`."""
    return Markup("\n").join(escape(printable(line)) for line in text.splitlines())


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
