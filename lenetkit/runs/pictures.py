"""A run's pictures, drawn from the files in its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit import plots
from lenetkit.data.source import Samples
from lenetkit.errors import RunError
from lenetkit.runs.folder import RunFolder
from lenetkit.spec.changes import title

_DRAWABLE = (1, 3)
"""Channel counts that can be shown: grey and colour."""

_DAMAGES = (AttributeError, LookupError, TypeError, ValueError, ZeroDivisionError)
"""What reading a damaged result raises."""


_MIME_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


class Pictures(list[Path]):
    """The files of a run's pictures; a notebook shows what is in them."""

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import data_uri, render  # Jinja2 takes a while to import

        shown = [
            (path.stem.replace("_", " "), data_uri(path.read_bytes(), _MIME_TYPES[path.suffix]))
            for path in self
            if path.suffix in _MIME_TYPES
        ]
        return render("pictures.html", pictures=shown)


def draw(
    folder: RunFolder,
    load_test: Callable[[], Samples | None],
    report: Callable[[str], None],
    *,
    kind: str = "png",
    accuracy_from: float = 0.0,
) -> Pictures:
    """Draw every picture of a finished run, as png, pdf or svg; returns their paths.

    `report` is told, once, which characters no installed font has. `accuracy_from` is the lower end
    of the accuracies' axis, in percent.
    Only the sheet of mistakes needs the test images; it is left out if `load_test` returns None,
    or images that have neither one nor three channels. Of a regression the loss alone is drawn.
    Raises RunError if the run is not finished or its files are damaged.
    """
    result = folder.read_result()
    counts = "confusion_test" in result  # a regression counts no classes
    test = load_test() if counts else None
    try:
        labels: dict[str, Any] = {"title": title(result["name"], result.get("differs", {}))}
        labels["dataset"] = result["dataset"]
        if advice := plots.font_advice(*labels.values(), *result["classes"]):
            report(advice)
        figures = _curves(folder, result, labels, accuracy_from)
        figures |= _confusions(result, labels) if counts else {}
        if test is not None and test.images.ndim == 4 and test.images.shape[1] in _DRAWABLE:
            figures["mistakes"] = _mistakes(result, labels, test)
        paths = folder.pictures_as(kind)
        return Pictures(plots.save_figure(figure, paths[name]) for name, figure in figures.items())
    except _DAMAGES as error:
        raise RunError(f"{folder.result}: is damaged: {type(error).__name__}: {error}") from error


def _curves(
    folder: RunFolder, result: dict[str, Any], labels: dict[str, Any], accuracy_from: float
) -> dict[str, plots.Figure]:
    steps, metrics = folder.read_steps(), folder.read_metrics()

    def measured(what: str) -> dict[str, Any]:
        sets = ("train", "test", "validation")  # the last one where samples are held out
        return {name: metrics[f"{name}_{what}"] for name in sets if f"{name}_{what}" in metrics}

    epochs, per_epoch = metrics["epoch"], result["steps"] / result["epochs"]
    figures = {
        "loss": plots.loss_figure(
            steps["step"], steps["loss"], steps_per_epoch=per_epoch, **labels
        ),
        "loss_epochs": plots.loss_epochs_figure(epochs, **measured("loss"), **labels),
    }
    if "confusion_test" in result:
        figures["accuracy"] = plots.accuracy_figure(
            epochs, **measured("accuracy"), lowest=accuracy_from, **labels
        )
    return figures


def _confusions(result: dict[str, Any], labels: dict[str, Any]) -> dict[str, plots.Figure]:
    drawn = {}
    for split, samples in (("test", "test set"), ("train", "training set")):
        counts = np.asarray(result[f"confusion_{split}"])
        titled = labels | {"dataset": f"{labels['dataset']}, {samples}"}
        classes = _class_names(result, len(counts))
        drawn[f"confusion_{split}"] = plots.confusion_figure(counts, classes, **titled)
    return drawn


def _mistakes(result: dict[str, Any], labels: dict[str, Any], test: Samples) -> plots.Figure:
    wrong = result["mistakes"]
    index = [mistake["index"] for mistake in wrong]
    return plots.mistakes_figure(
        test.images[index],
        np.array([mistake["true"] for mistake in wrong], np.intp),
        np.array([mistake["predicted"] for mistake in wrong], np.intp),
        np.array([mistake["probability"] for mistake in wrong]),
        _class_names(result, len(result["confusion_test"])),
        title=labels["title"],
        total=_errors(result["confusion_test"]),
        dataset=f"{labels['dataset']}, test set",
    )


def _errors(confusion: list[list[int]]) -> int:
    counts = np.asarray(confusion)
    return int(counts.sum() - np.trace(counts))


def _class_names(result: dict[str, Any], count: int) -> list[str]:
    """The classes' names; outputs without a name get their number."""
    names = list(result["classes"])
    return names + [str(i) for i in range(len(names), count)]
