"""The pictures of a report, each with its words for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from lenetkit import plots, showing
from lenetkit.comparison.comparison import Comparison
from lenetkit.comparison.curves import overlay
from lenetkit.comparison.words import figure_text
from lenetkit.errors import OptionError
from lenetkit.html.rendering import data_uri
from lenetkit.plots.inline import inline_png, inline_svg, thumbnails
from lenetkit.plots.sheets import MAX_MISTAKES
from lenetkit.plots.words import LANGUAGES, Words
from lenetkit.reporting.material import Material
from lenetkit.text import percent, printable

DIGITS = 3
"""Images whose feature maps are shown, of different classes."""
TABLE_CLASSES = 12
"""Classes up to which a confusion matrix is a table of the page."""
_BY_EPOCH = {
    "accuracy": "Accuracy by epoch; at the end: {finals}",
    "loss": "Loss by epoch; at the end: {finals}",
    "rmse": "RMSE by epoch; at the end: {finals}",
}
_MAX_SVG = 150_000
"""Characters; above, a picture of many points is smaller as PNG."""
_DRAWABLE = (1, 3)
"""Channels of images that can be shown."""


@dataclass(frozen=True)
class Mistake:
    """An image that was read wrong; its address is empty where it cannot be had."""

    address: str
    true: str
    predicted: str
    probability: float
    index: int


class Pictures:
    """Draws what material holds; `said` translates. A name for each keeps ids apart."""

    def __init__(self, lang: str, said: Callable[..., str]) -> None:
        self._words: Words = LANGUAGES[lang]
        self._said = said
        self._drawn = 0

    def architecture(self, material: Material) -> Markup:
        """The network; empty if it is unknown."""
        plan = material.plan
        if plan is None:
            return Markup()
        shapes = [plan.spec.input, *(layer.out_shape for layer in plan.layers)]
        sizes = " → ".join(dict.fromkeys("×".join(map(str, shape)) for shape in shapes))
        alt = self._said("The layers' outputs: {sizes}", sizes=sizes)
        return self._svg(showing.architecture(plan, words=self._words, title=""), alt)

    def loss_steps(self, material: Material) -> Markup:
        """The loss by step; empty if no step is done."""
        losses = material.steps.get("loss", [])
        if not losses:
            return Markup()
        result = material.result
        per_epoch = result["steps"] / result["epochs"] if result else None
        figure = plots.loss_figure(
            material.steps.get("step", []),
            losses,
            title="",
            dataset="",
            steps_per_epoch=per_epoch,
            words=self._words,
        )
        text = "Training loss by step, from {first:.4g} to {last:.4g}"
        alt = self._said(text, first=losses[0], last=losses[-1])
        return self._svg(figure, alt)

    def epochs(self, material: Material, kind: Literal["accuracy", "loss", "rmse"]) -> Markup:
        """The loss, accuracy or RMSE by epoch; empty if it was not measured."""
        sets = ("train", "test", "validation")
        columns = {s: material.metrics.get(f"{s}_{kind}") for s in sets}
        measured = {s: column for s, column in columns.items() if column}
        if not {"train", "test"} <= measured.keys():
            return Markup()
        common: dict[str, Any] = {"title": "", "dataset": "", "words": self._words, **measured}
        epochs = material.metrics["epoch"]
        if kind == "accuracy":
            figure = plots.accuracy_figure(epochs, **common)
        else:
            figure = plots.loss_epochs_figure(epochs, kind=kind, **common)
        finals = (
            f"{getattr(self._words, name)} {figure_text(kind, values[-1])}"
            for name, values in measured.items()
        )
        return self._svg(figure, self._said(_BY_EPOCH[kind], finals=", ".join(finals)))

    def confusion(self, material: Material, split: str) -> Markup:
        """The matrix as a picture, for more classes than a table of the page has room for."""
        counts = material.counts[split]
        figure = plots.confusion_figure(
            counts.confusion, counts.class_names, title="", dataset="", words=self._words
        )
        accuracy = percent(1 - counts.wrong / max(counts.n, 1), 2, " %")
        alt = self._said("Confusion matrix; accuracy {accuracy}", accuracy=accuracy)
        return self._svg(figure, alt)

    def filters(self, material: Material) -> list[tuple[str, Markup]]:
        """The weights of the first layer that has any, with their name; none if there are none."""
        if material.model is None:
            return []
        try:
            tensor, weights = showing.weights_of(material.model)
        except OptionError:
            return []
        figure = showing.filters(material.model, words=self._words, title="")
        alt = self._said("The weights {name} as {n} pictures", n=len(weights), name=tensor)
        return [(tensor, self._png(figure, alt))]

    def digits(self, material: Material, most: int = DIGITS) -> list[tuple[str, Markup]]:
        """What every layer makes of a few test images, and which images these are."""
        model, test = material.model, material.test
        if model is None or test is None:
            return []
        _, first = np.unique(test.labels, return_index=True)
        drawn = []
        for index in sorted(first.tolist())[:most]:
            name = model.classes[int(test.labels[index])]
            figure = showing.features(
                model, showing.Shown(test.images[index]), words=self._words, title=""
            )
            said = self._said("test image {index}, true class {name}", index=index, name=name)
            alt = self._said("Feature maps of every layer: {image}", image=said)
            drawn.append((said, self._png(figure, alt)))
        return drawn

    def mistakes(self, material: Material, most: int = MAX_MISTAKES) -> list[Mistake]:
        """The worst mistakes, with their images if the data are still there."""
        wrong = material.result.get("mistakes", [])[:most]
        if not wrong:
            return []
        names, test = material.counts["test"].class_names, material.test
        addresses = [""] * len(wrong)
        if test is not None and test.images.ndim == 4 and test.images.shape[1] in _DRAWABLE:
            images = test.images[[mistake["index"] for mistake in wrong]]
            addresses = [data_uri(picture) for picture in thumbnails(images, len(wrong))]
        return [
            Mistake(
                address,
                names[found["true"]],
                names[found["predicted"]],
                found["probability"],
                found["index"],
            )
            for address, found in zip(addresses, wrong, strict=True)
        ]

    def curves(self, comparison: Comparison) -> Markup:
        """The curves of several runs over one another."""
        groups = {self._label(comparison, part): part for part in comparison.parts}
        alt = self._said("Curves of all runs by epoch: {runs}", runs="; ".join(groups))
        return self._svg(overlay(groups, words=self._words), alt)

    def _label(self, comparison: Comparison, runs: Sequence[Any]) -> str:
        letters = ", ".join(map(comparison.letter, runs))
        for group in comparison.groups:
            if group.runs == tuple(runs):
                return f"{letters}: {figure_text(group.figure, group.mean, group.sd)}"
        return f"{letters}: {self._said(runs[0].state)}"

    def _svg(self, figure: plots.Figure, alt: str) -> Markup:
        self._drawn += 1
        made = inline_svg(figure, f"f{self._drawn}", printable(alt))
        return Markup(made) if len(made) <= _MAX_SVG else self._png(figure, alt)

    def _png(self, figure: plots.Figure, alt: str) -> Markup:
        content, width = inline_png(figure)
        return Markup('<img alt="{}" style="width: {}px" src="{}">').format(
            printable(alt), width, data_uri(content)
        )
