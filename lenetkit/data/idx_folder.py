"""A folder of IDX files named like MNIST's: any image size, channel count and number of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.finding import SplitFiles, find_pair
from lenetkit.data.idx import DataFile
from lenetkit.data.source import Place, Samples, Split, checked_samples
from lenetkit.data.stored import StoredFiles
from lenetkit.errors import DataError, MissingDataError
from lenetkit.options import option


@dataclass(frozen=True, kw_only=True)
class IdxFolder(StoredFiles):
    """Images and labels from `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
    `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, plain, `.gz` or in a `.zip`; names with
    dots, prefixes and `test` for `t10k` are recognized.

    Images are (N, H, W) or (N, C, H, W), unsigned bytes; labels are (N,) or (N, 1), counted from 0.
    """

    title: str | None = option(None, doc="The data set's name in words; default: its folder's.")
    classes: tuple[str, ...] | None = option(
        None, doc="The classes' names, in order; default: their labels."
    )

    def load(self, split: Split, place: Place) -> Samples:
        pair = find_pair(place, split, self.prefix)
        images, labels = self.read_pair(pair, lambda: self._training_labels(place, pair))
        title = self.title or pair.prefix or place.name
        files = (str(pair.images), str(pair.labels))
        classes = self._class_names(labels, pair.labels)
        return checked_samples(images, labels, title, classes, files[0], files)

    def _training_labels(self, place: Place, pair: SplitFiles) -> DataFile | None:
        try:
            return find_pair(place, "train", pair.prefix).labels
        except MissingDataError:
            return None

    def _class_names(self, labels: NDArray[np.int64], file: DataFile) -> tuple[str, ...]:
        largest, offset = int(labels.max(initial=0)), self.label_offset or 0
        if self.classes is None:
            return tuple(map(str, range(offset, offset + largest + 1)))
        if largest >= len(self.classes):
            raise DataError(
                f"{file}: label {largest + offset}, but the spec names {len(self.classes)} classes"
            )
        return self.classes
