"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from lenetkit.files import atomic


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    return path


def fail_in_the_middle(path: Path, error: type[BaseException]) -> None:
    with atomic.replacing(path) as file:
        file.write(b"half of")
        raise error


def test_new_content_replaces_the_old(old: Path) -> None:
    with atomic.replacing(old) as file:
        file.write(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    assert list(old.parent.iterdir()) == [old]


def test_a_removal_is_flushed(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(old.exists()))
    for _ in range(2):
        atomic.remove(old)
    assert flushed == ([] if os.name == "nt" else [False])  # folders cannot be flushed there


def test_a_file_that_cannot_be_removed_is_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, **_: Any) -> None:
        raise OSError(errno.EIO, "no luck")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(OSError, match=r"model\.bin"):
        atomic.remove(old)


def test_the_temporary_file_is_beside_its_target(old: Path) -> None:
    with atomic.replacing(old) as file:
        file.write(b"new")
    assert Path(file.name).parent == old.parent
    assert Path(file.name) != old


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


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, victim: path.symlink_to(victim),
    "link to nothing": lambda path, victim: path.symlink_to(victim.with_name("none")),
    "hard link": lambda path, victim: path.hardlink_to(victim),
    "pipe": lambda path, victim: os.mkfifo(path),
    "folder": lambda path, victim: path.mkdir(),
    "file of a process with the same number": lambda path, victim: path.write_bytes(b"its"),
}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_is_planted_under_the_next_names_is_neither_followed_nor_removed(
    old: Path, plant: Callable[[Path, Path], object]
) -> None:
    """In a folder where others may write, or that containers share."""
    with atomic.replacing(old) as file:
        name = Path(file.name).name
    parts = name.removesuffix(".tmp").split("-")
    victim = old.with_name("victim")
    victim.write_bytes(b"precious")
    for number in range(int(parts[3]) + 1, int(parts[3]) + 4):
        plant(old.with_name("-".join([*parts[:3], f"{number}.tmp"])), victim)
    names = {path.name for path in old.parent.iterdir()}
    atomic.write_bytes(old, b"new")
    assert victim.read_bytes() == b"precious"
    assert (old.read_bytes(), old.is_symlink()) == (b"new", False)
    assert {path.name for path in old.parent.iterdir()} == names


SAME_NUMBER = """
import os, sys
from pathlib import Path
from lenetkit.files import atomic
os.getpid = lambda: 1
for _ in range(200):
    atomic.write_text(Path(sys.argv[1]), sys.argv[1] * 1000)
"""


def test_processes_with_the_same_number_write_side_by_side(tmp_path: Path) -> None:
    """As in containers, where each is the first."""
    begun = [
        subprocess.Popen([sys.executable, "-c", SAME_NUMBER, name], cwd=tmp_path) for name in "abc"
    ]
    assert [process.wait() for process in begun] == [0, 0, 0]
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {
        name: name * 1000 for name in "abc"
    }


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_an_ordinary_file(old: Path, mask: int) -> None:
    plain, new = old.with_name("plain"), old.with_name("new")
    before = os.umask(mask)
    try:
        plain.touch()
        atomic.write_bytes(new, b"new")
        old.chmod(0o640)
        atomic.write_bytes(old, b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


@pytest.mark.parametrize(("module", "name"), [(Path, "replace"), (os, "fsync")])
def test_failing_rename_or_flush_leaves_the_old_file_and_nothing_else(
    old: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    def fail(*args: Any) -> None:
        raise PermissionError(13, "Permission denied")

    def write() -> None:
        with atomic.replacing(old) as file:
            file.write(b"new")
            monkeypatch.setattr(module, name, fail)

    with pytest.raises(PermissionError):
        write()
    monkeypatch.undo()
    assert old.read_bytes() == b"old"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("name", [None, "temporary"])
def test_errors_name_the_file_and_not_its_temporary_one(
    old: Path, code: int, name: str | None
) -> None:
    def write() -> None:
        with atomic.replacing(old) as temporary:
            raise OSError(code, os.strerror(code), temporary.name if name else None)

    with pytest.raises(OSError, match=re.escape(str(old))) as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (code, str(old))
    assert str(caught.value).endswith(f"{str(old)!r}")


def test_errors_about_other_files_keep_their_names(old: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic.replacing(old):
        Path("elsewhere").read_bytes()
    assert Path(caught.value.filename) == Path("elsewhere")


def test_a_rename_that_a_reader_blocks_is_retried(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, refusals = Path.replace, [PermissionError(13, "in use"), PermissionError(13, "in use")]

    def busy(self: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(atomic, "ATTEMPTS", 3)
    monkeypatch.setattr(atomic, "PAUSE", 0.0)
    atomic.write_bytes(old, b"new")
    assert old.read_bytes() == b"new"


def test_file_and_then_folder_are_flushed(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    rename = Path.replace

    def flush(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    def renaming(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", renaming)
    atomic.write_bytes(old, b"new")
    assert done == ["file", "rename", *([] if os.name == "nt" else ["folder"])]


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")
@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_flush_folders_is_accepted(
    old: Path, monkeypatch: pytest.MonkeyPatch, code: int, fails: bool
) -> None:
    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with pytest.raises(OSError, match="error") if fails else nullcontext():
        atomic.write_bytes(old, b"new")
    assert old.read_bytes() == b"new"


def test_temporary_names_are_unique_to_process_and_thread(old: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lenetkit.files.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as t: print(Path(t.name).name)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(old)], capture_output=True, text=True, check=True
    )
    names = [ran.stdout.strip()]

    def write() -> None:
        with atomic.replacing(old) as temporary:
            names.append(Path(temporary.name).name)
            meet.wait()

    meet = threading.Barrier(5)
    writers = [threading.Thread(target=write) for _ in range(5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(names)) == len(names) == 6
    assert all(atomic.is_temporary(old.with_name(name)) for name in names)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".txt")
    atomic.write_text(path, "whole")
    assert path.read_text("utf-8") == "whole"


def leave_temporary(path: Path) -> None:
    """Leave what a process killed while writing `path` leaves behind."""
    code = (
        "import os, sys; from pathlib import Path; from lenetkit.files.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as t:\n    t.write(b'half of'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)


def test_only_leftovers_of_ended_processes_on_this_host_are_removed(old: Path) -> None:
    leave_temporary(old)
    (left,) = (path for path in old.parent.iterdir() if path != old)
    child = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout
        running.stdout.readline()
        host, dead = left.name.split("-")[1:3]
        kept = [
            old.with_name(left.name.replace(dead, str(running.pid))),
            old.with_name(left.name.replace(host, "00000000")),
            old.with_name(".lenetkit-notes.tmp"),
            old.with_name(f".model.bin.{dead}.tmp"),
        ]
        for path in kept:
            path.touch()
        with atomic.replacing(old) as mine:
            mine.write(b"new")
            assert atomic.remove_leftovers(old.parent) == [left]
        running.communicate()
    assert sorted(old.parent.iterdir()) == sorted([old, *kept])
    assert atomic.remove_leftovers(old.parent) == [kept[0]]  # now that its process has ended


def test_leftovers_of_an_earlier_process_with_this_id_are_removed(old: Path) -> None:
    """In every container, the first process has ID 1."""
    leave_temporary(old)
    (left,) = (path for path in old.parent.iterdir() if path != old)
    mine = old.with_name(left.name.replace(left.name.split("-")[2], str(os.getpid())))
    left.rename(mine)
    assert atomic.remove_leftovers(old.parent) == [mine]


@pytest.mark.parametrize("write", [atomic.write_bytes, atomic.write_text])
def test_missing_folder_is_an_error(tmp_path: Path, write: Callable[[Path, Any], None]) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", "" if write is atomic.write_text else b"")
    assert not list(tmp_path.iterdir())


def test_target_that_is_a_folder_is_an_error(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        atomic.write_bytes(target, b"new")
    assert list(tmp_path.iterdir()) == [target]


def test_text_is_utf8_with_unchanged_line_endings(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "größe.txt", "café\r\n數字\n")
    assert (tmp_path / "größe.txt").read_bytes() == "café\r\n數字\n".encode()


def test_killed_writer_leaves_the_old_file(old: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lenetkit.files.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write(b'half of'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(old)], check=False).returncode == 9
    assert old.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is being read")
def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path, versions = tmp_path / "file", [b"a" * 300_000, b"b" * 200_000]
    atomic.write_bytes(path, versions[0])
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for content in versions:
                atomic.write_bytes(path, content)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = {path.read_bytes() for _ in range(200)}
    finally:
        stop.set()
        writer.join()
    assert seen <= set(versions)
