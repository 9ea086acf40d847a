"""Mistakes that small shapes, plain numbers and default options do not show, and their twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lenetkit.conformance.definition import Definition
from lenetkit.conformance.examples import checks_of, example_checks
from lenetkit.conformance.operation_cases import (
    AVG_POOLINGS,
    CONVOLUTIONS,
    MAX_POOLINGS,
    AvgPooling,
    Convolution,
    MaxPooling,
)
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.options import Configurable
from lenetkit.registry.catalog import Catalog
from lenetkit.registry.plugin_file import add_file
from lenetkit.testing import run_checks
from tests.support.blind_data import (
    BLIND_DATASETS,
    BLIND_TRANSFORMS,
    DATASET_TWINS,
    TRANSFORM_TWINS,
)
from tests.support.blind_kernels import BLIND_KERNELS
from tests.support.blind_kernels import TWINS as KERNEL_TWINS

BLIND: dict[Any, str] = {**BLIND_TRANSFORMS, **BLIND_DATASETS}
SAMPLED = list(BLIND_KERNELS.items())[::9]


def name_of(thing: object) -> str:
    return thing if isinstance(thing, str) else type(thing).__name__


@pytest.mark.parametrize(("wrong", "meant"), BLIND.items(), ids=name_of)
def test_a_mistake_of_data_has_one_cause(wrong: Configurable, meant: str) -> None:
    causes = [cause.name for cause, _ in run_checks(checks_of(wrong, "wrong")).failures()]
    assert causes == [meant]


@pytest.mark.parametrize(("wrong", "meant"), BLIND_KERNELS.items(), ids=name_of)
def test_a_mistake_of_kernels_fails_the_check_meant_for_it(wrong: Configurable, meant: str) -> None:
    checks = [check for check in checks_of(wrong, "wrong") if check.name == meant]
    assert [result.outcome for result in run_checks(checks).results] == ["failed"]


@pytest.mark.parametrize(("wrong", "meant"), SAMPLED, ids=name_of)
def test_a_mistake_of_kernels_has_one_cause(wrong: Configurable, meant: str) -> None:
    causes = [cause.name for cause, _ in run_checks(checks_of(wrong, "wrong")).failures()]
    assert causes == [meant]


@pytest.mark.parametrize("right", [*TRANSFORM_TWINS, *DATASET_TWINS], ids=repr)
def test_right_twins_of_data_pass(right: Configurable) -> None:
    report = run_checks(checks_of(right, "right"))
    assert report.ok, str(report)


@pytest.mark.parametrize("right", KERNEL_TWINS, ids=name_of)
def test_right_twins_of_kernels_pass(right: Configurable) -> None:
    checks = checks_of(right, "right")
    if type(right).conv2d is NumpyKernels.conv2d:  # type: ignore[attr-defined]
        names = [check.name for check in checks]
        checks = checks[names.index("fuse_answers_with_a_count_and_a_layer") :]
    report = run_checks(checks)
    assert report.ok, str(report)


FIELD = Path(__file__).parents[1] / "support" / "field" / "suite" / "wrong_others.py"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("k01fuseswrongly", "fused_layers_equal_those_they_replace"),
        ("k02manychannels", "conv2d_follows_the_definition"),
    ],
)
def test_kernels_from_the_field_are_refused_for_what_is_wrong(name: str, meant: str) -> None:
    entries = {entry.name: entry for entry in add_file(Catalog(()), FIELD)}
    checks = example_checks(entries[name].point.load(), name)
    assert [cause.name for cause, _ in run_checks(checks).failures()] == [meant]


SMALL = 1500
"""Outputs of a case that the loops below compute in a moment."""


@pytest.mark.parametrize("case", [c for c in CONVOLUTIONS if np.prod(c.out_shape) < SMALL], ids=str)
def test_convolution_is_by_definition_a_plain_loop(case: Convolution) -> None:
    x, weight, bias = case.inputs.values()
    y, dx, d_weight = np.zeros(case.out_shape), np.zeros(x.shape), np.zeros(weight.shape)
    maps, channels = len(weight) // case.groups, weight.shape[1]
    for n, o, i, j in np.ndindex(case.out_shape):
        y[n, o, i, j] = bias[o]
        for u, v, row, column in pixels(case, i, j):
            at = (n, slice(o // maps * channels, (o // maps + 1) * channels), row, column)
            y[n, o, i, j] += weight[o, :, u, v] @ x[at]
            dx[at] += weight[o, :, u, v] * case.dy[n, o, i, j]
            d_weight[o, :, u, v] += x[at] * case.dy[n, o, i, j]
    expected = {"y": y, "dx": dx, "d_weight": d_weight, "d_bias": case.dy.sum(axis=(0, 2, 3))}
    found = case.run(Definition(), np.float64)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9 * case.scale**2)


@pytest.mark.parametrize(
    "case", [c for c in (*MAX_POOLINGS, *AVG_POOLINGS) if np.prod(c.out_shape) < SMALL], ids=str
)
def test_pooling_is_by_definition_a_plain_loop(case: MaxPooling | AvgPooling) -> None:
    x, y, dx = case.x, np.zeros(case.out_shape), np.zeros(case.shape)
    for n, c, i, j in np.ndindex(case.out_shape):
        inside = [at[2:] for at in pixels(case, i, j)]
        if isinstance(case, MaxPooling):
            winners, share = [max(inside, key=lambda at: x[n, c, *at])], 1.0
        else:
            counted = padded_places(case, i, j) if case.count_include_pad else len(inside)
            winners, share = inside, 1 / counted
        for at in winners:
            y[n, c, i, j] += share * x[n, c, *at]
            dx[n, c, *at] += share * case.dy[n, c, i, j]
    found = case.run(Definition(), np.float64)
    for name, values in {"y": y, "dx": dx}.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9 * case.scale)


def padded_places(case: AvgPooling, i: int, j: int) -> int:
    """How many places of window i, j are inside the padded image, beyond which none counts."""
    w, counts = case.window, []
    for axis, at in enumerate((i, j)):
        end = w.padding[axis] + case.shape[2 + axis] + (w.after or w.padding)[axis]
        places = (at * w.stride[axis] + u * w.dilation[axis] for u in range(w.kernel[axis]))
        counts.append(sum(place < end for place in places))
    return counts[0] * counts[1]


def pixels(
    case: Convolution | MaxPooling | AvgPooling, i: int, j: int
) -> list[tuple[int, int, int, int]]:
    """(u, v, row, column) of every place of window i, j inside the image, row by row."""
    w, found = case.window, []
    for u, v in np.ndindex(*w.kernel):
        row = i * w.stride[0] + u * w.dilation[0] - w.padding[0]
        column = j * w.stride[1] + v * w.dilation[1] - w.padding[1]
        if 0 <= row < case.shape[2] and 0 <= column < case.shape[3]:
            found.append((u, v, row, column))
    return found
