"""`lenetkit data`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from lenetkit.arrays import shape_text
from lenetkit.cli.arguments import PATH, Command, UserPath, data_dir_option, json_option, with_plan
from lenetkit.cli.groups import Group
from lenetkit.cli.output import echo, print_json, report, table
from lenetkit.data.source import SPLITS, Samples, Split
from lenetkit.network.plan import Plan
from lenetkit.text import MOST_LISTED, printable
from lenetkit.training.data import load_both, load_samples, load_training_data, place_for

_FEWEST = 10
"""Classes listed where there are more than `MOST_LISTED`."""
_SPEC_OPTION = f"{__name__}.spec"


def _store(context: click.Context, _: click.Parameter, value: str | None) -> None:
    context.meta[_SPEC_OPTION] = value


def _choose(context: click.Context, _: click.Parameter, value: str | None) -> str:
    option = context.meta[_SPEC_OPTION]
    if value and option:
        raise click.UsageError("the spec is given twice, as SPEC and as --spec")
    return value or option or "lenet5"


def _spec(command: Command) -> Command:
    """SPEC, by default lenet5; as `--spec SPEC` too, as in 0.1.0."""
    named = click.option(
        "--spec", "option", callback=_store, expose_value=False, is_eager=True, hidden=True
    )
    return named(click.argument("spec", required=False, callback=_choose)(command))


_with_plan = with_plan(_spec)


@click.group(name="data", cls=Group, epilog="Example: lenetkit data fetch")
def command() -> None:
    """Fetch, show and describe data sets."""


@command.command(epilog="Example: lenetkit data fetch --data-dir MNIST")
@_with_plan
@click.option(
    "--data-dir",
    type=PATH,
    metavar="DIR",
    help="Folder to look in and to download to; created if missing.",
)
def fetch(plan: Plan, data_dir: Path | None) -> None:
    """Download the data set of SPEC (by default lenet5).

    Published digests are verified. The fallback is never used.

    MNIST is downloaded to a new or empty folder only, and to one that holds a part of it.
    """
    place = place_for(plan, data_dir, report)
    for split in SPLITS[:1] if plan.spec.data.options.test_share else SPLITS:
        samples = plan.spec.data.source.load(split, place)
        verified = ", verified" if samples.dataset == "MNIST" else ""
        echo(f"{samples.called}, {split}: {len(samples):,} images{verified}")


@command.command(epilog="Example: lenetkit data info lenet5-augmented")
@_with_plan
@data_dir_option
@json_option
def info(plan: Plan, data_dir: Path | None, as_json: bool) -> None:
    """Describe the data set of SPEC (by default lenet5).

    Images, classes, samples per class, digest and files, as training uses them: with
    `data.limit` and without held-out samples.
    """
    splits = load_both(plan, place_for(plan, data_dir, report))
    facts = {split: _facts(samples) for split, samples in splits.items()}
    if as_json:
        print_json(facts)
        return
    for split, samples in splits.items():
        images = shape_text(samples.images.shape[1:])
        echo(f"{samples.called}, {split}: {len(samples):,} images of {images}")
        echo(f"  digest {samples.digest[:16]}…")
        for name in samples.files:
            echo(f"  {printable(name)}")
    names = max((samples.classes for samples in splits.values()), key=len)
    given = [facts[split]["counts"] for split in SPLITS]
    counts = [each + [0] * (len(names) - len(each)) for each in given]
    rows = [(name, *(f"{n:,}" for n in of)) for name, *of in zip(names, *counts, strict=True)]
    if len(rows) > MOST_LISTED:
        each = (f"{s} {_range(n)}" for n, s in zip(counts, SPLITS, strict=True))
        echo(f"\n{len(rows):,} classes; samples of each: {', '.join(each)}")
        fewest = np.argsort(counts[0], kind="stable")[:_FEWEST].tolist()
        rows = [rows[i] for i in fewest]
        echo(f"the {_FEWEST} with the fewest training samples; --json lists all:")
    echo("\n" + table(rows, ("class", *SPLITS), SPLITS))


@command.command(epilog="Example: lenetkit data show --split test --out samples.png")
@_with_plan
@data_dir_option
@click.option("--split", type=click.Choice(SPLITS), default="train", show_default=True)
@click.option("--seed", default=0, show_default=True, help="Seed for picking the samples.")
@click.option(
    "--transformed",
    is_flag=True,
    help="As the network gets them: after data.transforms, the random ones in training.",
)
@click.option(
    "--out",
    type=UserPath(dir_okay=False),
    default=Path("samples.png"),
    show_default=True,
    help="The picture to write: .png, .pdf or .svg.",
)
def show(
    plan: Plan, data_dir: Path | None, split: Split, seed: int, transformed: bool, out: Path
) -> None:
    """Draw samples of the data set of SPEC (by default lenet5)."""
    from lenetkit import plots

    pipeline = None
    if transformed:
        data = load_training_data(plan, data_dir, report)
        samples, pipeline = getattr(data, split), data.pipeline
    else:
        samples, _ = load_samples(plan, split, place_for(plan, data_dir, report))
    picked = np.random.default_rng(seed).permutation(len(samples))[: plots.MAX_SAMPLES]
    images = samples.images[picked]
    if pipeline:
        draw = partial(np.random.default_rng, seed) if split == "train" else None
        images = pipeline.images(images, np.float32, draw)
    if advice := plots.font_advice(samples.dataset, *samples.classes):
        report(advice)
    figure = plots.samples_figure(
        images,
        samples.labels[picked],
        samples.classes,
        title=f"{samples.dataset}: {'transformed ' * transformed}samples",
        dataset=f"{samples.dataset}, {split} set",
    )
    echo(printable(plots.save_figure(figure, out)))


def _range(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _facts(samples: Samples) -> dict[str, Any]:
    return {
        "dataset": samples.dataset,
        "n": len(samples),
        "image_shape": list(samples.images.shape[1:]),
        "classes": list(samples.classes),
        "counts": np.bincount(samples.labels, minlength=len(samples.classes)).tolist(),
        "digest": samples.digest,
        "files": list(samples.files),
    }
