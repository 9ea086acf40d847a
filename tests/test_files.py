"""Files are whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lenetkit import files


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    return path


def fail_in_the_middle(path: Path, error: type[BaseException]) -> None:
    with files.replacing(path) as temporary:
        temporary.write_bytes(b"half of")
        raise error


def test_new_content_replaces_the_old(old: Path) -> None:
    with files.replacing(old) as temporary:
        temporary.write_bytes(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    assert list(old.parent.iterdir()) == [old]


def test_temporary_lies_beside_its_target(old: Path) -> None:
    with files.replacing(old) as temporary:
        temporary.write_bytes(b"new")
    assert temporary.parent == old.parent
    assert temporary != old


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_any_error_leaves_the_old_file_and_nothing_else(
    old: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        fail_in_the_middle(old, error)
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


def test_error_without_an_old_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        fail_in_the_middle(tmp_path / "new", KeyError)
    assert not list(tmp_path.iterdir())


def test_block_that_writes_nothing_leaves_the_old_file(old: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(old):
        pass
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["replace", "open"])
def test_failing_rename_or_flush_leaves_the_old_file_and_nothing_else(
    old: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(self: Path, *args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    def write() -> None:
        with files.replacing(old) as temporary:
            temporary.write_bytes(b"new")
            monkeypatch.setattr(Path, name, fail)

    with pytest.raises(PermissionError):
        write()
    monkeypatch.undo()
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("write", [files.write_bytes, files.write_text])
def test_missing_folder_is_an_error(tmp_path: Path, write: Callable[[Path, Any], None]) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", "" if write is files.write_text else b"")
    assert not list(tmp_path.iterdir())


def test_target_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        files.write_bytes(target, b"new")
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    files.write_text(tmp_path / "größe.txt", "café\r\n數字\n")
    assert (tmp_path / "größe.txt").read_bytes() == "café\r\n數字\n".encode()


def test_killed_writer_leaves_the_old_file(old: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lenetkit.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half of'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(old)], check=False).returncode == 9
    assert old.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is being read")
def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path, versions = tmp_path / "file", [b"a" * 300_000, b"b" * 200_000]
    files.write_bytes(path, versions[0])
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for content in versions:
                files.write_bytes(path, content)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = {path.read_bytes() for _ in range(200)}
    finally:
        stop.set()
        writer.join()
    assert seen <= set(versions)
