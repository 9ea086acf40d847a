"""Errors and warnings as callers from Python see them."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import lenetkit
from lenetkit import errors
from lenetkit.runs.run import Run
from tests.support.hostile_text import EVIL, NAME, forbidden


@pytest.mark.parametrize("kind", [errors.InputError, errors.OutOfMemoryError, errors.ArrayError])
def test_no_error_commands_the_terminal_that_shows_its_traceback(kind: type[Exception]) -> None:
    assert not forbidden(str(kind(EVIL.replace("\n", "\n  "))))
    assert str(kind("two\n  lines")) == "two\n  lines"


def test_nor_does_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        errors.warn(f"warning: {EVIL}")
    (warning,) = caught
    assert not forbidden(str(warning.message).replace("\nerror", "\n  error"))


def test_nor_a_file_that_python_is_asked_for() -> None:
    for call in (lenetkit.load, Run.resume):
        with pytest.raises(errors.InputError) as caught:
            call(Path(f"no{NAME}"))
        assert not forbidden(str(caught.value).replace("\nerror", "\n  error"))
