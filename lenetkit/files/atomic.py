"""Atomic writes: a file is either complete or not there."""

from __future__ import annotations

import errno
import itertools
import os
import platform
import re
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_TEMPORARY = re.compile(r"\.lenetkit-([0-9a-f]{8})-([0-9]{1,10})-[0-9]+\.tmp")
"""Host, process, and number of the file in that process."""
_COUNT = itertools.count()
_WRITING: set[str] = set()
"""The names of the temporary files that this process is writing."""
ATTEMPTS = 10 if sys.platform == "win32" else 1
"""Attempts to replace or remove a file: Windows refuses while a virus scanner reads it."""
PAUSE = 0.05
"""Seconds between attempts."""


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`, renamed to it when the block ends without an error.

    The data and the folder are flushed to disk, so that after a crash the file is the old one or
    the new one. On an error the temporary file is removed and the old file stays; an OSError that
    names the temporary file, or no file, names `path` instead. The temporary file is created, never
    an existing one opened, nor one that a link leads to. A file that is replaced keeps its
    permissions; a new one has those of any other.
    """
    temporary, file = _created(path)
    try:
        with file:
            _keep_permissions(path, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        _retry(lambda: temporary.replace(path))
        _flush_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _name(error, path, temporary)
        raise
    finally:
        _WRITING.discard(temporary.name)


def _name(error: BaseException, path: Path, temporary: Path) -> None:
    """Let an error of the system that names the temporary file, or no file, name `path`."""
    if (
        isinstance(error, OSError)
        and error.errno is not None  # otherwise not raised by the system
        and error.filename in (None, str(temporary), temporary)
    ):
        error.filename = str(path)
        del error.filename2  # None would be printed


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8 with `\\n` line endings on every system."""
    write_bytes(path, text.encode("utf-8"))


def remove(path: Path) -> None:
    """Remove a file, if it exists, so that a crash does not bring it back."""
    try:
        _retry(path.unlink)
        _flush_folder(path.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        error.filename = str(path)
        raise


def is_temporary(path: Path) -> bool:
    """Whether the file has one of the names that `replacing` gives."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files that dead processes of this host left in a folder.

    Those of other hosts stay: their processes may be running.
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


def _created(path: Path) -> tuple[Path, IO[bytes]]:
    """A new temporary file beside `path`.

    Names that are taken are passed over: by what an earlier process with the same number left, by
    one in another container, or by what others planted in a folder where they may write.
    """
    while True:
        name = f".lenetkit-{_host()}-{os.getpid()}-{next(_COUNT)}.tmp"
        temporary = path.parent / name
        _WRITING.add(name)
        try:
            return temporary, temporary.open("xb")
        except BaseException as error:
            _WRITING.discard(name)
            if not isinstance(error, FileExistsError):
                _name(error, path, temporary)
                raise


def _keep_permissions(path: Path, temporary: Path) -> None:
    """Give the temporary file the permissions of the file that it replaces; not on Windows, where a
    file has none but whether it may be written to.
    """
    if sys.platform != "win32":
        with suppress(OSError):  # there is none, or the file system knows no permissions
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                temporary.chmod(stat.S_IMODE(mode) & 0o777)


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
    """Flush a rename. Windows cannot open folders and does not need it; nor do file systems
    that refuse.
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
    """Whether a process of this host is running; True if that is unknown."""
    if sys.platform == "win32":
        import ctypes

        kernel, code = ctypes.windll.kernel32, ctypes.c_ulong()
        process = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not process:
            return bool(kernel.GetLastError() == 5)  # ERROR_ACCESS_DENIED: another user's
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
