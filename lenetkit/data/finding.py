"""Which of a folder's files hold a data set, by the names that people meet.

`train-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` are MNIST's own. The same with dots, in upper
case, with a prefix (`emnist-letters-train-images-idx3-ubyte`), with `test` for `t10k`, with `.gz`,
in a folder of the file's name, or in a ZIP archive, is recognized too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lenetkit.data.idx import DataFile
from lenetkit.data.source import Place, Split
from lenetkit.errors import DataError, MissingDataError
from lenetkit.files.archive import Member, members
from lenetkit.files.opening import NotRegularError, natural, open_regular, refusal
from lenetkit.text import printable

What = Literal["images", "labels"]
_WORDS: dict[Split, str] = {"train": "train", "test": "t10k"}
_NAME = re.compile(
    r"(?P<prefix>(?:.*[-_. ])?)(?P<word>train|t10k|test)[-_. ]?(?P<what>image|label)s?"
    r"(?:[-_. ](?:idx\d?|ubyte|byte|short|int))*(?P<packed>\.gz)?"
)
_LISTED = 12
"""Names in a message."""


def file_names(split: Split) -> tuple[str, str]:
    """MNIST's names of a split's image and label files, without `.gz`."""
    word = _WORDS[split]
    return f"{word}-images-idx3-ubyte", f"{word}-labels-idx1-ubyte"


@dataclass(frozen=True)
class FoundFile:
    """A file that its name says to be a part of a data set."""

    prefix: str
    """What distinguishes the data sets of one folder, such as `emnist-letters`; usually empty."""
    word: str
    """`train`, `t10k` or `test`."""
    what: What
    file: DataFile
    rank: tuple[bool, ...]
    """Of several spellings of the same name the lowest counts: MNIST's own, plain, not in a ZIP."""


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split."""

    images: DataFile
    labels: DataFile
    prefix: str


def find_pair(place: Place, split: Split, prefix: str | None = None) -> SplitFiles:
    """The image and label files of a split in the place's folder.

    `prefix` chooses one of several data sets. Raises MissingDataError, which lists what is there,
    if a file is missing, and DataError if several data sets are there or a file cannot be one.
    """
    found = _matching(place, prefix)
    wanted = "train" if split == "train" else _word_of_test(place, found)
    files: dict[str, DataFile] = {}
    for name, what in zip(file_names(split), ("images", "labels"), strict=True):
        candidates = [f for f in found if (f.word, f.what) == (wanted, what)]
        if not candidates:
            raise MissingDataError(_missing(place, name, split, found))
        files[what] = min(candidates, key=lambda f: f.rank).file
        _expect_file(files[what])
    return SplitFiles(files["images"], files["labels"], found[0].prefix)


def _matching(place: Place, prefix: str | None) -> list[FoundFile]:
    """The files of the data set that is meant. Raises DataError if that could be several."""
    found = list(_search(place))
    prefixes = sorted({f.prefix for f in found})
    if prefix is not None:
        chosen = [f for f in found if f.prefix == _bare(prefix)]
        if found and not chosen:
            raise DataError(
                f"{place}: no data set with the prefix '{prefix}'; there are {_named(prefixes)}"
            )
        return chosen
    if len(prefixes) > 1:
        raise DataError(
            f"{place}: holds several data sets: {_named(prefixes)}; choose one with "
            f"data.prefix: {prefixes[-1]} (--set data.prefix={prefixes[-1]})"
        )
    return found


def _named(prefixes: Iterable[str]) -> str:
    return ", ".join(prefix or "one without a prefix ('')" for prefix in prefixes)


def _word_of_test(place: Place, found: Iterable[FoundFile]) -> str:
    words = sorted({f.word for f in found} - {"train"})
    if len(words) > 1:
        raise DataError(
            f"{place}: holds two test sets, t10k-… and test-…; expected one of them; "
            "move the other elsewhere"
        )
    return words[0] if words else "t10k"


def _search(place: Place) -> Iterator[FoundFile]:
    """The files that are named like parts of a data set, in archives too."""
    for entry in _entries(place):
        if _is_archive(entry):
            parts = [
                (member, _found(member.name, member, zipped=True)) for member in members(entry)
            ]
            yield from (part for _, part in parts if part)
        elif part := _found(entry.name, entry):
            if not entry.is_dir():
                yield part
                continue
            inside = [_found(path.name, path, nested=True) for path in _listed(entry)]
            same = (part.prefix, part.word, part.what)
            yield from (f for f in inside if f and (f.prefix, f.word, f.what) == same)


def _found(
    name: str, file: DataFile, *, nested: bool = False, zipped: bool = False
) -> FoundFile | None:
    base = name.replace("\\", "/").rpartition("/")[2].casefold()
    match = _NAME.fullmatch(base)
    if match is None or base[0] == ".":
        return None
    own = base.removesuffix(".gz") in (*file_names("train"), *file_names("test"))
    rank = (zipped, nested, not own, match["packed"] is not None)
    what: What = "images" if match["what"] == "image" else "labels"
    return FoundFile(_bare(match["prefix"]), match["word"], what, file, rank)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _bare(prefix: str) -> str:
    return prefix.casefold().strip("-_. ")


def _entries(place: Place) -> list[Path]:
    """What is in the folder, without hidden files, in natural order; nothing if it is missing.

    An archive in place of the folder is the only thing in it.
    """
    if _is_archive(place.folder):
        return [place.folder]
    try:
        return _listed(place.folder)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise DataError(
            f"{place}: is a file; expected a folder or ZIP archive of data files"
        ) from None
    except OSError as error:
        raise DataError(f"{place}: cannot be searched: {error.strerror}") from None


def _listed(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=natural)


def is_free(place: Place) -> bool:
    """Whether the folder is missing or empty, but for a README."""
    return not [path for path in _entries(place) if path.stem.casefold() != "readme"]


def contents(place: Place) -> str:
    """What is in the folder, in words: `holds notes.txt, pictures/`."""
    if _is_archive(place.folder):
        names = [printable(member.name) for member in members(place.folder)]
    else:
        names = [printable(path.name) + "/" * path.is_dir() for path in _entries(place)]
    if not names:
        return "is empty" if place.folder.is_dir() else "does not exist"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"holds {', '.join(names[:_LISTED])}{more}"


def _expect_file(file: DataFile) -> None:
    """Raise DataError for a pipe, a device or a broken link."""
    if isinstance(file, Member):
        return
    try:
        open_regular(file).close()
    except NotRegularError as error:
        raise DataError(f"{file}: {refusal(error, 'an IDX data file')}") from None
    except OSError:
        return  # reading it says why


def _missing(place: Place, name: str, split: Split, found: Iterable[FoundFile]) -> str:
    hint = f"expected {', '.join([*file_names('train'), *file_names('test')])}"
    if split == "test" and any(f.word == "train" for f in found):
        hint = (
            "to use a share of the training samples as the test set: data.test_share: 0.1 "
            "(--set data.test_share=0.1)"
        )
    elif deeper := next(_deeper(place), None):
        hint = f"there are such files in {deeper}: --data-dir {deeper}"
    elif any(path.is_dir() for path in _entries(place)):
        hint += ", or for a folder of pictures per class: data.type: folder"
    return f"no file {name} or {name}.gz; {place} {contents(place)}; {hint}"


def _deeper(place: Place) -> Iterator[Path]:
    """Folders up to two levels below that hold a training set."""
    below = [path for path in _entries(place) if path.is_dir()]
    for folder in below + [p for path in below for p in _folders(path)]:
        inside = [_found(path.name, path) for path in _contents(folder)]
        if {"images", "labels"} <= {f.what for f in inside if f and f.word == "train"}:
            yield folder


def _folders(folder: Path) -> list[Path]:
    return [path for path in _contents(folder) if path.is_dir()]


def _contents(folder: Path) -> list[Path]:
    try:
        return _listed(folder)
    except OSError:
        return []
