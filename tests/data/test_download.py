"""Downloads, from a server on this computer."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from lenetkit.data.download import (
    ATTEMPTS,
    DownloadError,
    SafeRedirects,
    download,
    progress_lines,
)
from lenetkit.errors import DataError

Reply = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[str, Reply], str]
CONTENT = bytes(range(256)) * 1000


class Fetch:
    """Calls `download` with what most tests have in common."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.seen: list[tuple[int, int | None]] = []
        self.verified: list[Path] = []

    def __call__(
        self, *urls: str, max_bytes: int = 1 << 20, stall: float = 10, total: float = 60
    ) -> None:
        download(
            urls,
            self.target,
            max_bytes=max_bytes,
            verify=self.verify,
            progress=lambda done, of: self.seen.append((done, of)),
            stall=stall,
            total=total,
            pause=0,
        )

    def verify(self, path: Path) -> None:
        """Content has the digest that it should have."""
        self.verified.append(path)
        if path.read_bytes() != CONTENT:
            raise DataError("wrong digest")

    def assert_done(self) -> None:
        assert self.target.read_bytes() == CONTENT
        assert list(self.target.parent.iterdir()) == [self.target]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path / "data" / "file.gz")


def send(request: BaseHTTPRequestHandler, content: bytes, claimed: int | None = None) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content) if claimed is None else claimed))
    request.end_headers()
    with contextlib.suppress(OSError):  # the client may hang up
        request.wfile.write(content)


def whole(request: BaseHTTPRequestHandler) -> None:
    send(request, CONTENT)


def status(code: int) -> Reply:
    return lambda request: request.send_error(code)


def short(request: BaseHTTPRequestHandler) -> None:
    send(request, CONTENT[:1000], claimed=len(CONTENT))


def nothing(request: BaseHTTPRequestHandler) -> None:
    send(request, b"", claimed=len(CONTENT))


def html(request: BaseHTTPRequestHandler) -> None:
    send(request, b"<!DOCTYPE html><title>Please log in</title>")


def other_content(request: BaseHTTPRequestHandler) -> None:
    send(request, CONTENT[::-1])


def too_much(request: BaseHTTPRequestHandler) -> None:
    send(request, CONTENT + bytes(1 << 20))


def silence(request: BaseHTTPRequestHandler) -> None:
    """Hang up without a word."""


def garbage(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"SSH-2.0-OpenSSH_9.0\r\n")


def broken_chunks(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    request.wfile.write(b"400\r\nonly this")


def odd_length(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n1234")


def redirect(url: str) -> Reply:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", url)
        request.end_headers()

    return reply


def counted(reply: Reply) -> tuple[Reply, list[float]]:
    """The same reply, with the times at which it was asked for."""
    times: list[float] = []

    def count(request: BaseHTTPRequestHandler) -> None:
        times.append(time.monotonic())
        reply(request)

    return count, times


def refused_url() -> str:
    """A URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/file"


def test_success(fetch: Fetch, serve: Serve) -> None:
    fetch(serve("/file", whole))
    fetch.assert_done()
    assert fetch.seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(fetch.seen) > 1
    assert fetch.seen == sorted(fetch.seen)
    assert fetch.target not in fetch.verified != []
    assert fetch.target.read_bytes() == CONTENT


def test_content_without_a_length_is_taken_as_it_comes(fetch: Fetch, serve: Serve) -> None:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(CONTENT)

    fetch(serve("/file", reply))
    fetch.assert_done()


def test_first_mirror_is_enough(fetch: Fetch, serve: Serve) -> None:
    unused, times = counted(whole)
    fetch(serve("/one", whole), serve("/two", unused))
    fetch.assert_done()
    assert not times


@pytest.mark.parametrize(
    ("reply", "said", "tries"),
    [
        (status(404), "HTTP 404 Not Found", 1),
        (status(403), "HTTP 403 Forbidden", 1),
        (status(410), "HTTP 410 Gone", 1),
        (status(500), "HTTP 500 Internal Server Error", ATTEMPTS),
        (status(503), "HTTP 503", ATTEMPTS),
        (short, "the connection ended after 1,000 of 256,000 bytes", ATTEMPTS),
        (nothing, "the connection ended after 0 of 256,000 bytes", ATTEMPTS),
        (html, "wrong digest", ATTEMPTS),
        (other_content, "wrong digest", ATTEMPTS),
        (too_much, "more than 1,048,576 bytes", ATTEMPTS),
        (silence, "", ATTEMPTS),
        (garbage, "SSH-2.0", ATTEMPTS),
        (broken_chunks, "IncompleteRead", ATTEMPTS),
        (odd_length, "", ATTEMPTS),
    ],
)
def test_whatever_fails_leads_to_the_next_mirror(
    fetch: Fetch, serve: Serve, reply: Reply, said: str, tries: int
) -> None:
    bad, times = counted(reply)
    url = serve("/bad", bad)
    fetch(url, serve("/good", whole))
    fetch.assert_done()
    assert len(times) == tries
    fetch.target.unlink()
    with pytest.raises(DownloadError) as caught:
        fetch(url)
    first, *reasons = str(caught.value).splitlines()
    assert first == "file.gz could not be downloaded"
    assert len(reasons) == len(set(reasons)) <= tries  # the same words are not said twice
    for reason in reasons:
        assert reason.startswith(f"    {url}: {said}")
        assert len(reason) > len(f"    {url}: ")
    assert not list(fetch.target.parent.iterdir())


def test_refused_connection_leads_to_the_next_mirror(fetch: Fetch, serve: Serve) -> None:
    fetch(refused_url(), serve("/good", whole))
    fetch.assert_done()


def test_unknown_host_leads_to_the_next_mirror(fetch: Fetch, serve: Serve) -> None:
    fetch("http://mirror.invalid/file", serve("/good", whole))
    fetch.assert_done()


def test_failure_that_passes_is_tried_again(fetch: Fetch, serve: Serve) -> None:
    turns = itertools.chain([status(503)], itertools.repeat(whole))
    fetch(serve("/file", lambda request: next(turns)(request)))
    fetch.assert_done()


@pytest.fixture
def stall() -> Iterator[Reply]:
    """A server that begins and then says nothing more."""
    over = threading.Event()

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:100])
        request.wfile.flush()
        over.wait(30)

    yield reply
    over.set()


def test_stalled_server_is_given_up_in_time(fetch: Fetch, serve: Serve, stall: Reply) -> None:
    stalled, times = counted(stall)
    fetch(serve("/stalled", stalled), serve("/good", whole), stall=1)  # the server would take 30
    fetch.assert_done()
    assert len(times) == ATTEMPTS
    assert times[1] - times[0] < 20


def test_stalled_server_is_named(fetch: Fetch, serve: Serve, stall: Reply) -> None:
    with pytest.raises(DownloadError, match=r"too slow: "):
        fetch(serve("/stalled", stall), stall=0.1)


def dripping(piece: bytes, pause: float, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Reply:
    """A server that never stops, and never says much: no read of it takes long."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(head)
        with contextlib.suppress(OSError):
            for _ in range(int(60 / pause)):
                request.wfile.write(piece)
                request.wfile.flush()
                time.sleep(pause)

    return reply


def test_dripping_server_is_given_up(fetch: Fetch, serve: Serve) -> None:
    drip, times = counted(dripping(b"x", 0.05))
    with pytest.raises(DownloadError, match=r"too slow: fewer than 1,000 bytes in 0\.5 s"):
        fetch(serve("/drip", drip), stall=0.5)
    assert len(times) == ATTEMPTS
    fetch(serve("/drip", drip), serve("/good", whole), stall=2)
    fetch.assert_done()


def test_server_that_drips_its_headers_is_given_up(fetch: Fetch, serve: Serve) -> None:
    drip = dripping(b"X-More: 1\r\n", 0.05, head=b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(DownloadError, match=r"too slow: fewer than 1,000 bytes in 0\.5 s"):
        fetch(serve("/drip", drip), stall=0.5)


def test_server_that_is_slow_without_end_is_given_up(fetch: Fetch, serve: Serve) -> None:
    """Fast enough never to stall, and yet no use."""
    with pytest.raises(DownloadError, match=r"too slow: not done in 1 s"):
        fetch(serve("/slow", dripping(bytes(2000), 0.05)), stall=0.9, total=1)


def test_slow_server_that_keeps_on_is_waited_for(fetch: Fetch, serve: Serve) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for start in range(0, len(CONTENT), 32_000):
            request.wfile.write(CONTENT[start : start + 32_000])
            request.wfile.flush()
            time.sleep(0.3)

    fetch(serve("/slow", slow), stall=1.5)  # 2.4 s in all
    fetch.assert_done()


def test_host_that_takes_its_time_to_be_looked_up_is_given_up(
    fetch: Fetch, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    resolve = socket.getaddrinfo

    def stuck(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost":
            over.wait(30)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    good = serve("/good", whole)
    begin = time.monotonic()
    fetch(good.replace("127.0.0.1", "localhost"), good, stall=1)
    over.set()
    fetch.assert_done()
    assert time.monotonic() - begin < 29


FETCH = """
import sys
from pathlib import Path
from lenetkit.data.download import download
from lenetkit.errors import DataError
def verify(path):
    if path.read_bytes() != bytes(range(256)) * 1000:
        raise DataError("wrong digest")
print(flush=True)
sys.stdin.readline()
download([sys.argv[1]], Path(sys.argv[2]), max_bytes=1 << 20, verify=verify)
"""


def test_processes_at_once_do_not_disturb_each_other(fetch: Fetch, serve: Serve) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for start in range(0, len(CONTENT), 64_000):
            request.wfile.write(CONTENT[start : start + 64_000])
            request.wfile.flush()
            time.sleep(0.1)

    reply, times = counted(slow)
    command = [sys.executable, "-c", FETCH, serve("/file", reply), str(fetch.target)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # all are ready before the first begins
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert len(times) == 3
    fetch.assert_done()


def test_a_file_that_another_process_put_there_and_holds_is_taken(
    fetch: Fetch, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace a file that is open."""

    def held(self: Path, target: Path) -> Path:
        target.write_bytes(CONTENT)
        raise PermissionError(13, "used by another process")

    reply, times = counted(whole)
    monkeypatch.setattr(Path, "replace", held)
    fetch(serve("/file", reply))
    assert len(times) == 1
    fetch.assert_done()


def test_a_wrong_file_that_cannot_be_replaced_is_an_error(
    fetch: Fetch, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(self: Path, target: Path) -> Path:
        target.write_bytes(b"other")
        raise PermissionError(13, "used by another process")

    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(DownloadError, match="used by another process"):
        fetch(serve("/file", whole))


def test_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines: list[str] = []
    tell = progress_lines(lines.append)
    for second in range(10):
        now[0] = 100 + second
        tell(second * 1_100_000, 9_912_422 if second < 5 else None)
    assert lines == ["  3.3 of 9.9 MB", "  6.6 MB", "  9.9 MB"]


def test_too_much_is_not_read_to_its_end(fetch: Fetch, serve: Serve) -> None:
    sent = 0

    def endless(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                request.wfile.write(bytes(1 << 20))
                sent += 1 << 20

    with pytest.raises(DownloadError, match="more than 100,000 bytes"):
        fetch(serve("/endless", endless), max_bytes=100_000)
    assert all(done <= 100_000 for done, _ in fetch.seen)
    assert sent < 100 << 20


def test_redirect_within_http_is_followed(fetch: Fetch, serve: Serve) -> None:
    fetch(serve("/old", redirect(serve("/new", whole))))
    fetch.assert_done()


def test_redirects_end(fetch: Fetch, serve: Serve) -> None:
    reply, times = counted(redirect("/loop"))
    with pytest.raises(DownloadError, match="HTTP 302"):
        fetch(serve("/loop", reply))
    assert len(times) <= ATTEMPTS * 11


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "gopher"])
def test_redirect_to_an_exotic_scheme_is_refused(
    fetch: Fetch, serve: Serve, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    url = {"file": (tmp_path / "secret").as_uri()}.get(scheme, f"{scheme}://127.0.0.1:1/file")
    with pytest.raises(DownloadError, match=r"HTTP 302|redirects to another scheme"):
        fetch(serve("/file", redirect(url)))
    assert not fetch.target.exists()


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("http", "http", True),
        ("http", "https", True),
        ("https", "https", True),
        ("https", "HTTPS", True),
        ("https", "http", False),
        ("https", "HTTP", False),
        ("https", "ftp", False),
        ("http", "ftp", False),
        ("http", "file", False),
    ],
)
def test_redirect_may_strengthen_but_never_weaken(old: str, new: str, allowed: bool) -> None:
    def follow() -> Any:
        request = urllib.request.Request(f"{old}://127.0.0.1/old")
        target = f"{new}://127.0.0.1/new"
        reply = io.BytesIO()
        return SafeRedirects().redirect_request(request, reply, 302, "", HTTPMessage(), target)

    if allowed:
        assert follow().full_url.lower() == f"{new}://127.0.0.1/new".lower()
    else:
        with pytest.raises(DataError, match="redirects to another scheme"):
            follow()


def test_target_appears_only_when_whole(fetch: Fetch, serve: Serve) -> None:
    seen: list[bool] = []

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for start in range(0, len(CONTENT), 64_000):
            request.wfile.write(CONTENT[start : start + 64_000])
            request.wfile.flush()
            seen.append(fetch.target.exists())

    fetch(serve("/file", slow))
    fetch.assert_done()
    assert seen == [False] * 4


def test_old_file_survives_a_failure(fetch: Fetch, serve: Serve) -> None:
    fetch.target.parent.mkdir()
    fetch.target.write_bytes(b"old")
    with pytest.raises(DownloadError):
        fetch(serve("/short", short), serve("/html", html), refused_url())
    assert fetch.target.read_bytes() == b"old"
    assert list(fetch.target.parent.iterdir()) == [fetch.target]


def test_interruption_leaves_nothing(fetch: Fetch, serve: Serve) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(
            [serve("/file", whole)],
            fetch.target,
            max_bytes=1 << 20,
            verify=fetch.verify,
            progress=interrupt,
        )
    assert not list(fetch.target.parent.iterdir())


def test_every_mirror_has_its_say(fetch: Fetch, serve: Serve) -> None:
    urls = [serve("/gone", status(404)), serve("/short", short), refused_url()]
    with pytest.raises(DownloadError) as caught:
        fetch(*urls)
    for url, said in zip(urls, ("HTTP 404", "connection ended", "refused"), strict=True):
        assert f"{url}: " in str(caught.value)
        assert said in str(caught.value)


def test_folder_that_cannot_be_made_is_a_download_error(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="cannot be created"):
        Fetch(tmp_path / "file" / "inside" / "x.gz")(serve("/file", whole))
