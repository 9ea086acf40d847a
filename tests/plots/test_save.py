"""Saving a picture: whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lenetkit.errors import InputError
from lenetkit.plots import DPI, loss_figure, save_figure


@pytest.fixture
def figure() -> Figure:
    return loss_figure([1, 2], [2.0, 1.0], title="lenet5", dataset="MNIST", steps_per_epoch=None)


def fail_half_way(file: io.BufferedWriter, **_: Any) -> None:
    file.write(b"half")
    raise KeyboardInterrupt


def test_png_has_the_size_of_the_figure(figure: Figure, tmp_path: Path) -> None:
    saved = save_figure(figure, tmp_path / "loss.png")
    with Image.open(saved) as image:
        image.load()
        width, height = figure.get_size_inches() * DPI
        assert image.size == (round(width), round(height))
        assert image.format == "PNG"
    assert list(tmp_path.iterdir()) == [saved]


@pytest.mark.parametrize(
    ("suffix", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")]
)
def test_other_formats(figure: Figure, tmp_path: Path, suffix: str, start: bytes) -> None:
    assert save_figure(figure, str(tmp_path / f"loss{suffix}")).read_bytes().startswith(start)


def test_missing_folders_are_made(figure: Figure, tmp_path: Path) -> None:
    assert save_figure(figure, tmp_path / "runs" / "7" / "loss.png").is_file()


def test_an_old_file_is_replaced(figure: Figure, tmp_path: Path) -> None:
    target = tmp_path / "loss.png"
    target.write_bytes(b"old")
    save_figure(figure, target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "loss.png"
    target.write_bytes(b"old")
    monkeypatch.setattr(figure, "savefig", fail_half_way)
    with pytest.raises(KeyboardInterrupt):
        save_figure(figure, target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(
    figure: Figure, tmp_path: Path
) -> None:
    target = tmp_path / "loss.png"
    target.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 -- which one depends on the system
        save_figure(figure, target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["loss", "loss.bmp2", "loss.png.tmp"])
def test_unknown_formats_are_the_users_mistake(figure: Figure, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"use \.png, \.pdf, \.svg"):
        save_figure(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_size_does_not_depend_on_the_callers_settings(figure: Figure, tmp_path: Path) -> None:
    with matplotlib.rc_context({"savefig.bbox": "tight", "savefig.dpi": 30}):
        saved = save_figure(figure, tmp_path / "loss.png")
    with Image.open(saved) as image:
        assert image.width == round(figure.get_figwidth() * DPI)
