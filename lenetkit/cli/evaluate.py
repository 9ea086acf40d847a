"""`lenetkit evaluate`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click
import numpy as np

from lenetkit.cli import arguments
from lenetkit.cli.output import echo, paragraphs, print_json, report, table
from lenetkit.data.source import SPLITS, DataSource, Samples, Split
from lenetkit.errors import InputError, LenetkitError, MissingDataError, shortened
from lenetkit.model import model
from lenetkit.network.plan import Plan, plan_text
from lenetkit.registry.catalog import installed
from lenetkit.spec.merge import Override
from lenetkit.spec.sections import DataSpec
from lenetkit.text import MOST_LISTED, counted, number, percent, printable
from lenetkit.training.data import check_fit, load_samples, place_for
from lenetkit.training.evaluation import Evaluation, evaluate, why_not_finite

_WORST = 20
"""Classes and errors listed of more classes than `MOST_LISTED`."""


@click.command(
    name="evaluate", epilog="Example: lenetkit evaluate runs/lenet5/001/model.safetensors"
)
@arguments.model_argument
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option(
    "--data",
    "source",
    metavar="TYPE",
    help="Another data set than the model's own, such as mnist or idx, with its default options.",
)
@arguments.set_options(example="data.label_offset=1")
@arguments.plugin_option
@arguments.data_dir_option
@arguments.kernels_option
@arguments.threads_option
@arguments.json_option
def command(
    model_file: Path,
    split: str,
    source: str | None,
    changes: Sequence[Override],
    data_dir: Path | None,
    kernels: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure a trained model on a data set.

    Prints accuracy, loss, precision and recall of each class, and the confusion matrix: rows are
    the true classes, columns the predicted ones. Of more than 64 classes, those with the lowest
    recall and the most frequent errors; --json has all.
    """
    trained = model.load(model_file, kernels=kernels)
    if trained.is_regression:
        raise InputError(
            f"{model_file}: gives real numbers, not classes; evaluate it from Python: "
            "lenetkit.load(…).evaluate(X, y)"
        )
    if trained.dataset == model.ARRAYS and not (data_dir or source or changes):
        raise InputError(
            f"{model_file}: was trained on arrays from Python, which it does not hold; pass files "
            "of such data with --data-dir, or evaluate it from Python: "
            "lenetkit.load(…).evaluate(X, y)"
        )
    plan = trained.plan
    if source is not None:
        other = installed().registry(DataSource).get(source)()
        own: dict[str, Any] = {"fallback": None, "dir": None, "test_share": None}
        own |= {"limit": None, "validation": 0}
        options = replace(plan.spec.data.options, **own)
        plan = replace(plan, spec=replace(plan.spec, data=DataSpec(other, options)))
    if changes:
        plan = _with_data(plan, changes)
    place = place_for(plan, data_dir, report)
    samples, used = load_samples(plan, cast(Split, split), place)
    if used is not plan.spec.data.source and samples.dataset != trained.dataset:
        raise MissingDataError(
            f"the model was trained on {printable(trained.dataset)}, which was not found; pass "
            "--data-dir, or another data set with --data TYPE"
        )
    same = _compare(trained, samples, split)
    check_fit(plan, samples, trained.pipeline, split)
    if (known := trained.classes[: len(samples.classes)]) != samples.classes:
        report(
            f"warning: the classes of {samples.called} are {_named(samples.classes)}, those of "
            f"the model {_named(known)}; they are compared by number"
        )
    trained.pixels.expect(samples.images, f"{samples.called}: {split} images")
    with trained.limited(threads), np.errstate(over="ignore", invalid="ignore"):
        result = evaluate(trained, samples, trained.pipeline)
    if as_json:
        print_json(
            {
                "accuracy": result.accuracy,
                "loss": result.loss,
                "n": result.n,
                "confusion": result.confusion.tolist(),
                "dataset": samples.dataset,
                "digest": samples.digest,
                "same_as_training": same,
                "split": split,
            }
        )
    else:
        _print_tables(trained, samples, split, result)
    if not math.isfinite(result.loss):
        raise LenetkitError(f"the loss is {result.loss}: {why_not_finite(trained)}")


def _short(digest: str | None) -> str:
    return f"{printable(digest)[:12]}…" if digest else "not recorded"


def _named(classes: Sequence[str]) -> str:
    return shortened(", ".join(map(printable, classes)))


def _with_data(plan: Plan, changes: Sequence[Override]) -> Plan:
    """The plan with other options of its data set; what the model is stays as it was trained."""
    for path in (leaf.path for change in changes for leaf in change.leaves()):
        if not path.startswith("data.") or path in ("data.transforms", "data.preparation"):
            raise InputError(
                f"--set {path}: evaluate takes the model as it is; expected options of the data "
                "set, such as data.prefix"
            )
    text = plan.to_yaml(paths=False)
    data = plan_text(text, "the model's spec", changes, is_local=False).spec.data
    return replace(plan, spec=replace(plan.spec, data=data))


def _compare(trained: model.Model, samples: Samples, split: str) -> bool:
    """Whether these are the split's samples of the training, by digest; says so if not."""
    digests = json.loads(trained.metadata.get("dataset_digest", "{}"))
    if digests.get(split) == samples.digest:
        return True
    if samples.dataset != trained.dataset:
        trained_on = printable(trained.dataset)
        report(f"note: the model was trained on {trained_on}, not on {samples.called}")
    else:
        report(
            f"note: these {samples.called} {split} samples are not those of the training: their "
            f"digest is {samples.digest[:12]}…, it was {_short(digests.get(split))}"
        )
    for name in samples.files:
        report(f"  {printable(name)}")
    return False


def _print_tables(trained: model.Model, samples: Samples, split: str, result: Evaluation) -> None:
    heading = (
        f"{trained.plan.spec.name} on {samples.called}, {split} set: "
        f"accuracy {percent(result.accuracy)}, loss {number(result.loss, '.4f')}, "
        + counted(result.n, "sample")
    )
    echo(f"{paragraphs(heading)}\n")
    names = trained.classes
    if len(names) > MOST_LISTED:
        _print_worst(names, result)
        return
    echo(_class_table(names, result, range(len(names))))
    echo(f"\n{paragraphs('Confusion (rows true, columns predicted):')}\n")
    counts = [[name, *row] for name, row in zip(names, result.confusion.tolist(), strict=True)]
    echo(table(counts, ("", *names), names))


def _class_table(names: Sequence[str], result: Evaluation, chosen: Iterable[int]) -> str:
    precision, recall = result.precision(), result.recall()
    rows = [(names[i], percent(float(precision[i])), percent(float(recall[i]))) for i in chosen]
    right = ("precision", "recall")
    return table(rows, ("class", *right), right)


def _print_worst(names: Sequence[str], result: Evaluation) -> None:
    """The classes with the lowest recall, and the most frequent errors."""
    imperfect, errors = result.imperfect(), result.errors()
    if not len(imperfect):
        right = np.count_nonzero(result.recall() == 1)
        echo(f"All samples of all {right:,} classes are right.")
        return
    worst = imperfect[:_WORST]
    echo(f"Lowest recall ({len(worst)} of {len(imperfect):,} classes below 100%):\n")
    echo(_class_table(names, result, worst.tolist()))
    rows = [(names[true], names[told], f"{n:,}") for true, told, n in errors[:_WORST].tolist()]
    shown, total = errors[:_WORST, 2].sum(), errors[:, 2].sum()
    echo(f"\nMost frequent errors ({shown:,} of {total:,}):\n")
    echo(table(rows, ("true class", "predicted", "samples"), ("samples",)))
    echo("\n--json prints the whole confusion matrix.")
