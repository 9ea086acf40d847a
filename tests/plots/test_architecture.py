"""The drawn network: everything is there, and no text lies on another or off the page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import lenetkit
from lenetkit.network.plan import Plan
from lenetkit.plots import save_figure
from lenetkit.plots.architecture import MAX_PLANES, architecture_figure
from lenetkit.plots.stacks import stacks
from lenetkit.plots.words import CHINESE, ENGLISH, LANGUAGES, Words
from tests.support.specs import plan_of


def conv(channels: int, **options: Any) -> dict[str, Any]:
    return {"type": "conv2d", "out_channels": channels, **options}


def linear(features: int) -> dict[str, Any]:
    return {"type": "linear", "out_features": features}


def deep() -> Plan:
    """More than thirty layers, as VGG's."""
    layers: dict[str, Any] = {}
    for block, channels in enumerate((16, 128, 256, 512), 1):
        for number in (1, 2):
            name = f"{block}_{number}"
            layers[f"conv{name}"] = conv(channels, kernel_size=3, padding="same")
            layers |= {f"norm{name}": "batch_norm2d", f"relu{name}": "relu"}
        layers[f"pool{block}"] = {"type": "max_pool2d", "kernel_size": 2}
    layers |= {"drop": "dropout", "fc1": linear(4096), "relu": "relu", "fc2": linear(1000)}
    return plan_of(layers, (3, 32, 32))


LONG = "a_name_of_very_great_length_" * 3
PLANS: dict[str, Callable[[], Plan]] = {
    "lenet5": lambda: lenetkit.load_plan("lenet5"),
    "deep": deep,
    "mlp": lambda: plan_of({"a": linear(512), "r": "relu", "b": linear(10)}, (1, 28, 28)),
    "one layer": lambda: plan_of({"fc": linear(3)}, (4,)),
    "no layer with connections": lambda: plan_of({"r": "relu"}, (4,)),
    "wide": lambda: plan_of(
        {
            "a": conv(128, kernel_size=[3, 7], stride=[1, 2], dilation=2, groups=2),
            "up": {"type": "upsample2d", "scale_factor": 2},
            "g": "global_avg_pool2d",
            "f": "flatten",
            "fc": linear(3),
        },
        (2, 8, 300),
    ),
    "one pixel": lambda: plan_of({"a": conv(1, kernel_size=1), "b": linear(2)}, (1, 1, 1)),
    "tall": lambda: plan_of({"a": conv(4, kernel_size=3), "b": linear(2)}, (1, 400, 3)),
    "long names": lambda: plan_of({LONG: conv(4, kernel_size=3), "a": linear(2)}, (1, 9, 9)),
}


def texts(figure: Figure) -> list[Text]:
    """All that is written and seen, at its place."""
    figure.draw_without_rendering()
    found = [artist for artist in figure.findobj(Text) if isinstance(artist, Text)]
    return [text for text in found if text.get_text() and text.get_visible()]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def assert_apart(figure: Figure) -> None:
    """No text touches another, and all are on the page."""
    boxes = {text: text.get_window_extent() for text in texts(figure)}
    page = figure.bbox
    for text, box in boxes.items():
        inside = page.x0 <= box.x0, box.x1 <= page.x1, page.y0 <= box.y0, box.y1 <= page.y1
        assert all(inside), text.get_text()
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, (one.get_text(), other.get_text())


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("name", PLANS)
def test_texts_keep_apart_and_on_the_page(name: str, language: Words) -> None:
    assert_apart(architecture_figure(PLANS[name](), title="A network", words=language))


@settings(max_examples=15)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["relu", "batch_norm2d", {"type": "max_pool2d", "kernel_size": 2}]),
            st.builds(
                lambda c, k: conv(c, kernel_size=k, padding="same"),
                st.sampled_from([1, 5, 16, 17, 300]),
                st.integers(1, 7),
            ),
        ),
        max_size=9,
    ),
    st.lists(st.integers(1, 9999), min_size=1, max_size=7),
    st.integers(1, 2),
)
def test_texts_of_any_network_keep_apart(maps: list[Any], values: list[int], wide: int) -> None:
    layers = {f"layer{'x' * (i % 4) * 5}{i}": layer for i, layer in enumerate(maps)}
    layers |= {f"fc{i}": linear(value) for i, value in enumerate(values)}
    try:
        plan = plan_of(layers, (1, 40, 40 * wide))
    except lenetkit.errors.SpecError:  # pooled to nothing
        return
    assert_apart(architecture_figure(plan, title=""))


def test_lenet5_is_drawn_as_in_the_paper() -> None:
    said = words(architecture_figure(lenetkit.load_plan("lenet5"), title="lenet5"))
    captions = ["conv1", "6 @ 24×24", "pool1", "6 @ 12×12", "conv2", "16 @ 8×8", "fc1", "120"]
    assert set(captions) <= set(said)
    operations = [t for t in said if t in ("convolution 5×5", "max pooling 2×2", "full connection")]
    assert operations == [
        *("convolution 5×5", "max pooling 2×2") * 2,
        *("full connection",) * 3,
    ]
    assert "relu1" not in said


def test_options_that_differ_from_the_usual_are_told() -> None:
    plan = PLANS["wide"]()
    ways = [stack.operations for stack in stacks(plan, ENGLISH)]
    assert ways[1] == ("convolution 3×7, stride 1×2, dilation 2, 2 groups",)
    assert ways[2] == ("upsampling 2×2",)


def test_maps_are_to_scale_and_no_more_than_can_be_told_apart() -> None:
    figure = architecture_figure(deep(), title="deep")
    planes = [
        round(p.get_width(), 4)
        for p in figure.findobj(Rectangle)
        if isinstance(p, Rectangle) and p.get_facecolor()[0] not in (1.0, 0.0)
    ]
    side = max(planes)
    assert planes.count(side) == 3 + 2 * MAX_PLANES  # the input and two layers of 32×32
    assert planes.count(round(side / 2, 4)) == 3 * MAX_PLANES
    assert any(f"at most {MAX_PLANES}" in text for text in words(figure))


def test_long_bars_are_broken_and_it_is_said() -> None:
    for features, is_broken in ((120, False), (5000, True)):
        plan = plan_of({"fc": linear(features)}, (4,))
        said = "\n".join(words(architecture_figure(plan, title="n")))
        assert ("a broken bar is longer" in said) == is_broken


def test_svg_is_vectors_with_text(tmp_path: Path) -> None:
    path = save_figure(
        architecture_figure(lenetkit.load_plan("lenet5"), title="n & <b>", words=CHINESE),
        tmp_path / "a.svg",
    )
    svg = path.read_text("utf-8")
    assert "<image" not in svg
    found = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"conv1", "6 @ 24×24", "卷积 5×5", "n &amp; &lt;b&gt;"} <= set(found)


def test_the_heading_can_be_left_out() -> None:
    said = words(architecture_figure(lenetkit.load_plan("lenet5"), title=""))
    assert "Architecture" not in "".join(said)


def test_every_word_is_in_every_language_with_the_same_places() -> None:
    place = re.compile(r"{(\w+)")
    for field in fields(Words):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        assert english != chinese, field.name
        assert sorted(place.findall(english)) == sorted(place.findall(chinese)), field.name
