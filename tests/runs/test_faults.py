"""A disk that fails at any write, flush or rename costs no checkpoint, and says so once.

`LENETKIT_THOROUGH=1` tries every operation with every error, and in every picture of a run.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lenetkit.cli.main import run
from lenetkit.plots.page import save_figure
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.run import Run
from tests.support.failing_disk import ERRORS, failing_disk, failing_reads
from tests.support.small_run import THOROUGH, expect_readable, outcome, write_inputs


def test_a_fault_at_any_operation_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENETKIT_DATA", str(data))
    monkeypatch.setattr(Run, "plot", lambda run: [])
    epochs = ["--epochs", "3" if THOROUGH else "2"]
    begin = ["train", str(spec), *epochs, "--quiet", "--out"]
    with failing_disk(None) as disk:
        assert run([*begin, "whole"]) == 0
    whole, operations = outcome(Path("whole")), disk.operations
    assert {what.split()[0] for what in operations} == {"open", "write", "fsync", "replace"}
    assert len(operations) > 60
    met = Counter[str]()

    for number, what in enumerate(operations, 1):
        for index, (error, code) in enumerate(ERRORS.items()):
            if not THOROUGH and index != number % len(ERRORS):
                continue
            folder = Path(f"{number} {error}".replace("/", " "))
            checkpoint = folder / "checkpoint.safetensors"
            saved: list[int] = []

            def look(checkpoint: Path = checkpoint, saved: list[int] = saved) -> None:
                if checkpoint.exists():
                    saved.append(Checkpoint.read(checkpoint).state.step)

            capsys.readouterr()
            with failing_disk(number, code, look):
                status = run([*begin, str(folder)])
            said = capsys.readouterr().err
            where = f"{what}, {error}: {said}"
            assert status in (1, 2), where
            assert said.count("error: ") == 1, where
            assert "Traceback" not in said, where
            assert os.strerror(code) in said, where
            assert ".tmp" not in said, where
            if folder.exists():
                expect_readable(folder)
            if saved:
                assert Checkpoint.read(checkpoint).state.step >= saved[0], where
                assert f"{folder}: saved at step" in said, where
                assert "; resume with: lenetkit train --resume " in said, where
            if checkpoint.exists():
                assert run(["train", "--resume", str(folder), *epochs, "--quiet"]) == 0, where
            else:
                assert run([*begin, str(folder)]) == 0, where
            assert outcome(folder) == whole, where
            assert names_in(folder) == names_in(Path("whole")), where
            met[f"{what.split()[0]}, {error}"] += 1
            shutil.rmtree(folder)
    with capsys.disabled():
        print(f"\n{met.total()} faults: " + ", ".join(f"{n} {m}" for m, n in sorted(met.items())))


def names_in(folder: Path) -> list[str]:
    """The names of a folder's files."""
    return sorted(path.name for path in folder.iterdir())


def test_a_fault_while_a_picture_is_saved_keeps_the_old_one(tmp_path: Path) -> None:
    path, figure = tmp_path / "loss.png", Figure()
    figure.subplots().plot([1, 2])
    with failing_disk(None) as disk:
        save_figure(figure, path)
    before = path.read_bytes()
    figure.subplots().plot([2, 1])
    for number, what in enumerate(disk.operations, 1):
        for code in ERRORS.values():
            with failing_disk(number, code), pytest.raises(OSError, match=r"loss\.png") as caught:
                save_figure(figure, path)
            assert (caught.value.errno, caught.value.filename) == (code, str(path))
            renamed = number > 1 + [w.split()[0] for w in disk.operations].index("replace")
            assert (path.read_bytes() == before) != renamed, what
            assert names_in(tmp_path) == ["loss.png"]
            if renamed:
                path.write_bytes(before)


@pytest.mark.skipif(not THOROUGH, reason="takes minutes; set LENETKIT_THOROUGH")
def test_a_fault_in_any_picture_of_a_run_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENETKIT_DATA", str(data))
    assert run(["train", str(spec), "--quiet", "--out", "run"]) == 0
    with failing_disk(None) as disk:
        assert run(["plot", "run"]) == 0
    count = len(disk.operations)
    for number in range(1, count + 1):
        code: Any = list(ERRORS.values())[number % len(ERRORS)]
        capsys.readouterr()
        with failing_disk(number, code):
            assert run(["plot", "run"]) == 1
        said = capsys.readouterr().err
        assert said.count("error: ") == 1
        assert os.strerror(code) in said
        assert ".png: " in said
        expect_readable(Path("run"))
    with capsys.disabled():
        print(f"\n{count} faults in pictures")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_simulated_disk_fails_like_a_real_one(tmp_path: Path) -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(OSError, match="space") as real,
    ):
        file.write(b"1")
    with failing_disk(2, errno.ENOSPC), pytest.raises(OSError, match="space") as ours:
        (tmp_path / "file").write_bytes(b"1")
    assert (ours.value.errno, ours.value.strerror) == (real.value.errno, real.value.strerror)


CANNOT = [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EIO]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_that_cannot_be_opened_now_is_neither_missing_nor_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file that a resumed run reads, each time it does: the reason is told, and no more."""
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LENETKIT_DATA", str(data))
    monkeypatch.setattr(Run, "plot", lambda run: [])
    assert run(["train", str(spec), "--epochs", "2", "--quiet", "--out", "two"]) == 0
    model = Path("two/model.safetensors").read_bytes()
    Path("two/result.json").unlink()  # so that the kept model is evaluated anew
    more = ["--epochs", "3", "--quiet"]
    resume = ["train", "--quiet", "--resume"]
    for arguments in (resume, [*resume[:1], *more, *resume[2:]]):
        shutil.copytree("two", "a")
        with failing_reads(Path("a"), None) as opened:
            assert run([*arguments, "a"]) == 0
        assert {"checkpoint.safetensors", "spec.yaml", "steps.csv"} <= set(opened)
        shutil.rmtree("a")
        for number, name in enumerate(opened, 1):
            code = CANNOT[number % len(CANNOT)]
            shutil.copytree("two", "a")
            capsys.readouterr()
            with failing_reads(Path("a"), number, code):
                assert run([*arguments, "a"]) in (1, 2)
            said = capsys.readouterr().err
            assert f"{Path('a') / name}: cannot be read: {os.strerror(code)}" in said, said
            assert "start over" not in said
            assert "nothing was saved" not in said
            assert Path("a/model.safetensors").read_bytes() == model
            assert run([*arguments, "a"]) == 0
            shutil.rmtree("a")


@pytest.mark.parametrize("code", CANNOT)
def test_a_run_that_stops_says_what_is_saved_even_if_it_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)

    def fail(run: Run) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Run, "plot", fail)
    with failing_reads(Path("a"), 1, code):
        status = run(["train", str(spec), "--data-dir", str(data), "--quiet", "--out", "a"])
    assert status == 1
    assert "a: saved at step 9; resume with: lenetkit train --resume a" in capsys.readouterr().err


def test_a_folder_that_may_not_be_searched_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Run, "plot", lambda run: [])
    train = ["train", str(spec), "--data-dir", str(data), "--epochs", "1", "--quiet", "--out", "a"]
    assert run(train) == 0
    before, real = contents(Path("a")), os.stat

    def refused(path: Any, *, follow_symlinks: bool = False) -> Any:
        if Path(path).parent == Path("a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", refused)
        patch.setattr(os, "stat", refused)
        assert run(["train", "--resume", "a", "--quiet"]) == 1
    assert capsys.readouterr().err == f"error: {Path('a/spec.yaml')}: Permission denied\n"
    assert contents(Path("a")) == before
