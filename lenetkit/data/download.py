"""Fetching files: from the first mirror that gives what was promised."""

from __future__ import annotations

import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lenetkit.errors import DataError, MissingDataError
from lenetkit.files.atomic import replacing

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and of how many, where the server says so."""

STALL = 20.0
"""Seconds in which at least `LEAST` bytes must come, or a mirror is given up."""
LEAST = 1000
TOTAL = 1800.0
"""Seconds that one try may take in all."""
ATTEMPTS = 2
"""Tries a mirror."""
_CHUNK = 1 << 16
_PAUSE = 0.5
_GONE = (403, 404, 410)


class DownloadError(MissingDataError):
    """No mirror gave the file; the message lists what each of them said."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    max_bytes: int,
    verify: Callable[[Path], None],
    progress: Progress = lambda done, total: None,
    stall: float = STALL,
    total: float = TOTAL,
) -> None:
    """Fetch a file into `target`, which appears only when it is whole and `verify` is content.

    Each mirror is tried in turn, `ATTEMPTS` times; any failure, a file that `verify` refuses
    (by raising DataError) included, leads to the next. Several processes may fetch one file.
    Raises DownloadError when no mirror is left.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{target.parent}: cannot be made: {error.strerror}") from None
    failures = []
    for url in urls:
        for attempt in range(ATTEMPTS):
            try:
                with replacing(target) as temporary:
                    _fetch(url, temporary, max_bytes, progress, stall, total)
                    verify(temporary)
                return
            except (OSError, DataError, _MirrorError) as error:
                if isinstance(error, OSError) and _is_there(target, verify):
                    return  # another process was faster, and holds the file open
                failure = f"{url}: {error}"
                if failure not in failures:
                    failures.append(failure)
                if isinstance(error, _MirrorError) and error.is_final:
                    break
                if attempt + 1 < ATTEMPTS:
                    time.sleep(_PAUSE)
    raise DownloadError("\n    ".join([f"{target.name} could not be downloaded", *failures]))


class _MirrorError(Exception):
    """What a mirror did in place of sending the file."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final
        """Whether asking again is of no use."""


def progress_lines(report: Callable[[str], None], every: float = 3.0) -> Progress:
    """A progress that reports a line at most every so many seconds, the first after as many."""
    last = time.monotonic()

    def tell(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            of = f" of {total / 1e6:.1f}" if total else ""
            report(f"  {done / 1e6:.1f}{of} MB")

    return tell


def _is_there(target: Path, verify: Callable[[Path], None]) -> bool:
    try:
        verify(target)
    except (OSError, DataError):
        return False
    return True


def _fetch(
    url: str, target: Path, max_bytes: int, progress: Progress, stall: float, total: float
) -> None:
    response = _Response(url, stall)
    done = 0
    with target.open("wb") as file:
        for piece in response.pieces(stall, total):
            done += len(piece)
            if done > max_bytes:
                raise DataError(f"more than {max_bytes:,} bytes; expected at most that")
            file.write(piece)
            progress(done, response.promised)
    if response.promised is not None and done != response.promised:
        raise DataError(f"the connection ended after {done:,} of {response.promised:,} bytes")


class _Response:
    """What a URL gives, read in a thread of its own.

    A socket's time limit starts anew with every byte, and looking a host up has none: a server
    could keep whoever waits for it. Here nobody waits for longer than agreed.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.promised: int | None = None
        self._url = url
        self._timeout = timeout
        self._queue: queue.Queue[bytes | Exception] = queue.Queue(maxsize=4)
        self._left = threading.Event()

    def pieces(self, stall: float, total: float) -> Iterator[bytes]:
        """The content as it comes. Raises _MirrorError where it does not, or too slowly."""
        threading.Thread(target=self._read, daemon=True).start()
        begin = since = time.monotonic()
        arrived = 0
        try:
            while True:
                now = time.monotonic()
                if now > begin + total:
                    raise _MirrorError(f"too slow: not done in {total:g} s")
                if now > since + stall:
                    raise _MirrorError(f"too slow: fewer than {LEAST:,} bytes in {stall:g} s")
                try:
                    piece = self._queue.get(timeout=min(stall, total, 0.2))
                except queue.Empty:
                    continue
                if isinstance(piece, Exception):
                    raise _MirrorError(_reason(piece), is_final=_is_final(piece))
                if not piece:
                    return
                yield piece
                arrived += len(piece)
                if arrived >= LEAST:
                    since, arrived = time.monotonic(), 0
        finally:
            self._left.set()

    def _read(self) -> None:
        request = urllib.request.Request(self._url, headers={"User-Agent": "lenetkit"})
        opener = urllib.request.build_opener(_NoWeakerScheme())
        try:
            with opener.open(request, timeout=self._timeout) as response:
                length = response.headers.get("Content-Length")
                self.promised = None if length is None else int(length)
                while (piece := response.read1(_CHUNK)) and self._hand_over(piece):
                    pass
            self._hand_over(b"")
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is a response, too
            self._hand_over(error)

    def _hand_over(self, piece: bytes | Exception) -> bool:
        """Whether somebody still takes it."""
        while not self._left.is_set():
            try:
                self._queue.put(piece, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


class _NoWeakerScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects within a scheme or up to https, never to something weaker."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if newurl.partition(":")[0].lower() not in (req.type, "https"):
            fp.close()
            raise DataError(f"redirects to another scheme: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_final(error: Exception) -> bool:
    return isinstance(error, urllib.error.HTTPError) and error.code in _GONE


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return f"too slow: {str(error) or 'no answer in time'}"
    return str(error).strip() or type(error).__name__
