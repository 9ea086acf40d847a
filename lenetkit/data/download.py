"""Fetching files: from the first mirror that gives what was promised."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from lenetkit.errors import DataError, MissingDataError
from lenetkit.files import replacing

TIMEOUT = 20.0
"""Seconds without a byte after which a mirror is given up."""
ATTEMPTS = 2
"""Tries a mirror."""
_CHUNK = 1 << 16
_PAUSE = 0.5


class DownloadError(MissingDataError):
    """No mirror gave the file; the message lists what each of them said."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    max_bytes: int,
    verify: Callable[[Path], None],
    progress: Callable[[int], None] = lambda done: None,
    timeout: float = TIMEOUT,
) -> None:
    """Fetch a file into `target`, which appears only when it is whole and `verify` is content.

    Each mirror is tried in turn, `ATTEMPTS` times; any failure, a file that `verify` refuses
    (by raising DataError) included, leads to the next. `progress` is told the size of each piece
    that arrives. Raises DownloadError when no mirror is left.
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
                    _fetch(url, temporary, max_bytes, progress, timeout)
                    verify(temporary)
                return
            except (OSError, http.client.HTTPException, DataError, ValueError) as error:
                failure = f"{url}: {_reason(error)}"
                if failure not in failures:
                    failures.append(failure)
                if isinstance(error, urllib.error.HTTPError) and error.code in (403, 404, 410):
                    break
                if attempt + 1 < ATTEMPTS:
                    time.sleep(_PAUSE)
    raise DownloadError("\n    ".join([f"{target.name} could not be downloaded", *failures]))


def _fetch(
    url: str, target: Path, max_bytes: int, progress: Callable[[int], None], timeout: float
) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "lenetkit"})
    opener = urllib.request.build_opener(_NoWeakerScheme())
    with opener.open(request, timeout=timeout) as response, target.open("wb") as file:
        promised = response.headers.get("Content-Length")
        done = 0
        while chunk := response.read(_CHUNK):
            done += len(chunk)
            if done > max_bytes:
                raise DataError(f"more than {max_bytes:,} bytes; expected at most that")
            file.write(chunk)
            progress(len(chunk))
        if promised is not None and done != int(promised):
            raise DataError(f"the connection ended after {done:,} of {promised} bytes")


class _NoWeakerScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects within a scheme or up to https, never to something weaker."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if newurl.partition(":")[0].lower() not in (req.type, "https"):
            raise DataError(f"redirects to another scheme: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).strip() or type(error).__name__
