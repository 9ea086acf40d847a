"""Confusions of many classes: a map, and lists of the worst."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lenetkit.plots import confusion_figure
from lenetkit.plots.confusion import MAX_TABLE
from lenetkit.plots.fonts import ELLIPSIS

RNG = np.random.default_rng(5)


def draw(counts: NDArray[np.int64], classes: list[str] | None = None) -> Figure:
    names = classes or [f"c{place}" for place in range(len(counts))]
    return confusion_figure(counts, names, title="lenet5", dataset="Kanji")


def said(figure: Figure) -> list[str]:
    everything = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return [text.get_text() for text in everything]


def blocks(figure: Figure) -> NDArray[np.float64]:
    """The map's colours (blocks, blocks, 4)."""
    (image,) = figure.axes[0].images
    return np.asarray(image.get_array())


def almost_right(K: int, images: int = 20) -> NDArray[np.int64]:
    """All right but for some errors, the most frequent of them of class 7."""
    counts = np.eye(K, dtype=np.int64) * images
    wrong = RNG.integers(K, size=(50, 2))
    counts[wrong[:, 0], (wrong[:, 1] + 1) % K] += 1
    counts[7, 3] = 12
    counts[8, 2] = 9
    return counts


@pytest.mark.parametrize("K", [MAX_TABLE + 1, 100, 300, 1000, 3000])
def test_as_much_is_drawn_of_any_number_of_classes(K: int) -> None:
    figure = draw(almost_right(K))
    assert len(said(figure)) < 250
    assert max(figure.get_size_inches()) < 15
    height, width, _ = blocks(figure).shape
    assert height == width <= 100


@pytest.mark.parametrize("K", [65, 100, 300, 1000])
def test_the_most_frequent_errors_come_first_with_names_and_counts(K: int) -> None:
    texts = said(draw(almost_right(K)))
    first = texts.index("% of class") + 1
    assert texts[first : first + 3] == ["c7", "c3", "12"]
    assert texts[first + 4 : first + 7] == ["c8", "c2", "9"]


def test_the_poorest_classes_come_first_and_those_of_more_images_before_others() -> None:
    counts = np.eye(80, dtype=np.int64) * 10
    counts[5] = counts[6] = counts[7] = 0
    counts[5, 0], counts[6, 0], counts[7, 0], counts[7, 7] = 3, 9, 1, 3
    texts = said(draw(counts))
    first = texts.index("recall in %") + 1
    assert texts[first:] == ["c6", "9", "0.0", "c5", "3", "0.0", "c7", "4", "75.0"]


def test_a_perfect_model_has_no_errors() -> None:
    texts = said(draw(np.eye(100, dtype=np.int64) * 5))
    assert texts.count("there are none") == 2
    assert any("accuracy 100.00 %" in text for text in texts)


def test_a_model_that_always_answers_one_class_is_seen_to_do_so() -> None:
    counts = np.zeros((200, 200), np.int64)
    counts[:, 7] = 10
    figure = draw(counts)
    assert any("ever predicted: 1 of 200 classes" in text for text in said(figure))
    drawn = blocks(figure)[..., :3]
    white = (drawn == 1).all(axis=2)
    assert not white[10:, 3].any()  # the block of classes 6 and 7
    assert white[10:, 20:30][~np.eye(90, 10, -10, dtype=bool)].all()


def test_classes_without_images_are_in_no_list() -> None:
    counts = np.zeros((70, 70), np.int64)
    assert said(draw(counts)).count("there are none") == 2


def test_errors_within_a_block_do_not_hide_the_recall() -> None:
    """Blocks of two classes, each read as the other: nothing is right."""
    swapped = np.kron(np.eye(75, dtype=np.int64), np.array([[0, 4], [4, 0]]))
    drawn = blocks(draw(swapped))
    right = blocks(draw(np.eye(150, dtype=np.int64)))
    assert drawn[0, 0, 0] > right[0, 0, 0] + 0.3  # paler


def test_long_names_are_cut_and_those_of_other_scripts_drawn() -> None:
    names = [f"a rather long name of a species, number {i} of them all" for i in range(99)]
    texts = said(draw(almost_right(99), names))
    assert sum(ELLIPSIS in text for text in texts) > 20
    assert said(draw(almost_right(99), [chr(0x3B1 + i % 20) * 2 for i in range(99)]))
