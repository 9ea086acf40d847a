"""User-named files are opened only if regular, and recognized by their first bytes."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from lenetkit.data.idx import write_idx
from lenetkit.files.opening import NotRegularError, file_kind, open_regular, refusal

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")


def why(path: Path) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        open_regular(path)
    return refusal(caught.value, "a spec file")


def test_a_regular_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "数字 – with spaces"
    path.write_bytes(b"a\r\n\x1ab")  # bytes that Windows would change in text mode
    with open_regular(path) as file:
        assert file.read() == b"a\r\n\x1ab"
        file.seek(1)
        assert file.read(1) == b"\r"


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    try:
        (tmp_path / "link").symlink_to("file")
    except OSError:
        pytest.skip("links are not allowed here")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"x"
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("loop", "dangling"):
        assert why(tmp_path / name) == "is a broken link; expected a spec file"


def test_refusals_say_what_is_there(tmp_path: Path) -> None:
    assert why(tmp_path / "none") == "no such file; expected a spec file"
    assert why(tmp_path) == "is a folder; expected a spec file"
    assert why(Path(os.devnull)) == "is a device; expected a spec file"
    (tmp_path / "file").touch()
    assert why(tmp_path / "file" / "inside").startswith(("cannot be read: ", "no such file"))
    assert why(Path("a\0b")) == "cannot be read: not a valid file name"


@needs_pipes
def test_pipes_and_sockets_are_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert why(tmp_path / "pipe") == "is a pipe; expected a spec file"
    monkeypatch.chdir(tmp_path)  # socket paths must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert why(Path("socket")) == "is a socket; expected a spec file"


@needs_pipes
def test_a_pipe_swapped_in_for_a_file_is_noticed_after_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (tmp_path / "file").touch()
    before = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **_: before)
    with pytest.raises(NotRegularError, match="is a pipe"):
        open_regular(path)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    folder = Path("/dev/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list open files")
    before = len(os.listdir(folder))  # noqa: PTH208
    for _ in range(20):
        why(tmp_path)
        why(Path(os.devnull))
    assert len(os.listdir(folder)) == before  # noqa: PTH208


@pytest.mark.parametrize("command", ["summary", "evaluate", "predict", "train", "plot"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_no_command_waits_for_pipes_devices_or_folders(
    tmp_path: Path, command: str, kind: str
) -> None:
    path = tmp_path / "thing"
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no FIFOs")
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path(os.devnull)
    arguments = [str(path)] * (2 if command == "predict" else 1)
    done = subprocess.run(
        [sys.executable, "-m", "lenetkit", command, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {path}")
    assert "expected" in done.stderr or command == "plot"
    assert "Traceback" not in done.stderr


def _saved(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (9, 9)).save(stream, kind)
    return stream.getvalue()


def _zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", "b")
    return stream.getvalue()


def _numpy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3), allow_pickle=False)
    return stream.getvalue()


def _idx(path: Path) -> bytes:
    write_idx(path, np.zeros((3, 4, 4), np.uint8))
    return path.read_bytes()


KINDS: dict[str, Callable[[Path], bytes]] = {
    "a PNG picture": lambda _: _saved("PNG"),
    "a JPEG picture": lambda _: _saved("JPEG"),
    "a GIF picture": lambda _: _saved("GIF"),
    "a TIFF picture": lambda _: _saved("TIFF"),
    "a WebP picture": lambda _: _saved("WEBP"),
    "a BMP picture": lambda _: _saved("BMP"),
    "a HEIC photo": lambda _: b"\0\0\0\x18ftypheic",
    "a PDF document": lambda _: _saved("PDF"),
    "a PostScript document": lambda _: b"%!PS-Adobe-3.0\n",
    "an HTML page": lambda _: b"\r\n<!DOCTYPE html><html>",
    "an XML document": lambda _: b"<?xml version='1.0'?>",
    "a ZIP archive": lambda _: _zipped(),
    "gzip-packed data": lambda _: gzip.compress(b""),
    "a NumPy array": lambda _: _numpy(),
    "a Python pickle": lambda _: pickle.dumps({"weights": [1.0]}),
    "an IDX data file": lambda folder: _idx(folder / "idx"),
    "a safetensors file": lambda _: safetensors.numpy.save({"w": np.zeros(3)}),
    "UTF-16 text": lambda _: "name: a".encode("utf-16"),
    "an empty file": lambda _: b"",
    "a text file": lambda _: "name: Größe 数\n".encode(),
    "of an unknown kind (it starts with 00 01 02 03)": lambda _: bytes(range(4)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_file_are_recognized(tmp_path: Path, kind: str) -> None:
    assert file_kind(KINDS[kind](tmp_path)) == kind


def test_a_model_file_is_recognized_whatever_its_length_field() -> None:
    for length in (0x280280, 0x8B1F, 0x00FFD8FF, 0x4D42, 0x080000):
        start = length.to_bytes(8, "little") + b'{"__metadata__"'
        assert file_kind(start) == "a safetensors file"


def test_text_cut_inside_a_character_is_still_text() -> None:
    for before in range(12):
        assert file_kind(("a" * before + "数字🙂" * 30).encode()) == "a text file"


def test_binary_data_is_not_taken_for_text() -> None:
    for byte in (0, 1, 7, 0x1B, 0x7F):
        assert file_kind(b"plain words" + bytes([byte])).startswith("of an unknown kind")
    assert file_kind(bytes(range(128, 192))).startswith("of an unknown kind")
