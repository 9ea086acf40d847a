"""A comparison's tables as text: cells for people, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from lenetkit.comparison.comparison import Comparison, Group
from lenetkit.comparison.settings import SEED, Difference
from lenetkit.comparison.words import FIGURE_NAMES, figure_text, value_text
from lenetkit.spec.changes import short
from lenetkit.text import NOTHING, number, printable

_MOST_COLUMNS = 4
"""Differences that have a column in the table of runs."""
_LAYER = re.compile(r"layers\.[^.]+")
_TEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "-": "{-}",  # two would become a dash
    "²": r"\textsuperscript{2}",
    "±": r"\ensuremath{\pm}",
    NOTHING: "--",
}

Table = tuple[list[list[str]], list[str], list[str]]
"""Rows of cells, headers, and the headers of columns of numbers."""


def run_table(comparison: Comparison) -> Table:
    """A row for each run: its folder, what differs if that is little, and its figures."""
    said = merged(comparison.differences) if _fits(comparison) else []
    keys = _short_keys(said)
    names = {name: FIGURE_NAMES[name] for name in comparison.figure_names}
    states = any(run.state != "finished" for run in comparison.runs)
    numbers = [*names.values(), "epochs", "seconds"]
    headers = ["run", "folder", *keys, *numbers, *(["state"] if states else [])]
    rows = [
        [
            comparison.letter(run),
            printable(run.path),
            *(value_text(difference.values[i]) for difference in said),
            *(figure_text(name, run.figures.get(name)).removesuffix(" %") for name in names),
            NOTHING if run.epochs is None else str(run.epochs),
            NOTHING if run.seconds is None else number(run.seconds, ".1f"),
            *([run.state] if states else []),
        ]
        for i, run in enumerate(comparison.runs)
    ]
    return rows, headers, numbers


def difference_table(comparison: Comparison) -> Table:
    """A row for each key that differs, a column for each run; no rows if `run_table` says it."""
    letters = [comparison.letter(run) for run in comparison.runs]
    said = [] if _fits(comparison) else merged(comparison.differences)
    rows = [[printable(d.key), *map(value_text, d.values)] for d in said]
    return rows, ["key", *letters], []


def group_table(comparison: Comparison) -> Table:
    """A row for each group of several runs, or none: what sets them apart, mean and deviation."""
    several = [group for group in comparison.groups if len(group.runs) > 1]
    said = [d for d in merged(comparison.differences) if d.key != SEED] if several else []
    said = said if len(said) <= _MOST_COLUMNS else []
    groups = comparison.groups if several else []
    rows = [
        [
            ", ".join(comparison.letter(run) for run in group.runs),
            *(value_text(d.values[comparison.runs.index(group.runs[0])]) for d in said),
            str(len(group.values)),
            figure_text(group.figure, group.mean, group.sd),
        ]
        for group in groups
    ]
    headers = ["runs", *_short_keys(said), "n", _group_heading(groups)]
    return rows, headers, ["n"]


def csv_text(comparison: Comparison) -> str:
    """A line for each run: what differs, in full, figures unrounded, and the group's number."""
    rows = comparison.rows()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(printable, columns))
    for row in rows:
        writer.writerow([_csv_cell(row.get(column)) for column in columns])
    return text.getvalue()


def latex_text(comparison: Comparison) -> str:
    """The tables as LaTeX, with every special character escaped; needs the package booktabs, and
    XeLaTeX or LuaLaTeX where names are in other scripts.
    """
    made = (run_table, difference_table, group_table)
    tables = [_tabular(*table) for table in (make(comparison) for make in made) if table[0]]
    return "\n\n".join(["% \\usepackage{booktabs}", *tables])


def _fits(comparison: Comparison) -> bool:
    return len(merged(comparison.differences)) <= _MOST_COLUMNS


def merged(found: Sequence[Difference]) -> list[Difference]:
    """Neighbouring layers whose values are the same as one: `layers.relu1, relu2`."""
    merged: list[Difference] = []
    for difference in found:
        before = merged[-1] if merged else None
        layers = _LAYER.fullmatch(difference.key) and before and _LAYER.fullmatch(before.key)
        if before and layers and before.values == difference.values:
            name = difference.key.removeprefix("layers.")
            merged[-1] = Difference(f"{before.key}, {name}", before.values)
        else:
            merged.append(difference)
    return merged


def _short_keys(said: Sequence[Difference]) -> list[str]:
    """Keys as titles call them, in full where two would be called the same."""
    words = [printable(short(difference.key)) for difference in said]
    taken = {"run", "runs", "n", "folder", "epochs", "seconds", "state", *FIGURE_NAMES.values()}
    return [
        word if words.count(word) == 1 and word not in taken else printable(difference.key)
        for word, difference in zip(words, said, strict=True)
    ]


def _group_heading(groups: Sequence[Group]) -> str:
    names = {FIGURE_NAMES[group.figure] for group in groups}
    name = names.pop() if len(names) == 1 else "test"
    return f"{name.removesuffix(' %')} mean ± sd"


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, int | float) else value_text(value)


def _tabular(rows: Sequence[Sequence[str]], headers: Sequence[str], right: Sequence[str]) -> str:
    kinds = "".join("r" if header in right else "l" for header in headers)
    lines = [" & ".join(map(tex, row)) + r" \\" for row in [headers, *rows]]
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([f"\\begin{{tabular}}{{{kinds}}}", *body, r"\end{tabular}"])


def tex(text: str) -> str:
    """Text for LaTeX, on one line, with every special character escaped."""
    return "".join(_TEX.get(c, c) for c in printable(text))
