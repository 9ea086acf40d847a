"""MNIST: 60,000 + 10,000 handwritten digits, 28×28 (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lenetkit.data.finding import SplitFiles, file_names, find_pair, is_free
from lenetkit.data.idx import DataFile, StorageError, read_header, read_idx
from lenetkit.data.idx_folder import IdxFolder
from lenetkit.data.source import SPLITS, Place, Preparation, Samples, Split, checked_samples
from lenetkit.data.stored import StoredFiles
from lenetkit.errors import DataError, MissingDataError
from lenetkit.options import options_of

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
class Mnist(StoredFiles):
    """MNIST from its four IDX files, plain or `.gz`; missing files are downloaded and verified.

    Downloads go to a new or empty folder, or complete one that holds MNIST. Files of MNIST's size
    must have the published digests. Other files are loaded as the data set `idx` would load them,
    under their folder's name and with a note.
    """

    preparation: ClassVar[Preparation] = "digit"

    def load(self, split: Split, place: Place) -> Samples:
        pair = self._pair(split, place)
        if not self._may_be_mnist(pair, split):
            place.report(f"note: {place}: not MNIST's files; loading them as another data set")
            shared = {opt.name: getattr(self, opt.name) for opt in options_of(StoredFiles)}
            return IdxFolder(**shared | {"prefix": pair.prefix}).load(split, place)
        images, labels = read_idx(pair.images), read_idx(pair.labels)
        for name, file, values in zip(
            file_names(split), _files(pair), (images, labels), strict=True
        ):
            _verify(name, file, values)
        names = (str(pair.images), str(pair.labels))
        return checked_samples(images, labels, "MNIST", DIGITS, f"MNIST {split}", names)

    def _pair(self, split: Split, place: Place) -> SplitFiles:
        """The files of a split, downloaded if they are missing."""
        own = "" if _present(file_names(split)[0], place) else None
        prefix = own if self.prefix is None else self.prefix
        try:
            return find_pair(place, split, prefix)
        except MissingDataError as error:
            missing = [name for name in file_names(split) if not _present(name, place)]
            if missing and not place.may_create:
                raise MissingDataError(
                    f"{error}\n  nothing is downloaded here: --data-dir says where MNIST is, and "
                    "`lenetkit data fetch` downloads it"
                ) from None
            if not missing or not (is_free(place) or _holds_only_mnist(place)):
                raise MissingDataError(
                    f"{error}\n  MNIST is downloaded to a new or empty folder only"
                ) from None
        for name in missing:
            fetch(name, place)
        return find_pair(place, split, prefix)

    def _may_be_mnist(self, pair: SplitFiles, split: Split) -> bool:
        """Whether a file has MNIST's name and shape. Raises DataError if options deny that."""
        order = self.byte_order or "big"
        try:
            header = read_header(pair.images, order)
        except StorageError:
            return False
        is_usual = header.shape == (_COUNTS[split], 28, 28) and header.dtype == np.uint8
        if pair.prefix not in ("", "mnist") or not is_usual:
            return False
        given = self.stored_options()
        if given and _digest(read_idx(pair.images, order)) == SHA256[file_names(split)[0]]:
            raise DataError(f"{pair.images}: is MNIST's; leave data.{', data.'.join(given)} out")
        return not given


def _files(pair: SplitFiles) -> tuple[DataFile, DataFile]:
    return pair.images, pair.labels


def _present(name: str, place: Place) -> Path | None:
    paths = (place.folder / name, place.folder / f"{name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _holds_only_mnist(place: Place) -> bool:
    """Whether all data files of the folder are MNIST's, so that missing ones may join them."""
    if not place.folder.is_dir():
        return False
    names = [name for split in SPLITS for name in file_names(split)]
    own = {name: path for name in names if (path := _present(name, place))}
    others = [p for p in place.folder.iterdir() if p.name[0] != "." and p not in own.values()]
    return not [p for p in others if p.stem.casefold() != "readme"] and all(
        read_header(path).nbytes <= _MAX_UNPACKED and _digest(read_idx(path)) == SHA256[name]
        for name, path in own.items()
    )


def fetch(name: str, place: Place, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download one of MNIST's files to the place's folder; returns its path.

    Raises DownloadError, with the manual steps, if every mirror fails.
    """
    # slow to import, and rarely needed
    from lenetkit.data.download import DownloadError, download, progress_lines

    target = place.folder / f"{name}.gz"
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
            f"{place.folder}, or pass --data-dir FOLDER, or set LENETKIT_DATA"
        ) from None
    return target


def _verify(name: str, path: DataFile, values: NDArray[Any]) -> None:
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
