"""Labels of any kind, as the class numbers that they stand for, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lenetkit.data.labels import Labels
from lenetkit.errors import ArrayError

FOUR = Labels(4, last="fc3")


class Column:
    """As pandas' Series and columns: what NumPy takes, but no array."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.array(self.values, dtype or object)


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0, 1],
        np.array([2, 0, 1], np.uint8),
        np.array([2.0, 0.0, 1.0]),
        np.array([[2], [0], [1]]),
        (np.int64(2), 0, 1),
        Column([2, 0, 1]),
        np.eye(4)[[2, 0, 1]],
        np.eye(4, dtype=bool)[[2, 0, 1]],
        np.eye(4).astype(object)[[2, 0, 1]],
    ],
)
def test_class_numbers(labels: Any) -> None:
    assert FOUR.decided_by(labels, 3) == FOUR
    found = FOUR.read(labels, 3)
    assert found.tolist() == [2, 0, 1]
    assert found.dtype == np.int64
    assert FOUR.of(found) is found


def test_no_labels() -> None:
    assert FOUR.read([], 0).shape == (0,)
    assert FOUR.decided_by([], 0) == FOUR


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "U": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    "i": st.integers(-(1 << 63), (1 << 63) - 1),
    "f": st.integers(-1000, 1000).map(float),
    "b": st.booleans(),
}


@given(st.data(), st.sampled_from("Uifb"))
def test_any_labels_come_back_as_they_were(data: st.DataObject, kind: str) -> None:
    classes = data.draw(st.lists(KINDS[kind], min_size=2, max_size=6, unique=True))
    drawn = st.lists(st.sampled_from(classes), max_size=10).map(lambda more: [*classes, *more])
    labels = np.array(data.draw(drawn.flatmap(st.permutations)))
    called = Labels(len(classes)).decided_by(labels, len(labels))
    numbers = called.read(labels, len(labels))
    assert set(numbers.tolist()) == set(range(len(classes)))
    back = called.of(numbers)
    if called.values:
        assert back.dtype.kind == labels.dtype.kind
        assert called.values == tuple(sorted(classes))
        column = Column(labels.tolist())
        np.testing.assert_array_equal(called.read(column, len(labels)), numbers)
    np.testing.assert_array_equal(back, labels)


def test_names_are_labels_where_there_are_no_others() -> None:
    named = Labels(3, names=("cat", "dog", "emu"))
    assert named.read(["emu", "cat"], 2).tolist() == [2, 0]
    assert named.read([2, 0], 2).tolist() == [2, 0]
    with pytest.raises(ArrayError, match=r"^'dgo' is no class of the network; did you mean 'dog'"):
        named.read(["dgo"], 1)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([2, 0], r"^expected 3 labels, one for each image, found shape \(2,\)$"),
        (2, r"^expected 3 labels, one for each image, found int$"),
        (None, r"found NoneType$"),
        ([[1], [2, 3], [1]], r"found rows of several lengths$"),
        (
            [2, 0, 1.5],
            r"found 1\.5; networks learn real numbers with loss: mean_squared_error$",
        ),
        ([2, 0, np.nan], r"^expected a label for each image, but 1 of them lack one"),
        ([2, 0, np.inf], r"strings or booleans, found inf$"),
        ([b"a", b"b", b"c"], r"found \|S1; for text: labels\.astype\(str\)$"),
        ([2j, 0, 1], r"strings or booleans, found complex128$"),
        (np.array(["a", 1, 2], object), r"^expected labels of one type, .* found int and str$"),
        (["a", 1, 2], r"^expected labels of one type, .* found int and str$"),
        (["a", np.nan, "c"], r"^expected a label for each image, but 1 of them lack one"),
        (Column(["a", None, "c"]), r"^expected a label for each image, but 1 of them lack one"),
        (
            Column(["a", np.nan, np.nan]),
            r"^expected a label for each image, but 2 of them lack one",
        ),
        (["a", "b", "\ud800"], r"found '\\ud800', half of a surrogate pair$"),
        ([["a", "b"]] * 3, r"^expected one label for each image, found 2 columns$"),
        (
            np.eye(5)[:3],
            r"^found label rows of 5 classes, but the network has 4 outputs; "
            r'overrides=\{"layers\.fc3\.out_features": 5\}$',
        ),
        (
            np.full((3, 4), 0.25),
            r"^expected one-hot rows, a single 1 in each, found \[0\.25, 0\.25, 0\.25, 0\.25\] in "
            r"row 0; for the most probable class: labels\.argmax\(axis=1\)$",
        ),
        ([[1, 1, 0, 0]] * 3, r"^expected one-hot rows"),
    ],
)
def test_other_labels_are_refused(labels: Any, said: str) -> None:
    with pytest.raises(ArrayError, match=said):
        FOUR.decided_by(labels, 3).read(labels, 3)
    with pytest.raises(ArrayError, match=said):
        FOUR.read(labels, 3)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([0, -1, 1], "3 classes, -1, 0, 1"),
        ([7, 7, 7], "1 class, 7"),
        (["b", "a", "a"], "2 classes, 'a', 'b'"),
        ([True, False, True], "2 classes, False, True"),
        (range(100), "100 classes, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …, 99"),
    ],
)
def test_another_number_of_classes_says_how_to_have_it(labels: Any, found: str) -> None:
    count = found.split()[0]
    fix = f'; overrides={{"layers.fc3.out_features": {count}}}'
    if int(count) < 4:
        fix += "; or name those without samples too: classes=[…]"
    with pytest.raises(ArrayError) as caught:
        FOUR.decided_by(labels, len(labels))
    assert str(caught.value) == f"found {found}, but the network has 4 outputs{fix}"


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [
        (["a", "b"], ["a", "c"], r"^'c' is no class of the network; they are 'a', 'b'$"),
        (["a", "b"], [0, 1], r"^expected labels as in training, 'a', 'b', found 2 classes, 0, 1$"),
        ([1, 2], ["1", "2"], r"^expected labels as in training, 1, 2, found 2 classes, '1', '2'$"),
        ([1, 2], [0, 1], r"^0 is no class of the network; the nearest is 1$"),
        ([1.0, 2.0], [3, 1], r"^3 is no class of the network; the nearest is 2$"),
        ([False, True], [0, 1], r"^expected labels as in training, False, True, found 2 classes"),
        ([0, 1], [2, 1], r"^2 is no class of the network; the nearest is 1$"),
        ([0, 1], ["0", "x"], r"^expected labels as in training, 0, 1, found 2 classes, '0', 'x'$"),
    ],
)
def test_what_labels_were_at_first_they_stay(first: Any, later: Any, said: str) -> None:
    called = Labels(2).decided_by(first, 2)
    assert called.read(first, 2).tolist() == [0, 1]
    with pytest.raises(ArrayError, match=said):
        called.read(later, 2)


def test_names_are_those_of_the_first_training() -> None:
    known = Labels(2, (1, 0), ("1", "0"))
    assert known.named([1, 0]) is known
    with pytest.raises(ArrayError, match="those of the first training"):
        known.named([True, False])
