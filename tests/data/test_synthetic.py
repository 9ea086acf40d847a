"""Synthetic digits: drawn once for a seed, then read from the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lenetkit.data.source import SPLITS, Place, Samples, Split
from lenetkit.data.synthetic import SyntheticDigits, cache_folder


def load(split: Split = "train", seed: int = 0, reports: list[str] | None = None) -> Samples:
    reports = [] if reports is None else reports
    source = SyntheticDigits(train=30, test=30, seed=seed)
    return source.load(split, Place(report=reports.append))


def test_samples_look_like_mnists() -> None:
    samples = load()
    assert samples.images.shape == (30, 1, 28, 28)
    assert samples.images.dtype == np.uint8
    assert samples.classes == tuple("0123456789")
    assert samples.dataset == "synthetic digits"
    np.testing.assert_array_equal(np.bincount(samples.labels), [3] * 10)
    assert samples.images.reshape(30, -1).max(axis=1).min() > 100


def test_cache_gives_what_was_drawn_and_draws_no_more() -> None:
    reports: list[str] = []
    drawn = load(reports=reports)
    assert len(reports) == 1
    assert str(cache_folder()) in reports[0]
    cached = load(reports=reports)
    assert len(reports) == 1
    assert cached.digest == drawn.digest


def test_same_seed_draws_the_same_without_a_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = load().digest
    monkeypatch.setenv("LENETKIT_CACHE", str(tmp_path / "other"))
    assert load().digest == first


def test_seeds_and_splits_differ() -> None:
    train = load().images
    for other in (load("test").images, load(seed=1).images):
        assert not (train == other).all(axis=(1, 2, 3)).any()


def test_each_split_has_its_own_size() -> None:
    source = SyntheticDigits(train=13, test=7)
    assert [len(source.load(split, Place())) for split in SPLITS] == [13, 7]


def test_a_flipped_bit_in_the_cache_is_noticed() -> None:
    drawn = load()
    (path,) = cache_folder().iterdir()
    whole = path.read_bytes()
    for position in (100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert load().digest == drawn.digest
        assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x03", b"<html>"])
def test_damaged_cache_is_drawn_again(damage: bytes) -> None:
    drawn = load()
    (path,) = cache_folder().iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert load().digest == drawn.digest
    assert path.read_bytes() == whole


def test_more_than_a_file_may_hold_is_not_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lenetkit.files.tensorfile.MAX_BYTES", 1000)
    reports: list[str] = []
    assert len(load(reports=reports)) == 30
    assert reports[1].startswith("warning: not cached: ")
    assert "expected at most 1,000" in reports[1]
    assert list(cache_folder().iterdir()) == []


def test_cache_that_cannot_be_written_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LENETKIT_CACHE", str(tmp_path / "file" / "inside"))
    reports: list[str] = []
    assert len(load(reports=reports)) == 30
    assert reports[-1].startswith("warning: ")
    assert str(tmp_path / "file" / "inside") in reports[-1]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_cache_folder_of_each_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("LENETKIT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    below_home = {
        "linux": ".cache/lenetkit",
        "darwin": "Library/Caches/lenetkit",
        "win32": "AppData/Local/lenetkit",
    }
    assert cache_folder() == tmp_path / below_home[platform]
    variable = {"linux": "XDG_CACHE_HOME", "win32": "LOCALAPPDATA"}.get(platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "named"))
        assert cache_folder() == tmp_path / "named" / "lenetkit"
    monkeypatch.setenv("LENETKIT_CACHE", f"{tmp_path}{os.sep}mine")
    assert cache_folder() == tmp_path / "mine"
