"""MNIST: 60,000 + 10,000 handwritten digits, 28×28 (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.idx import read_header, read_idx
from lenetkit.data.idx_folder import IdxFolder, file_names, find_file, read_pair, report_elsewhere
from lenetkit.data.source import DataSource, Place, Preparation, Samples, Split, checked_samples
from lenetkit.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Digests of the unpacked files, since packed ones depend on the packer."""
_COUNTS: dict[Split, int] = {"train": 60_000, "test": 10_000}
_MAX_PACKED = 12_000_000
_MAX_UNPACKED = 60_000 * 28 * 28
DIGITS = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class Mnist(DataSource):
    """MNIST from its four IDX files, plain or `.gz`; missing files are downloaded and verified.

    Files of MNIST's size must have the published digests. Files of another size are loaded as the
    data set `idx` would load them, under their folder's name and with a warning.
    """

    preparation: ClassVar[Preparation] = "digit"

    def load(self, split: Split, place: Place) -> Samples:
        images_name, labels_name = file_names(split)
        images_path = fetch(images_name, place)
        header = read_header(images_path)
        if header.shape != (_COUNTS[split], 28, 28) or header.dtype != np.uint8:
            place.report(f"{images_path} is not MNIST's; loading its folder as another data set")
            return IdxFolder().load(split, place)
        labels_path = fetch(labels_name, place)
        images, labels = read_pair(images_path, labels_path)
        for path, values in ((images_path, images), (labels_path, labels)):
            _verify(path, values)
        return checked_samples(images, labels, "MNIST", DIGITS, f"MNIST {split}")


def fetch(name: str, place: Place, mirrors: Sequence[str] = MIRRORS) -> Path:
    """The path of one of MNIST's files, downloaded if it is missing.

    Raises DownloadError, with the manual steps, if every mirror fails.
    """
    found = find_file(name, place.folders)
    if found is not None:
        if name.endswith("idx3-ubyte"):  # once per split
            report_elsewhere(found, place)
        return found
    # slow to import, and rarely needed
    from lenetkit.data.download import DownloadError, download, progress_lines

    target = place.download_to / f"{name}.gz"
    place.report(f"downloading {target.name} to {target.parent}")
    try:
        download(
            [f"{mirror}{target.name}" for mirror in mirrors],
            target,
            max_bytes=_MAX_PACKED,
            verify=lambda path: _verify_download(path, name),
            progress=progress_lines(place.report),
        )
    except DownloadError as error:
        raise DownloadError(
            f"{error}\n  Manually: put {', '.join(SHA256)} (plain or .gz) into "
            f"{place.download_to}, or pass --data-dir FOLDER, or set LENETKIT_DATA"
        ) from None
    return target


def _verify(path: Path, values: NDArray[Any]) -> None:
    name = path.name.removesuffix(".gz")
    digest = _digest(values)
    if digest != SHA256[name]:
        raise DataError(
            f"{path}: is not MNIST's {name}: SHA-256 of its content is {digest[:16]}…, "
            f"expected {SHA256[name][:16]}…; delete it and run `lenetkit data fetch`, "
            "or, if it is another data set, use `data: idx` or --set data.type=idx"
        )


def _verify_download(path: Path, name: str) -> None:
    try:
        claimed = read_header(path).nbytes
        if claimed > _MAX_UNPACKED:
            raise DataError(f"claims {claimed:,} bytes; expected at most {_MAX_UNPACKED:,}")
        values = read_idx(path)
    except DataError as error:  # which names a temporary file
        raise DataError(f"the downloaded file {str(error).removeprefix(f'{path}: ')}") from None
    if values.dtype != np.uint8 or _digest(values) != SHA256[name]:
        raise DataError(f"the downloaded file is not MNIST's {name}: its digest is different")


def _digest(values: NDArray[Any]) -> str:
    """SHA-256 of the plain IDX file that holds these unsigned bytes."""
    digest = hashlib.sha256(bytes((0, 0, 8, values.ndim)))
    digest.update(np.array(values.shape, ">u4").tobytes())
    digest.update(values.data)
    return digest.hexdigest()
