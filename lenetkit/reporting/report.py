"""A report: one HTML file with all that it shows inside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lenetkit import plots
from lenetkit._version import __version__
from lenetkit.comparison import tables
from lenetkit.comparison.comparison import Comparison, readable_record
from lenetkit.comparison.record import RunRecord
from lenetkit.comparison.words import value_text
from lenetkit.errors import LenetkitError, OptionError, RunError, warn
from lenetkit.files import atomic
from lenetkit.files.opening import user_path
from lenetkit.html.rendering import LANGUAGES, Said, render, sayer
from lenetkit.model.model import ARRAYS
from lenetkit.plots.words import LANGUAGES as WORDS
from lenetkit.reporting.material import Material, Reader
from lenetkit.reporting.pictures import DIGITS, TABLE_CLASSES, Pictures
from lenetkit.text import printable

MAX_BYTES = 8_000_000
_SUFFIXES = (".html", ".htm")
_DETAILS = (DIGITS, 1, 0)
"""Feature maps of how many images each run has: less of several runs, or for a smaller file."""
_MOST_PAIRS = 10
_DAMAGES = (AttributeError, LookupError, TypeError, ValueError, ZeroDivisionError)
"""What reading a damaged result raises."""

Runs = str | Path | RunRecord


def report(
    runs: Runs | Iterable[Runs],
    out: str | Path = "report.html",
    *,
    lang: str = "en",
    data_dir: str | Path | None = None,
    report: Callable[[str], None] = warn,
) -> Path:
    """Write an HTML file about a run, or about several side by side; its path.

        lenetkit.report("runs/lenet5/001", "report.html")
        lenetkit.report(["runs/lenet5/001", "runs/lenet5/002"], "report.html", lang="zh")

    It holds all that it shows, at most 8 MB, and no address of anything else. Runs are folders, or
    what `find_runs` found. The mistakes and feature maps need the run's test images, looked for in
    `data_dir`, or else where the spec says; `report` is told what is left out, and why.

    Raises OptionError, a ValueError, for a `lang` other than en and zh, and RunError for folders
    that are no runs, incomplete or damaged, and for more runs than a report has room for.
    """
    target = user_path(out)
    if target.suffix.lower() not in _SUFFIXES:
        raise OptionError("out", f"expected a name that ends in .html, found '{printable(out)}'")
    if lang not in LANGUAGES:
        raise OptionError("lang", f"expected en or zh, found '{printable(lang)}'")
    given = [runs] if isinstance(runs, str | Path | RunRecord) else list(runs)
    if not given:
        raise RunError("expected at least one run to report, found none")
    records = [
        readable_record(run.path if isinstance(run, RunRecord) else run, "reported")
        for run in given
    ]
    reader = Reader(None if data_dir is None else user_path(data_dir), report)
    with _naming_damage(records):
        materials = [reader.read(record) for record in records]
        _advise(materials, lang, report)
        page = _page(records, materials, lang)
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(target, page)
    return target


@contextmanager
def _naming_damage(records: list[RunRecord]) -> Iterator[None]:
    try:
        yield
    except LenetkitError:
        raise
    except _DAMAGES as error:
        paths = ", ".join(printable(record.path) for record in records)
        what = f"{type(error).__name__}: {error}"
        raise RunError(f"{paths}: the result of a run is damaged: {what}") from error


def _advise(materials: list[Material], lang: str, report: Callable[[str], None]) -> None:
    """Say which characters no installed font has."""
    classes = (name for each in materials for name in each.result.get("classes", ()))
    layers = (layer.name for each in materials if each.plan for layer in each.plan.layers)
    if advice := plots.font_advice(WORDS[lang].characters, *map(str, classes), *layers):
        report(advice)


def _page(records: list[RunRecord], materials: list[Material], lang: str) -> str:
    comparison = Comparison(tuple(records)) if len(records) > 1 else None
    for digits in _DETAILS[1:] if comparison else _DETAILS:
        page = _rendered(comparison, materials, lang, digits)
        if len(page.encode()) <= MAX_BYTES:
            return page
    raise RunError(
        f"a report of {len(materials)} runs is larger than {MAX_BYTES // 10**6} MB; give fewer"
    )


def _rendered(
    comparison: Comparison | None, materials: list[Material], lang: str, digits: int
) -> str:
    said = sayer(lang)
    numbers = {kind: itertools.count(1) for kind in ("Figure", "Table")}

    def numbered(kind: str) -> str:
        return said(f"{kind} {{n}}.", n=next(numbers[kind]))

    return render(
        "report.html",
        lang,
        comparison=comparison,
        tables=tables,
        materials=materials,
        draw=Pictures(lang, said),
        digits=digits,
        table_classes=TABLE_CLASSES,
        most_pairs=_MOST_PAIRS,
        numbered=numbered,
        first_of=_first_of(comparison, materials),
        settings_of=_settings,
        changes_of=lambda differs: [
            (key, said("removed") if value is None else value) for key, value in differs.items()
        ],
        environment_of=lambda versions: _environment(versions, said),
        arrays=ARRAYS,
        version=__version__,
    )


def _settings(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys of a resolved spec beside its network, and their values in words."""
    named = {key: value for key, value in tree.items() if key not in ("input", "layers", "train")}
    named |= {f"train.{key}": value for key, value in tree.get("train", {}).items()}
    return [(key, value_text(value)) for key, value in named.items()]


def _environment(versions: Mapping[str, str], said: Said) -> list[tuple[str, str]]:
    """Versions and the like by what they are called."""
    names = {"numpy": "NumPy", "blas": "BLAS", "cpu": "CPU", "python": "Python"}
    names |= {name: said(name) for name in ("platform", "threads")}
    return [(names.get(key, key), value) for key, value in versions.items() if value]


def _first_of(
    comparison: Comparison | None, materials: list[Material]
) -> dict[RunRecord, RunRecord]:
    """Run → the first run of its group, whose network and settings are the same."""
    groups = comparison.groups if comparison else []
    found: dict[RunRecord, Any] = {each.record: each.record for each in materials}
    return found | {run: group.runs[0] for group in groups for run in group.runs}
