"""Several runs: what differs, their figures, the groups that differ by seed, and pairs of them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.comparison.mcnemar import McNemar, p_text
from lenetkit.comparison.record import FIGURES, RunRecord, read_record
from lenetkit.comparison.settings import SEED, Difference, Settings, differences
from lenetkit.comparison.words import figure_text, settings_text
from lenetkit.errors import RunError, warn
from lenetkit.files.opening import is_there, user_path
from lenetkit.runs.folder import RunFolder
from lenetkit.text import percent

if TYPE_CHECKING:
    from lenetkit.plots import Figure

_DRAWN = ("data.validation", "data.test_share", "data.limit")
"""Keys by which samples are drawn, so that their digests follow from settings and seed."""
_ROUNDED = 1e-9
"""Accuracies that differ by more are not the same."""
_LATER = ("data.transforms", "data.preparation")
"""Keys of what happens to samples once they are read."""


@dataclass(frozen=True)
class Group:
    """Finished runs that differ in nothing but the seed; a run alone is a group too."""

    runs: tuple[RunRecord, ...]

    @property
    def figure(self) -> str:
        """What `mean` and `sd` are of: `test_accuracy`, or `test_rmse` of a regression."""
        return "test_rmse" if self.runs[0].is_regression else "test_accuracy"

    @property
    def values(self) -> list[float]:
        """The figure of each run; of a folder that is there twice, once."""
        once = {run.path.absolute(): run for run in self.runs}
        return [run.figures.get(self.figure, math.nan) for run in once.values()]

    @property
    def mean(self) -> float:
        """Over the runs."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """The standard deviation over the runs, with n − 1; None of one run."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Pair:
    """Two runs that were measured on the same test set, and McNemar's test of them."""

    a: RunRecord
    b: RunRecord
    test: McNemar


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side; `compare` makes one."""

    runs: tuple[RunRecord, ...]

    def __repr__(self) -> str:
        keys = ", ".join(difference.key for difference in self.differences)
        return f"<Comparison of {len(self.runs)} runs that differ in {keys or 'nothing'}>"

    @cached_property
    def differences(self) -> list[Difference]:
        """The keys in which the runs' resolved specs differ, with a value for each run.

        Beside those of specs: `init_from`, where runs started from other weights, `parts`, where a
        run went on with another spec, and `dataset`, where other data were used although the specs
        name the same.
        """
        specs = [_settings(run) for run in self.runs]
        if len({run.digests.get("train") for run in self.runs}) > 1:
            specs = [spec.without_learned() for spec in specs]
        found = differences(specs)
        others: dict[str, tuple[Any, ...]] = {
            "init_from": tuple(run.init_from for run in self.runs),
            "parts": tuple(_parts(run) for run in self.runs),
        }
        if not any(d.key.startswith("data") and d.key not in _LATER for d in found):
            others["dataset"] = _data_names([_data(run) for run in self.runs])
        return found + [
            Difference(key, values)
            for key, values in others.items()
            if any(value != values[0] for value in values)
        ]

    @cached_property
    def groups(self) -> list[Group]:
        """The finished runs, those together that differ in nothing but the seed."""
        found: dict[str, list[RunRecord]] = {}
        for i, run in enumerate(self.runs):
            if run.state == "finished":
                values = [(d.key, d.values[i]) for d in self.differences if d.key != SEED]
                found.setdefault(repr(values), []).append(run)
        return [Group(tuple(runs)) for runs in found.values()]

    @property
    def parts(self) -> list[tuple[RunRecord, ...]]:
        """All runs: those of a group together, others alone."""
        grouped = {run: group.runs for group in self.groups for run in group.runs}
        return list(dict.fromkeys(grouped.get(run, (run,)) for run in self.runs))

    @cached_property
    def pairs(self) -> list[Pair]:
        """McNemar's test of each two finished runs on the same test set, by its digest.

        Runs without `predictions.csv` (see `untested`) and regressions have none. Raises RunError
        if that file is damaged.
        """
        tested = [run for run in self.runs if _was_tested(run) and _has_predictions(run)]
        right = {run: _right(run) for run in tested}
        return [
            Pair(a, b, McNemar.of(*_of_one_length(right, a, b)))
            for a, b in itertools.combinations(right, 2)
            if a.digests.get("test") == b.digests.get("test")
        ]

    @property
    def untested(self) -> list[RunRecord]:
        """Finished runs of an earlier version, which wrote no predictions."""
        return [run for run in self.runs if _was_tested(run) and not _has_predictions(run)]

    def letter(self, run: RunRecord) -> str:
        """What tables and sentences call a run: A, B, …, Z, AA, …"""
        name, number = "", self.runs.index(run) + 1
        while number:
            number, place = divmod(number - 1, 26)
            name = chr(ord("A") + place) + name
        return name

    def sentence(self, pair: Pair, said: Callable[[str], str] = str) -> str:
        """`B reads 31 images right that A reads wrong, the other way 12: p = 0.005`.

        The run that reads more of them right comes first. `said` translates.
        """
        a, b, counts = pair.a, pair.b, (pair.test.only_a, pair.test.only_b)
        better, worse = (a, b) if counts[0] >= counts[1] else (b, a)
        if not any(counts):
            text = "{a} and {b} read the same images right"
        elif max(counts) == 1:
            text = "{a} reads 1 image right that {b} reads wrong, the other way {fewer}: {p}"
        else:
            text = (
                "{a} reads {more:,} images right that {b} reads wrong, the other way {fewer:,}: {p}"
            )
        return said(text).format(
            a=self.letter(better),
            b=self.letter(worse),
            more=max(counts),
            fewer=min(counts),
            p=p_text(pair.test.p),
        )

    def rows(self) -> list[dict[str, Any]]:
        """A flat dict for each run, of which pandas makes a table: what differs, and figures."""
        group = {run: i for i, each in enumerate(self.groups, 1) for run in each.runs}
        return [
            {
                "run": self.letter(run),
                "path": str(run.path),
                "name": run.name,
                **{d.key: d.values[i] for d in self.differences},
                **{name: run.figures[name] for name in self.figure_names if name in run.figures},
                "epochs": run.epochs,
                "seconds": run.seconds,
                "state": run.state,
                "group": group.get(run),
            }
            for i, run in enumerate(self.runs)
        ]

    @property
    def figure_names(self) -> list[str]:
        """The figures that any of the runs has."""
        return [name for name in FIGURES if any(name in run.figures for run in self.runs)]

    def facts(self) -> dict[str, Any]:
        """What `lenetkit compare --json` prints."""
        return {
            "differences": [{"key": d.key, "values": list(d.values)} for d in self.differences],
            "runs": [_without_changes(run.row()) for run in self.runs],
            "groups": [
                {
                    "runs": [str(run.path) for run in group.runs],
                    "figure": group.figure,
                    "n": len(group.values),
                    "mean": group.mean,
                    "sd": group.sd,
                }
                for group in self.groups
            ],
            "pairs": [
                {
                    "runs": [str(pair.a.path), str(pair.b.path)],
                    "only_right": [pair.test.only_a, pair.test.only_b],
                    "p": pair.test.p,
                }
                for pair in self.pairs
            ],
        }

    def plot(
        self, path: str | Path | None = None, *, report: Callable[[str], None] = warn
    ) -> Figure:
        """Draw the runs' curves over one another; saved to `path` (.png, .svg or .pdf) if given.

        Runs of a group share colour, line and marker, and their mean is drawn over them; without
        colour, lines and markers tell groups apart. `report` is told which characters no installed
        font has. Raises RunError if a run's table is damaged.
        """
        from lenetkit.comparison.curves import draw  # Matplotlib takes a while to import

        labelled = {self._label(runs): runs for runs in self.parts}
        return draw(labelled, None if path is None else user_path(path), report)

    def _label(self, runs: Sequence[RunRecord]) -> str:
        """`A, B, C: lr 0.01, 99.31 ± 0.05 %`, with their names where these alone differ."""
        letters = ", ".join(map(self.letter, runs))
        names = {run.name for run in self.runs if run not in runs}
        if len({run.name for run in self.runs}) > 1 and runs[0].name not in names:
            words = runs[0].name
        else:
            said = [d for d in self.differences if d.key != SEED or len(runs) == 1]
            words = settings_text(said, self.runs.index(runs[0]))
        if all(run.state == "finished" for run in runs):
            group = Group(tuple(runs))
            outcome = figure_text(group.figure, group.mean, group.sd)
        else:
            outcome = runs[0].state
        return f"{letters}: {', '.join(filter(None, [words, outcome]))}"


def compare(runs: Iterable[str | Path | RunRecord]) -> Comparison:
    """Runs side by side, from the files in their folders.

        comparison = lenetkit.compare(["runs/lenet5/001", "runs/lenet5/002"])
        comparison.differences, comparison.groups, comparison.pairs
        comparison.plot("curves.png")

    Raises RunError if a folder is not a run's, or if what it says of the run is damaged.
    """
    if isinstance(runs, str | Path):
        raise TypeError(f"expected several run folders, found one: {str(runs)!r}")
    records = [
        replace(_usable(run, "compared")) if isinstance(run, RunRecord) else readable_record(run)
        for run in runs
    ]
    if len(records) < 2:
        raise RunError(f"expected at least two runs to compare, found {len(records)}")
    return Comparison(tuple(records))


def readable_record(folder: str | Path, use: str = "compared") -> RunRecord:
    """The record of a run folder. Raises RunError if it is not one, incomplete or damaged."""
    path = user_path(folder)
    RunFolder.open(path)
    return _usable(read_record(path), use)


def _usable(record: RunRecord, use: str) -> RunRecord:
    if record.state in ("damaged", "incomplete") or record.settings is None:
        why = record.reason or "its spec.yaml cannot be read"
        raise RunError(f"{record.path}: cannot be {use}: {why}")
    return record


def _settings(run: RunRecord) -> Settings:
    return run.settings or Settings({})


def _parts(run: RunRecord) -> list[dict[str, Any]] | None:
    """The steps of a run's earlier parts, with what was otherwise in each."""
    found = [
        {"steps": steps, **{d.key: d.values[0] for d in differences([settings, _settings(run)])}}
        for steps, settings in run.parts
    ]
    return [part for part in found if len(part) > 1] or None


def _data(run: RunRecord) -> tuple[str, str, str]:
    """The data set's name, and the digests of what does not follow from settings and seed."""
    drawn = {key for key in _DRAWN if _settings(run).get(key)}
    train = "" if drawn else run.digests.get("train", "")
    test = "" if "data.test_share" in drawn else run.digests.get("test", "")
    return run.dataset or "", train, test


def _data_names(data: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """The data sets' names; where they are all called the same, with digests that differ."""
    told = [i for i in (1, 2) if len({each[i] for each in data}) > 1]
    if len({name for name, _, _ in data}) > 1 or not told:
        return tuple(name for name, _, _ in data)
    parts = {1: "training", 2: "test"}
    return tuple(
        f"{each[0]} ({', '.join(f'{parts[i]} {each[i][:8]}' for i in told)})" for each in data
    )


def _was_tested(run: RunRecord) -> bool:
    """Whether it has an accuracy on a test set."""
    return run.state == "finished" and not math.isnan(run.figures.get("test_accuracy", math.nan))


def _has_predictions(run: RunRecord) -> bool:
    return is_there(RunFolder(run.path).predictions)


def _right(run: RunRecord) -> NDArray[np.bool_]:
    """Which samples of the test set the run's model reads right (N,)."""
    file = RunFolder(run.path)
    columns = file.read_predictions()
    right = np.equal(columns["true"], columns["predicted"])
    accuracy = run.figures["test_accuracy"]
    if not right.size or abs(right.mean() - accuracy) > _ROUNDED:
        raise RunError(
            f"{file.predictions}: is damaged: {right.sum():,} of its {right.size:,} rows are "
            f"right, but result.json says {percent(accuracy, 2)}"
        )
    return right


def _of_one_length(
    right: Mapping[RunRecord, NDArray[np.bool_]], a: RunRecord, b: RunRecord
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if len(right[a]) != len(right[b]):
        fewer, more = sorted((a, b), key=lambda run: len(right[run]))
        raise RunError(
            f"{RunFolder(fewer.path).predictions}: is damaged: it has {len(right[fewer]):,} rows, "
            f"that of {more.path}, of the same test set, {len(right[more]):,}"
        )
    return right[a], right[b]


def _without_changes(row: dict[str, Any]) -> dict[str, Any]:
    """`find_runs` alone knows them."""
    return {key: value for key, value in row.items() if key != "changes"}
