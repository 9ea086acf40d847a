"""Fixtures for all tests: no traces outside the test, no network beyond this computer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from lenetkit.data.finding import file_names
from lenetkit.data.idx import write_idx
from lenetkit.data.source import SPLITS
from tests.support.specs import SMALL

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

_DATA = os.environ.get("LENETKIT_DATA")

Reply = Callable[[BaseHTTPRequestHandler], None]


SLOW = Path(__file__).with_name("slow.txt").read_text("utf-8").splitlines()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take more than a second, as `scripts/check --measure` found them."""
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's data and caches are out of reach, and so is every other host."""
    monkeypatch.setenv("LENETKIT_CACHE", str(tmp_path.with_name(f"{tmp_path.name}-cache")))
    monkeypatch.delenv("LENETKIT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no test cuts the power
    resolve = socket.getaddrinfo

    def only_here(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(f"tests have no network: {host}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)


@pytest.fixture
def mnist_folder(_isolated: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of MNIST's real files, named by LENETKIT_DATA; skips the test if there is none."""
    if not _DATA:
        pytest.skip("set LENETKIT_DATA to the folder of MNIST's four files")
    folder = Path(_DATA).resolve()
    names = [name for split in SPLITS for name in file_names(split)]
    missing = [name for name in names if not list(folder.glob(f"{name}*"))]
    if missing:
        pytest.skip(f"LENETKIT_DATA={_DATA} lacks {', '.join(missing)}")
    monkeypatch.setenv("LENETKIT_DATA", str(folder))
    return folder


@pytest.fixture
def make_idx(tmp_path: Path) -> Callable[..., Path]:
    """`make_idx(name="digits", …)` → a folder of random IDX files under MNIST's names."""

    def make(
        name: str = "digits",
        *,
        train: int = 12,
        test: int = 6,
        size: tuple[int, int] = (8, 8),
        channels: int | None = None,
        classes: int = 3,
        packed: bool = False,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(0)
        shape = size if channels is None else (channels, *size)
        for split, count in (("train", train), ("test", test)):
            images_name, labels_name = file_names("train" if split == "train" else "test")
            suffix = ".gz" if packed else ""
            images = rng.integers(0, 256, (count, *shape), np.uint8)
            write_idx(folder / f"{images_name}{suffix}", images)
            labels = (np.arange(count) % classes).astype(np.uint8)
            write_idx(folder / f"{labels_name}{suffix}", labels)
        return folder

    return make


@pytest.fixture
def small(tmp_path: Path, make_idx: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the small spec, in the current folder; LENETKIT_DATA names its data."""
    monkeypatch.setenv("LENETKIT_DATA", str(make_idx()))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.fixture
def serve() -> Iterator[Callable[[str, Reply], str]]:
    """`serve("/file", reply)` → the URL of that reply on a local HTTP server."""
    replies: dict[str, Reply] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in replies:
                replies[self.path](self)
            else:
                self.send_error(404)

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *args: Any) -> None:
            """Ignore clients that hang up, as some tests do."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()

        def add(path: str, reply: Reply) -> str:
            replies[path] = reply
            return f"http://127.0.0.1:{server.server_address[1]}{path}"

        yield add
        server.shutdown()
        thread.join()
