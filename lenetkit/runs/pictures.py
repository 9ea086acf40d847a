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

_DRAWABLE = (1, 3)
"""Channel counts that can be shown: grey and colour."""


def draw(
    folder: RunFolder, load_test: Callable[[], Samples | None], report: Callable[[str], None]
) -> list[Path]:
    """Draw every picture of a finished run; returns their paths.

    `report` is told, once, which characters no installed font has.
    Only the sheet of mistakes needs the test images; it is left out if `load_test` returns None,
    or images that have neither one nor three channels. Raises RunError if the run is not finished
    or its files are damaged.
    """
    result = folder.read_result()
    test = load_test()
    try:
        labels = {"title": result["name"], "dataset": result["dataset"]}
        if advice := plots.font_advice(*labels.values(), *result["classes"]):
            report(advice)
        drawn = [*_curves(folder, result, labels), *_confusions(folder, result, labels)]
        if test is not None and test.images.shape[1] in _DRAWABLE:
            drawn.append(_mistakes(folder, result, labels, test))
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RunError(f"{folder.result}: is damaged: {type(error).__name__}: {error}") from error
    return drawn


def _curves(folder: RunFolder, result: dict[str, Any], labels: dict[str, str]) -> list[Path]:
    steps, metrics = folder.read_steps(), folder.read_metrics()
    loss = plots.loss_figure(
        steps["step"], steps["loss"], steps_per_epoch=result["steps"] / result["epochs"], **labels
    )
    accuracy = plots.accuracy_figure(
        metrics["epoch"],
        metrics["train_accuracy"],
        metrics["test_accuracy"],
        validation=metrics.get("validation_accuracy"),
        **labels,
    )
    return [
        plots.save_figure(loss, folder.pictures["loss"]),
        plots.save_figure(accuracy, folder.pictures["accuracy"]),
    ]


def _confusions(folder: RunFolder, result: dict[str, Any], labels: dict[str, str]) -> list[Path]:
    drawn = []
    for split, samples in (("test", "test set"), ("train", "training set")):
        counts = np.asarray(result[f"confusion_{split}"])
        classes = _class_names(result, len(counts))
        titled = labels | {"dataset": f"{labels['dataset']}, {samples}"}
        figure = plots.confusion_figure(counts, classes, **titled)
        drawn.append(plots.save_figure(figure, folder.pictures[f"confusion_{split}"]))
    return drawn


def _mistakes(
    folder: RunFolder, result: dict[str, Any], labels: dict[str, str], test: Samples
) -> Path:
    wrong = result["mistakes"]
    index = [mistake["index"] for mistake in wrong]
    figure = plots.mistakes_figure(
        test.images[index],
        np.array([mistake["true"] for mistake in wrong], np.intp),
        np.array([mistake["predicted"] for mistake in wrong], np.intp),
        np.array([mistake["probability"] for mistake in wrong]),
        _class_names(result, len(result["confusion_test"])),
        title=labels["title"],
        total=_errors(result["confusion_test"]),
        dataset=f"{labels['dataset']}, test set",
    )
    return plots.save_figure(figure, folder.pictures["mistakes"])


def _errors(confusion: list[list[int]]) -> int:
    counts = np.asarray(confusion)
    return int(counts.sum() - np.trace(counts))


def _class_names(result: dict[str, Any], count: int) -> list[str]:
    """The classes' names; outputs without a name get their number."""
    names = list(result["classes"])
    return names + [str(i) for i in range(len(names), count)]
