"""docs/parts.md names every built-in part, and which layers have second derivatives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lenetkit
from lenetkit.layers.base import Layer, SecondOrderLayer
from lenetkit.options import Configurable
from lenetkit.registry.catalog import GROUPS, installed

PAGE = (Path(lenetkit.__file__).parents[1] / "docs" / "parts.md").read_text("utf-8")


def built_in(base: type[Configurable]) -> list[str]:
    entries = installed().registry(base).entries()
    return [entry.name for entry in entries if entry.provider.distribution == "lenetkit"]


@pytest.mark.parametrize("base", GROUPS.values(), ids=lambda base: base.kind)
def test_every_part_is_named(base: type[Configurable]) -> None:
    assert set(built_in(base)) <= set(re.findall(r"`(\w+)`", PAGE))


def test_second_derivatives_are_marked_right() -> None:
    layers = PAGE.partition("## Layers")[2].partition("## Losses")[0]
    marked = set(re.findall(r"`(\w+)` ²", layers))
    registry = installed().registry(Layer)
    having = {n for n in built_in(Layer) if issubclass(registry.get(n), SecondOrderLayer)}
    assert marked == having
