"""Opening files that the user names: only regular ones, and what their first bytes say they are."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from lenetkit.errors import InputError


class NotRegularError(OSError):
    """A folder, pipe, device, socket or broken link in place of a file; `strerror` says which."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without ever waiting for a writer.

    Raises NotRegularError for anything else, without opening devices, and OSError if there is
    nothing to open.
    """
    try:
        expect_regular(path, _status(path).st_mode)
        # The path may be a pipe by now: opening must not wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    except ValueError:  # a NUL in the name
        raise OSError(errno.EINVAL, "not a valid file name", str(path)) from None
    try:
        expect_regular(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        lost = isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP
        if lost and path.is_symlink():
            raise NotRegularError(errno.EINVAL, "is a broken link", str(path)) from None
        raise


_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""POSIX has the one flag, Windows the other."""

_KINDS_OF_NODE = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
    stat.S_IFLNK: "is a link",
}


def expect_regular(path: Path, mode: int) -> None:
    """Raise NotRegularError unless `mode` (`st_mode`) is a regular file's."""
    if not stat.S_ISREG(mode):
        kind = _KINDS_OF_NODE.get(stat.S_IFMT(mode), "is not a regular file")
        raise NotRegularError(errno.EINVAL, kind, str(path))


def is_there(path: Path) -> bool:
    """Whether there is anything with this name. Raises OSError if that cannot be found out."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def refusal(error: OSError, expected: str) -> str:
    """Why a file cannot be opened, and what was expected: `is a folder; expected …`."""
    if isinstance(error, NotRegularError):
        return f"{error.strerror}; expected {expected}"
    if isinstance(error, FileNotFoundError):
        return f"no such file; expected {expected}"
    return f"cannot be read: {error.strerror or error}"


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A sorting key that puts `9.png` before `10.png`."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name


def user_path(path: str | Path, folder: Path = Path()) -> Path:
    """A path that a user wrote, relative to `folder`, with `~` or `~name` as a home folder.

    A name that begins so is written `./~name`. Raises InputError if there is no such user, and for
    an empty text, such as that of a variable that is not set, which is not the current folder.
    """
    if path == "":
        raise InputError("expected a path, found ''; the current folder is .")
    try:
        expanded = Path(path).expanduser() if str(path).startswith("~") else Path(path)
    except RuntimeError:
        hint = f"for a name that begins so, write ./{path}"
        raise InputError(f"{path}: no such user; {hint}") from None
    if str(expanded).startswith("~"):  # absolute, so that it is not expanded again
        folder = folder.absolute()
    return folder / expanded


_STARTS = [
    (rb".{3}\0{5}\{\"", "a safetensors file"),  # first, as its length may look like anything
    (rb"\x89PNG\r\n", "a PNG picture"),
    (rb"\xff\xd8\xff", "a JPEG picture"),
    (rb"GIF8[79]a", "a GIF picture"),
    (rb"II\*\0|MM\0\*", "a TIFF picture"),
    (rb"RIFF.{4}WEBP", "a WebP picture"),
    (rb"BM.{4}\0{4}", "a BMP picture"),
    (rb".{4}ftyp(hei[cx]|hevc|mif1)", "a HEIC photo"),
    (rb".{4}ftypavif", "an AVIF picture"),
    (rb"%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document"),
    (rb"\s*<(!doctype|html|head)", "an HTML page"),
    (rb"\s*<(\?xml|svg)", "an XML document"),
    (rb"PK(\x03\x04|\x05\x06)", "a ZIP archive"),
    (rb"\x1f\x8b", "gzip-packed data"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x89HDF\r\n", "an HDF5 file"),
    (rb"\x80[\x02-\x05](\x95|[}\]c\x8a(])", "a Python pickle"),
    (rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x05]\0", "an IDX data file"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text"),
    (rb"$", "an empty file"),
]
KNOWN_KINDS = frozenset(kind for _, kind in _STARTS)
"""The kinds that `file_kind` recognizes by a signature."""
_KINDS = [(re.compile(start, re.IGNORECASE | re.DOTALL), kind) for start, kind in _STARTS]


def file_kind(start: bytes) -> str:
    """What a file's first bytes say it is: `a PNG picture`, `a text file`, `of an unknown kind`."""
    start = start[:64]
    for pattern, kind in _KINDS:
        if pattern.match(start):
            return kind
    text = start.decode("utf-8", "ignore")  # the cut may have halved a character
    if len(text.encode()) > len(start) - 4 and all(c.isprintable() or c.isspace() for c in text):
        return "a text file"
    return f"of an unknown kind (it starts with {start[:8].hex(' ')})"
