"""Files inside ZIP archives that others made: found by name, and opened without unpacking more."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from lenetkit.errors import DataError
from lenetkit.files.opening import open_regular, refusal
from lenetkit.text import printable

MAX_DIRECTORY = 16 << 20
"""Bytes of an archive's directory, which `zipfile` reads as a whole."""
_ENCRYPTED = 1
_DAMAGED = (BadZipFile, IndexError, KeyError, NotImplementedError, ValueError, struct.error)
"""What `zipfile` raises for damaged archives."""


@dataclass(frozen=True)
class Member:
    """A file inside an archive."""

    archive: Path
    name: str

    def __str__(self) -> str:
        return printable(f"{self.archive}/{self.name}")


def members(archive: Path) -> list[Member]:
    """The files in an archive. Raises DataError if it is damaged."""
    try:
        with _opened(archive) as zipped:
            return [Member(archive, i.filename) for i in zipped.infolist() if not i.is_dir()]
    except (*_DAMAGED, OSError) as error:
        raise DataError(f"{archive}: {_reason(error)}") from None


@contextmanager
def open_member(member: Member) -> Iterator[tuple[IO[bytes], int, int]]:
    """The content, the bytes that it takes in the archive, and the bytes that it claims to have.

    Raises DataError, without the member's name, if the archive is damaged or encrypted.
    """
    try:
        with _opened(member.archive) as zipped:
            info = zipped.getinfo(member.name)
            if info.header_offset < 0:
                raise BadZipFile("a file in it begins before its own start")
            if info.flag_bits & _ENCRYPTED:
                raise DataError("is encrypted; unpack the archive first")
            if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise DataError("is packed in an unusual way; unpack the archive first")
            size = min(info.compress_size, member.archive.stat().st_size)
            with zipped.open(info) as file:
                yield file, size, info.file_size
    except _DAMAGED as error:
        raise DataError(_reason(error)) from None


@contextmanager
def _opened(archive: Path) -> Iterator[ZipFile]:
    with open_regular(archive) as file:
        _check_directory(file)
        with ZipFile(file) as zipped:
            yield zipped


def _check_directory(file: BinaryIO) -> None:
    """Raise BadZipFile if the archive's directory is too large to be read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - (1 << 16) - 22))
    end = file.read()
    at = end.rfind(b"PK\5\6")
    if at >= 0 and int.from_bytes(end[at + 12 : at + 16], "little") > MAX_DIRECTORY:
        raise BadZipFile(f"its directory claims more than {MAX_DIRECTORY:,} bytes")
    file.seek(0)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return refusal(error, "a ZIP archive")
    return f"damaged ZIP archive ({error}); get it again"
