"""`lenetkit data`: where files are looked for, and what is said if they are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lenetkit.data import mnist
from lenetkit.data.idx_folder import file_names
from tests.cli.conftest import Call

MakeIdx = Callable[..., Path]


def test_a_data_dir_without_the_files_is_skipped_and_named(
    call: Call, small: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty – 空"
    empty.mkdir()
    said = call("data", "info", "--spec", small, "--data-dir", empty)
    assert said.status == 0
    for split in ("train", "test"):
        name = file_names("train" if split == "train" else "test")[0]
        note = f"note: {name} not found in {empty}; using {tmp_path / 'digits'}\n"
        assert said.err.count(note) == 1
    assert len(said.err.splitlines()) == 2
    said = call("data", "info", "--spec", small, "--data-dir", tmp_path / "digits")
    assert said.err == ""


@pytest.mark.parametrize("option", [[], ["--data-dir", "given"]])
def test_offline_the_manual_steps_are_given(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call("data", "fetch", *option)
    assert said.status == 2
    folder = option[-1] if option else "MNIST"
    assert f"downloading train-images-idx3-ubyte.gz to {folder}\n" in said.err
    for mirror in mnist.MIRRORS:
        assert f"    {mirror}train-images-idx3-ubyte.gz: tests have no network" in said.err
    manual = f"  Manually: put {', '.join(mnist.SHA256)} (plain or .gz) into {folder}, or pass "
    assert manual in said.err
    assert list((tmp_path / folder).iterdir()) == []
