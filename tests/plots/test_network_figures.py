"""Weights, feature maps and saliency: all on the page, and what is left out is said."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lenetkit.plots.features import Answer, features_figure
from lenetkit.plots.filters import MAX_COLUMNS, MAX_FILTERS, MAX_ROWS, filters_figure
from lenetkit.plots.saliency import saliency_figure
from lenetkit.plots.words import CHINESE, ENGLISH, LANGUAGES, Words
from tests.plots.test_architecture import assert_apart, words

RNG = np.random.default_rng(0)
EVIL = "$x_1$ \x1b[31m <b>" + "long " * 60


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def pictures(figure: Figure) -> list[AxesImage]:
    """All pictures of values, without the colour bar's ramp."""
    found = [image for image in figure.findobj(AxesImage) if isinstance(image, AxesImage)]
    return [image for image in found if image.get_array().shape != (256, 1)]  # type: ignore[union-attr]


def frames(figure: Figure) -> int:
    """How many maps there are in rows."""
    rows = [r for r in figure.findobj(PatchCollection) if isinstance(r, PatchCollection)]
    return sum(len(row.get_paths()) for row in rows)


@pytest.mark.parametrize(
    ("shape", "drawn", "said"),
    [
        ((6, 1, 5, 5), 6, []),
        ((1, 1, 1, 1), 1, []),
        ((16, 6, 5, 5), 96, []),
        ((200, 1, 3, 3), MAX_FILTERS, [f"{MAX_FILTERS}", "200"]),
        ((99, 64, 3, 3), MAX_ROWS * MAX_COLUMNS, [f"{MAX_ROWS}", "99", f"{MAX_COLUMNS}", "64"]),
        ((10, 1, 28, 28), 10, []),
        ((4, 3, 1, 300), 12, []),
        ((10, 84), 1, []),
        ((4096, 1000), 1, ["256", "4,096", "1,000"]),
        ((1, 3), 1, []),
    ],
)
def test_weights(shape: tuple[int, ...], drawn: int, said: list[str]) -> None:
    language = CHINESE if drawn % 2 else ENGLISH
    figure = filters_figure(weights(*shape), tensor="conv1.weight", title="n", words=language)
    assert_apart(figure)
    assert (frames(figure) or len(pictures(figure))) == drawn
    heading = figure.texts[1].get_text()
    for part in ("conv1.weight", *said):
        assert part in heading


def test_weights_have_one_scale_with_0_in_its_middle() -> None:
    values = np.array([[[[0.0, 1.0]]], [[[-4.0, 2.0]]]])
    figure = filters_figure(values, tensor="w", title="n")
    (image,) = pictures(figure)
    colours = np.asarray(image.get_array()).reshape(-1, 4)
    for value in values.ravel():
        expected = matplotlib.colormaps["RdBu_r"]((value / 4 + 1) / 2, bytes=True)
        assert (colours == expected).all(axis=1).any()
    assert {"−4", "0", "4"} <= set(words(figure))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_odd_weights_are_drawn_too(value: float) -> None:
    figure = filters_figure(np.full((2, 1, 2, 2), value), tensor="w", title="n")
    figure.canvas.draw()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights are \(3,\); expected \(O, I, kh, kw\)"):
        filters_figure(np.zeros(3), tensor="w", title="n")


LAYERS: dict[str, Any] = {
    "conv1": weights(6, 24, 24),
    "pool_with_a_very_long_name_indeed": weights(128, 12, 12),
    "wide": weights(40, 2, 300),
    "ones": weights(120, 1, 1),
    "fc1": weights(4096),
    "fc2": weights(10),
}


@pytest.mark.parametrize(("classes", "language"), [(2, ENGLISH), (10, CHINESE), (100, ENGLISH)])
def test_features(classes: int, language: Words) -> None:
    names = [f"class number {i}" for i in range(classes)]
    answer = Answer(names, np.full(classes, 1 / classes))
    image = weights(3, 28, 28)
    figure = features_figure(image, LAYERS, title="n", answer=answer, note="é", words=language)
    assert_apart(figure)
    said = words(figure)
    assert {"conv1", "fc2", "pool_with_a_…me_indeed"} & set(said)
    for part in ("128", "4,096", "class number 0"):
        assert any(part in text for text in said), part


@pytest.mark.parametrize("name", LAYERS)
def test_one_layer_alone_is_larger(name: str) -> None:
    figure = features_figure(weights(1, 8, 8), {name: LAYERS[name]}, title="n")
    assert_apart(figure)


def test_layers_have_scales_of_their_own() -> None:
    layers = {"a": np.full((4, 3, 3), 0.5), "b": np.full((4, 3, 3), 50.0)}
    figure = features_figure(weights(1, 8, 8), layers, title="n")
    assert frames(figure) == 8
    assert {"4 @ 3×3 [0.5]", "4 @ 3×3 [50]"} <= set(words(figure))
    one, other = (np.asarray(image.get_array()) for image in pictures(figure)[1:])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 4, 90), (2, 60, 3)])
def test_saliency(shape: tuple[int, int, int], language: Words) -> None:
    figure = saliency_figure(
        weights(*shape), weights(*shape), name="seven", title="n", told="7", words=language
    )
    assert_apart(figure)
    assert len(pictures(figure)) == 2


def test_saliency_keeps_the_sign_of_one_channel_and_the_largest_magnitude_of_several() -> None:
    gradient = weights(2, 4, 4)
    for given, drawn in ((gradient[:1], gradient[0]), (gradient, np.abs(gradient).max(axis=0))):
        figure = saliency_figure(np.ones_like(given), given, name="7", title="n")
        np.testing.assert_array_equal(pictures(figure)[1].get_array(), drawn)


def test_names_of_others_are_harmless() -> None:
    answer = Answer([EVIL, "b"], np.array([0.9, 0.1]))
    image = weights(1, 8, 8)
    figures = [
        features_figure(image, {EVIL: image}, title=EVIL, answer=answer, note=EVIL, words=CHINESE),
        saliency_figure(image, image, name=EVIL, title=EVIL, told=EVIL, note=EVIL),
        filters_figure(weights(2, 1, 3, 3), tensor=EVIL, title=EVIL),
    ]
    for figure in figures:
        assert_apart(figure)
        assert "\x1b" not in "".join(words(figure))
