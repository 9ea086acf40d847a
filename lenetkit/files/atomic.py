"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import itertools
import os
import platform
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\.lenetkit-([0-9a-f]{8})-([0-9]{1,10})-[0-9]+\.tmp")
"""Of which host, which process, and which file of that process."""
_COUNT = itertools.count()
_WRITING: set[str] = set()
"""The names of the temporary files that this process is writing."""
ATTEMPTS = 10 if sys.platform == "win32" else 1
"""Tries to replace or remove a file: Windows refuses while a scanner reads it."""
PAUSE = 0.05
"""Seconds between two tries."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends without an error.

    The data and the folder are flushed to disk, so that after a crash the file is the old one or
    the new one. On an error the temporary file is removed and the old file stays; an OSError that
    names the temporary file, or none, names `path` instead.
    """
    temporary = path.with_name(f".lenetkit-{_host()}-{os.getpid()}-{next(_COUNT)}.tmp")
    _WRITING.add(temporary.name)
    try:
        yield temporary
        _flush(temporary)
        _retry(lambda: temporary.replace(path))
        _flush_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if (
            isinstance(error, OSError)
            and error.errno is not None  # else it is not the system's
            and error.filename in (None, str(temporary), temporary)
        ):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        _WRITING.discard(temporary.name)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file at once, in UTF-8 with `\\n` line ends on every system."""
    write_bytes(path, text.encode("utf-8"))


def remove(path: Path) -> None:
    """Remove a file, where it is there, so that a crash does not bring it back."""
    try:
        _retry(path.unlink)
        _flush_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        error.filename = str(path)
        raise


def is_temporary(path: Path) -> bool:
    """Whether the file bears one of the names that `replacing` gives."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files that ended processes of this host left in a folder.

    Those of other hosts stay: nothing here can tell whether their processes are running.
    """
    removed = []
    for path in sorted(folder.iterdir()):
        name = _TEMPORARY.fullmatch(path.name)
        if name is None or name[1] != _host() or path.name in _WRITING:
            continue
        if int(name[2]) == os.getpid() or not _is_running(int(name[2])):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _retry(action: Callable[[], object]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            action()
        except PermissionError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE)
        else:
            return


def _flush_folder(folder: Path) -> None:
    """Flush a rename. Windows opens no folders and needs no such flush; nor do file systems
    that refuse to flush one.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_running(pid: int) -> bool:
    """Whether a process of this host has not ended; True where that cannot be told."""
    if sys.platform == "win32":
        import ctypes

        kernel, code = ctypes.windll.kernel32, ctypes.c_ulong()
        process = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not process:
            return bool(kernel.GetLastError() == 5)  # ERROR_ACCESS_DENIED: it is another user's
        kernel.GetExitCodeProcess(process, ctypes.byref(code))
        kernel.CloseHandle(process)
        return code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
