"""One process at a time in a run folder."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

from lenetkit.errors import RunError
from lenetkit.runs import lock

HOLD = (
    "import sys; from pathlib import Path; from lenetkit.runs.lock import locked\n"
    "with locked(Path(sys.argv[1]), print):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def take(folder: Path) -> list[str]:
    """The notes reported while the lock is taken and released."""
    said: list[str] = []
    with lock.locked(folder, said.append):
        pass
    return said


def test_the_file_names_its_owner_and_is_removed_with_the_lock(tmp_path: Path) -> None:
    with lock.locked(tmp_path, pytest.fail):
        owner = json.loads((tmp_path / "run.lock").read_text("utf-8"))
        assert (owner["pid"], owner["host"]) == (os.getpid(), platform.node())
        assert datetime.fromisoformat(owner["started"]).tzinfo
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_held_is_refused_and_its_owner_named(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        owner = rf"process {process.pid} on .* \(started 20.*\) is writing this run; wait until"
        for _ in range(2):  # a refusal must not release another's lock
            with pytest.raises(RunError, match=owner):
                take(tmp_path)
        process.communicate()
    assert take(tmp_path) == []


def test_a_lock_whose_process_was_killed_is_taken_over_with_a_note(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / "run.lock").exists()
        (said,) = take(tmp_path)
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))}: process {process.pid} on .* ended without finishing; "
        "taking its run over",
        said,
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[]", '{"pid": 1}', "\x00"])
def test_a_damaged_lock_file_is_taken_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.lock").write_text(text, "utf-8")
    assert take(tmp_path) == [
        f"{tmp_path}: another process ended without finishing; taking its run over"
    ]


def test_threads_exclude_each_other_too(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def try_it() -> None:
        try:
            take(tmp_path)
        except RunError:
            outcomes.append("refused")

    with lock.locked(tmp_path, pytest.fail):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert outcomes == ["refused"]


def test_two_never_hold_the_lock_at_once(tmp_path: Path) -> None:
    """Many threads take it repeatedly, each removing a file that others may have opened."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        done = 0
        while done < 40:
            try:
                with lock.locked(tmp_path, lambda said: None):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    done += 1
            except RunError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 160
    assert set(most) == {1}


def test_an_error_inside_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock.locked(tmp_path, pytest.fail):
        raise KeyError
    assert take(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="none: cannot be written to: No such file or directory"):
        take(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt", reason="flock is POSIX's")
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(RunError, match="cannot be locked: Function not implemented; use a folder"):
        take(tmp_path)


def test_a_hard_link_in_place_of_the_lock_is_not_written_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / lock.NAME).hardlink_to(victim)
    with (
        pytest.raises(RunError, match="is a hard link; expected none"),
        lock.locked(tmp_path, print),
    ):
        raise AssertionError
    assert victim.read_bytes() == b"precious"
