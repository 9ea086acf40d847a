"""What the environment sets for other programs changes no command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lenetkit import __main__
from lenetkit.runs.folder import RunFolder
from tests.support.small_run import write_inputs

PACKAGE = Path(__main__.__file__).parents[1]
JUPYTER = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
SETTINGS = {
    "nothing": {},
    "jupyter": JUPYTER | {"JPY_PARENT_PID": "1", "CLICOLOR": "1", "FORCE_COLOR": "1"},
    "everything": {
        "MPLBACKEND": "nonsense",
        "MPLCONFIGDIR": os.devnull,
        "MATPLOTLIBRC": "odd",
        "NO_COLOR": "1",
        "FORCE_COLOR": "1",
        "COLUMNS": "60",
        "LINES": "x",
        "TERM": "dumb",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "1",
        "PYCHARM_HOSTED": "1",
        "PYTHONIOENCODING": "latin-1",
        "LC_ALL": "C",
        "DISPLAY": ":99",
        "TZ": "odd",
        "TQDM_GUI": "1",
        "TQDM_FILE": "x",
        "TQDM_ASCII": "1",
        "TQDM_DISABLE": "0",
        "FREETYPE_PROPERTIES": "truetype:interpreter-version=35",
        "SOURCE_DATE_EPOCH": "1",
    },
}
ODD = "axes.facecolor: red\nfont.size: 40\nbackend: odd\nnot a setting at all\n"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small spec and data, in an environment that sets nothing."""
    for name in (*SETTINGS["jupyter"], *SETTINGS["everything"]):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    (tmp_path / "odd").write_text(ODD, "utf-8")
    write_inputs(tmp_path)
    return tmp_path


def train(folder: Path, out: str, environment: dict[str, str]) -> tuple[dict[str, bytes], str]:
    """The files of a run that do not hold times, and what the command printed."""
    command = [sys.executable, "-m", "lenetkit", "train", "small.yaml", "--data-dir", "data"]
    said = subprocess.run(
        [*command, "--out", out],
        cwd=folder,
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )
    assert said.returncode == 0, said.stderr.decode("latin-1")
    run = RunFolder(folder / out)
    files = [run.model, run.steps, *run.pictures.values()]
    said.stdout.decode(environment.get("PYTHONIOENCODING", "utf-8"))
    return {path.name: path.read_bytes() for path in files}, said.stderr.decode("latin-1")


def test_nothing_is_drawn_or_computed_otherwise(plain: Path) -> None:
    expected, _ = train(plain, "nothing", {})
    for name in ("jupyter", "everything"):
        files, messages = train(plain, name, SETTINGS[name])
        assert [file for file in files if files[file] != expected[file]] == []
        assert "matplotlib" not in messages.lower()
    (plain / "matplotlibrc").write_bytes(b"\xff\xfe nobody reads this")
    files, _ = train(plain, "damaged", {})
    assert files == expected


@pytest.mark.parametrize("environment", [JUPYTER, {"MPLBACKEND": "nonsense"}])
def test_the_library_draws_too(plain: Path, environment: dict[str, str]) -> None:
    code = (
        "from lenetkit import plots; import numpy as np; "
        "plots.save_figure(plots.confusion_figure(np.eye(2), 'ab', title='', dataset=''), 'a.png')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=plain,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert (plain / "a.png").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_encoding_can_be_printed(plain: Path, encoding: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "lenetkit", "summary", "lenet5"],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert b"6\\" not in said.stdout
    assert "6×24×24" in said.stdout.decode("utf-8" if encoding == "ascii" else encoding)
