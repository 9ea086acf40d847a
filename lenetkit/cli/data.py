"""`lenetkit data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click
import numpy as np

from lenetkit.arrays import shape_text
from lenetkit.cli.arguments import (
    data_dir_option,
    json_option,
    plugin_option,
    print_json,
    report,
    set_option,
    table,
)
from lenetkit.cli.groups import Group
from lenetkit.data.folder import file_names, find_file
from lenetkit.data.source import SPLITS, Samples, Split
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override
from lenetkit.spec.sections import DataSpec
from lenetkit.training.data import load_samples, place_for

_spec_option = click.option(
    "--spec",
    default="lenet5",
    show_default=True,
    metavar="SPEC",
    help="The spec whose data set is meant.",
)


@click.group(name="data", cls=Group, epilog="Example: lenetkit data fetch")
def command() -> None:
    """Fetch, show and describe data sets."""


@command.command(epilog="Example: lenetkit data fetch --data-dir MNIST")
@_spec_option
@set_option
@plugin_option
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to look in first, and to download to; made where it is absent.",
)
def fetch(spec: str, changes: tuple[str, ...], data_dir: Path | None) -> None:
    """Download what is absent, and verify what has published digests. No fallback is used."""
    for split in SPLITS:
        samples = _load(_data(spec, changes), split, data_dir, fallback=False)
        verified = ", verified" if samples.dataset == "MNIST" else ""
        click.echo(f"{samples.dataset}, {split}: {len(samples):,} images{verified}")


@command.command(epilog="Example: lenetkit data info")
@_spec_option
@set_option
@plugin_option
@data_dir_option
@json_option
def info(spec: str, changes: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Say what is there: images, classes, how many of each, digest."""
    data = _data(spec, changes)
    splits = {split: _load(data, split, data_dir) for split in SPLITS}
    if as_json:
        print_json({split: _facts(samples) for split, samples in splits.items()})
        return
    for split, samples in splits.items():
        images = shape_text(samples.images.shape[1:])
        click.echo(f"{samples.dataset}, {split}: {len(samples):,} images of {images}")
        click.echo(f"  digest {samples.digest}")
        for path in _files(data, split, data_dir):
            click.echo(f"  {path}")
    counts = [_counts(samples) for samples in splits.values()]
    names = splits["train"].classes
    rows = [[name, *(f"{c[i]:,}" for c in counts)] for i, name in enumerate(names)]
    click.echo("\n" + table(rows, ("class", *splits), tuple(splits)))


@command.command(epilog="Example: lenetkit data show --split test --out samples.png")
@_spec_option
@set_option
@plugin_option
@data_dir_option
@click.option("--split", type=click.Choice(SPLITS), default="train", show_default=True)
@click.option("--seed", default=0, show_default=True, help="Which samples are picked.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("samples.png"),
    show_default=True,
    help="The picture to write: .png, .pdf or .svg.",
)
def show(
    spec: str, changes: tuple[str, ...], data_dir: Path | None, split: str, seed: int, out: Path
) -> None:
    """Draw a sheet of samples with their labels."""
    from lenetkit import plots

    samples = _load(_data(spec, changes), cast(Split, split), data_dir)
    picked = np.random.default_rng(seed).permutation(len(samples))[: plots.MAX_SAMPLES]
    figure = plots.samples_figure(
        samples.images[picked],
        samples.labels[picked],
        samples.classes,
        title=f"{samples.dataset}: samples",
        dataset=f"{samples.dataset}, {split} set",
    )
    click.echo(plots.save_figure(figure, out))


def _data(spec: str, changes: tuple[str, ...]) -> DataSpec:
    return load_plan(spec, [Override.from_text(text) for text in changes]).spec.data


def _load(data: DataSpec, split: Split, data_dir: Path | None, *, fallback: bool = True) -> Samples:
    place = place_for(data, data_dir, report)
    if not fallback:
        return data.source.load(split, place)
    samples, _ = load_samples(data, split, place)
    return samples


def _files(data: DataSpec, split: Split, data_dir: Path | None) -> list[Path]:
    folders = place_for(data, data_dir, report).folders
    found = [find_file(name, folders) for name in file_names(split)]
    return [path for path in found if path is not None]


def _counts(samples: Samples) -> list[int]:
    return [int(n) for n in np.bincount(samples.labels, minlength=len(samples.classes))]


def _facts(samples: Samples) -> dict[str, Any]:
    return {
        "dataset": samples.dataset,
        "n": len(samples),
        "image_shape": list(samples.images.shape[1:]),
        "classes": list(samples.classes),
        "counts": _counts(samples),
        "digest": samples.digest,
    }
