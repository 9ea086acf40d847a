"""Downloads: a file from the first mirror that sends the right one."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from lenetkit.errors import DataError, MissingDataError
from lenetkit.files.atomic import replacing

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and their total, None where the server does not say."""

ATTEMPTS = 2
"""Attempts per mirror."""
PAUSE = 0.5
"""Seconds between attempts."""
STALL = 20.0
"""Seconds in which a mirror must send at least `MIN_BYTES`."""
MIN_BYTES = 1000
TOTAL = 1800.0
"""Seconds that one attempt may take."""
_CHUNK = 1 << 16

_Item = tuple[bytes, int | None] | Exception
"""A piece of the content with the total size, empty at the end; or what went wrong."""


class DownloadError(MissingDataError):
    """No mirror sent the file; the message gives the reason for each of them."""


class _GoneError(DataError):
    """The mirror does not have the file, so there is no point in asking again."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    max_bytes: int,
    verify: Callable[[Path], None],
    progress: Progress = lambda done, total: None,
    stall: float = STALL,
    total: float = TOTAL,
    pause: float = PAUSE,
) -> None:
    """Fetch a file into `target`, which appears only once it is complete and verified.

    Each mirror is tried `ATTEMPTS` times, then the next; a file is refused if `verify` raises
    DataError. Several processes may fetch the same file. Raises DownloadError if all mirrors fail.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"{target.parent}: cannot be created: {error.strerror}") from None
    failures = []
    for url in urls:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause)
            try:
                with replacing(target) as file:
                    _fetch(url, file, max_bytes, progress, stall, total)
                    file.flush()
                    verify(Path(file.name))
                return
            except (OSError, DataError) as error:
                if isinstance(error, OSError) and _is_valid(target, verify):
                    return  # another process was faster, and has the file open
                failures.append(f"{url}: {error}")
                if isinstance(error, _GoneError):
                    break
    reasons = dict.fromkeys(failures)
    raise DownloadError("\n    ".join([f"{target.name} could not be downloaded", *reasons]))


def progress_lines(report: Callable[[str], None], every: float = 3.0) -> Progress:
    """A progress that reports at most one line every `every` seconds, the first after as many."""
    last = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            of = f" of {total / 1e6:.1f}" if total else ""
            report(f"  {done / 1e6:.1f}{of} MB")

    return progress


def _is_valid(target: Path, verify: Callable[[Path], None]) -> bool:
    try:
        verify(target)
    except (OSError, DataError):
        return False
    return True


def _fetch(
    url: str, file: IO[bytes], max_bytes: int, progress: Progress, stall: float, total: float
) -> None:
    done, promised = 0, None
    for piece, promised in _pieces(url, stall, total):
        done += len(piece)
        if done > max_bytes:
            raise DataError(f"more than {max_bytes:,} bytes; expected at most that")
        file.write(piece)
        progress(done, promised)
    if promised is not None and done != promised:
        raise DataError(f"the connection ended after {done:,} of {promised:,} bytes")


def _pieces(url: str, stall: float, total: float) -> Iterator[tuple[bytes, int | None]]:
    """The content of a URL with its total size. Raises DataError if it fails or is too slow.

    It is read in another thread, because a socket's timeout starts over with every byte and DNS
    lookups have none: this thread never waits longer than agreed.
    """
    items: queue.Queue[_Item] = queue.Queue(maxsize=4)
    stop = threading.Event()
    threading.Thread(target=_read, args=(url, stall, items, stop), daemon=True).start()
    begin = since = time.monotonic()
    received = 0
    try:
        while True:
            now = time.monotonic()
            if now > begin + total:
                raise DataError(f"too slow: not done in {total:g} s")
            if now > since + stall:
                raise DataError(f"too slow: fewer than {MIN_BYTES:,} bytes in {stall:g} s")
            try:
                item = items.get(timeout=min(stall, total, 0.2))
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                gone = isinstance(item, urllib.error.HTTPError) and item.code in (403, 404, 410)
                raise (_GoneError if gone else DataError)(_reason(item))
            yield item
            if not item[0]:
                return
            received += len(item[0])
            if received >= MIN_BYTES:
                since, received = time.monotonic(), 0
    finally:
        stop.set()


def _read(url: str, timeout: float, items: queue.Queue[_Item], stop: threading.Event) -> None:
    """Put everything that a URL sends into the queue, until `stop` is set."""

    def put(item: _Item) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.2)
                return True
        return False

    request = urllib.request.Request(url, headers={"User-Agent": "lenetkit"})
    opener = urllib.request.build_opener(SafeRedirects())
    try:
        with opener.open(request, timeout=timeout) as response:
            length = response.headers.get("Content-Length")
            promised = None if length is None else int(length)
            while put((piece := response.read1(_CHUNK), promised)) and piece:
                pass
    except Exception as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is also a response
        put(error)


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects within a scheme or to https, never to a weaker one."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if newurl.partition(":")[0].lower() not in (req.type, "https"):
            fp.close()
            raise DataError(f"redirects to another scheme: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, TimeoutError):
        return f"too slow: {str(error) or 'no answer in time'}"
    return str(error).strip() or type(error).__name__
