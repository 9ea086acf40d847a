"""A lock on a folder, released when its process ends, however it ends."""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lenetkit.errors import RunError
from lenetkit.files.opening import NotRegularError, expect_regular
from lenetkit.text import printable

NAME = "run.lock"
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
"""In case the path becomes a pipe or a link between check and opening; POSIX only."""

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30
    """Beyond the text, because Windows does not let others read locked bytes."""

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

    _share = _lock

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _share(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def locked(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder's `run.lock`, which names process, host and start, inside the block.

    The operating system releases the lock when its process ends. An unlocked file was left by a
    process that was killed: that is reported, and the lock taken over. Raises RunError if another
    process or thread holds it, or the folder cannot be locked.
    """
    path = folder / NAME
    descriptor = _acquire(path)
    try:
        if left := os.read(descriptor, 1000):
            report(f"{folder}: {_owner(left)} ended without finishing; taking its run over")
        _sign(path, descriptor)
        yield
    finally:
        with suppress(OSError):  # an empty file says that it was released
            os.ftruncate(descriptor, 0)
        if sys.platform != "win32":  # while locked, so that nobody locks a file about to vanish
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)
        if sys.platform == "win32":
            with suppress(OSError):
                path.unlink()


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder's lock now. Writes nothing.

    Only a lock file that is there is tried, and only for a moment.
    """
    path = folder / NAME
    try:
        expect_regular(path, path.lstat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    except OSError:
        return False
    try:
        _share(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _acquire(path: Path) -> int:
    """The open and locked file."""
    while True:
        try:
            descriptor = _open(path)
        except NotRegularError as error:
            raise RunError(
                f"{path}: {error.strerror}; expected none, or what an earlier run left; remove it"
            ) from None
        except OSError as error:
            raise RunError(f"{path.parent}: cannot be written to: {error.strerror}") from None
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError):
            owner = _owner(os.read(descriptor, 1000))
            os.close(descriptor)
            raise RunError(
                f"{path.parent}: {owner} is writing this run; wait until it is done, or end it"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise RunError(
                f"{path}: cannot be locked: {error.strerror}; use a folder on another file system"
            ) from None
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)  # its owner removed it between our opening and locking


def _open(path: Path) -> int:
    """The file, created if missing; follows no link and waits for no pipe."""
    with suppress(FileNotFoundError):
        expect_regular(path, path.lstat().st_mode)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_WAIT, 0o666)
    try:
        status = os.fstat(descriptor)
        expect_regular(path, status.st_mode)
        if status.st_nlink > 1:  # what it shares its content with would be overwritten
            raise NotRegularError(errno.EINVAL, "is a hard link", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sign(path: Path, descriptor: int) -> None:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _myself())
    except OSError as error:
        raise RunError(f"{path.parent}: cannot be written to: {error.strerror}") from None


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _myself() -> bytes:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": platform.node(), "started": started}
    return (json.dumps(owner) + "\n").encode()


def _owner(text: bytes) -> str:
    """`process 123 on HOST (started …)`, as far as the lock file says."""
    try:
        owner = json.loads(text)
        said = f"process {owner['pid']} on {owner['host']} (started {owner['started']})"
        return printable(said)
    except (KeyError, TypeError, ValueError):
        return "another process"
