"""What a confusion matrix says, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts (K, K), rows true, columns predicted: what `Evaluation` says, without its samples."""

    confusion: NDArray[np.int64]
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, result: dict[str, Any], split: str) -> Counts:
        """Those of a `result.json`; classes without a name get their number."""
        confusion = np.asarray(result[f"confusion_{split}"], np.int64)
        names = tuple(map(str, result["classes"]))[: len(confusion)]
        numbers = map(str, range(len(names), len(confusion)))
        return cls(confusion, (*names, *numbers))

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.confusion.sum())

    @property
    def wrong(self) -> int:
        """How many of them are predicted wrong."""
        return self.n - int(np.trace(self.confusion))

    @property
    def samples(self) -> NDArray[np.int64]:
        """(K,): those of each class."""
        found: NDArray[np.int64] = self.confusion.sum(axis=1)
        return found

    def precision(self) -> NDArray[np.float64]:
        """(K,): the share of each class's predictions that are right; NaN if there are none."""
        return self._share(0)

    def recall(self) -> NDArray[np.float64]:
        """(K,): the share of each class's samples that are predicted right; NaN without any."""
        return self._share(1)

    def f1(self) -> NDArray[np.float64]:
        """(K,): the harmonic mean of precision and recall: 2·right / (samples + predictions)."""
        total = self.confusion.sum(axis=1) + self.confusion.sum(axis=0)
        lacking = np.full(len(total), np.nan)
        return np.divide(2 * self.confusion.diagonal(), total, out=lacking, where=total > 0)

    def errors(self) -> NDArray[np.int64]:
        """(n, 3): true class, predicted class and in how many samples, the most frequent first."""
        true, predicted = np.nonzero(self.confusion * ~np.eye(len(self.confusion), dtype=bool))
        found = np.column_stack([true, predicted, self.confusion[true, predicted]])
        return found[np.argsort(-found[:, 2], kind="stable")].astype(np.int64)

    def imperfect(self) -> NDArray[np.intp]:
        """The classes whose recall is below 1, the lowest first."""
        recall = self.recall()
        found = np.flatnonzero(recall < 1)
        return found[np.argsort(recall[found], kind="stable")]

    def _share(self, axis: int) -> NDArray[np.float64]:
        total = self.confusion.sum(axis=axis)
        lacking = np.full(len(total), np.nan)
        return np.divide(self.confusion.diagonal(), total, out=lacking, where=total > 0)
