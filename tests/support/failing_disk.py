"""Disks that fail: every operation that writes counts, and any of them can be made to fail."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ERRORS = {"no space": errno.ENOSPC, "input/output": errno.EIO, "read-only": errno.EROFS}


class Disk:
    """Counts opening, writing, flushing and renaming; from the `failing`-th on they fail.

    A disk that is full or read-only stays so; an input/output error comes once. A failing write
    writes the first half.
    """

    def __init__(self, failing: int | None, code: int, at_fault: Callable[[], None]) -> None:
        self.operations: list[str] = []
        self._failing = failing
        self._code = code
        self._at_fault = at_fault

    def operate(self, what: str) -> None:
        """Count an operation; raise OSError if it is to fail."""
        self.operations.append(what)
        if self._failing is None or len(self.operations) < self._failing:
            return
        if len(self.operations) == self._failing:
            self._at_fault()
        elif self._code == errno.EIO:
            return
        raise OSError(self._code, os.strerror(self._code))


class FailingFile:
    """A file open for writing on a failing disk."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file = file
        self._disk = disk

    def write(self, data: Any) -> int:
        """Write all of it, or half and fail."""
        try:
            self._disk.operate("write")
        except OSError:
            self._file.write(data[: len(data) // 2])
            raise
        written: int = self._file.write(data)
        return written

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def failing_disk(
    failing: int | None, code: int = 0, at_fault: Callable[[], None] = lambda: None
) -> Iterator[Disk]:
    """Inside the block, this process writes to a failing disk; with None it only counts."""
    disk = Disk(failing, code, at_fault)
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace")}
    open_file = io.open

    def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return open_file(path, mode, *arguments, **options)
        disk.operate(f"open {path}")
        return FailingFile(open_file(path, mode, *arguments, **options), disk)

    def operated(name: str) -> Callable[..., Any]:
        def operate(*arguments: Any, **options: Any) -> Any:
            if name == "open" and _only_reads(*arguments):
                return real[name](*arguments, **options)
            disk.operate(f"{name} {arguments[0]}")
            return real[name](*arguments, **options)

        return operate

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opened)
        patch.setattr(builtins, "open", opened)
        for name in real:
            patch.setattr(os, name, operated(name))
        yield disk


@contextmanager
def failing_reads(folder: Path, failing: int | None, code: int = 0) -> Iterator[list[str]]:
    """Inside the block, the `failing`-th opening of a file in `folder` for reading fails, and all
    later ones of that file; yields the names opened.
    """
    real, opened, lost = os.open, [], set()

    def open_(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if _only_reads(path, flags) and Path(path).parent == folder:
            opened.append(Path(path).name)
            if len(opened) == failing:
                lost.add(path)
            if path in lost:
                raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_)
        yield opened


def _only_reads(path: Any, flags: int, *mode: Any) -> bool:
    """A folder that is opened may be flushed."""
    return not flags & (os.O_WRONLY | os.O_RDWR) and not Path(path).is_dir()
