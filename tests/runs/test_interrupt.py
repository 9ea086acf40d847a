"""Ctrl-C at moments rarely hit by chance, in libraries that handle it badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from lenetkit.errors import is_ctrl_c
from lenetkit.runs.interrupt import finishing, leaving
from tests.support.small_run import write_inputs

Context = Callable[[], AbstractContextManager[object]]

PRESS = "import signal\ndef press(): signal.raise_signal(signal.SIGINT)\n"
MEANWHILE = {
    "a class is made, which Python 3.11 turns into a RuntimeError": (
        "class Part:\n    def __set_name__(self, owner, name): press()\n"
        "class Whole:\n    part = Part()\n"
    ),
    "a library takes it for its own failure": (
        "try: press()\nexcept KeyboardInterrupt as error: raise ImportError('no') from error\n"
    ),
    "an object is removed, where Python drops it": (
        "import time\nclass Part:\n    def __del__(self): press()\nPart()\ntime.sleep(60)\n"
    ),
    "nothing else happens": "press()\n",
}


def run(tmp_path: Path, plugin: str) -> subprocess.CompletedProcess[str]:
    """`lenetkit train` with a plugin file; Ctrl-C works even if the tests ignore it."""
    spec, data = write_inputs(tmp_path)
    (tmp_path / "plugin.py").write_text(plugin, "utf-8")
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from lenetkit.__main__ import main; main()"
    )
    options = ["--data-dir", str(data), "--plugin", "plugin.py", "--quiet"]
    return subprocess.run(
        [sys.executable, "-c", start, "train", str(spec), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.parametrize("plugin", MEANWHILE.values(), ids=MEANWHILE)
def test_ctrl_c_is_always_an_interrupt(tmp_path: Path, plugin: str) -> None:
    said = run(tmp_path, PRESS + plugin)
    assert (said.returncode, said.stderr) == (130, "\ninterrupted\n")


def test_ctrl_c_while_pictures_are_drawn_stops_immediately(tmp_path: Path) -> None:
    """Whatever it would raise there, and even if that would be caught."""
    said = run(
        tmp_path,
        PRESS + "from lenetkit.runs.run import Run\n"
        "def draw(run):\n    try: press()\n    except BaseException: print('caught')\n"
        "Run.plot = draw\n"
        "from lenetkit.layers.flatten import Flatten\nPLUGINS = {'again': Flatten}\n",
    )
    folder = f"runs{os.sep}small{os.sep}001"
    command = f"lenetkit train --resume {folder} --data-dir"
    assert (said.returncode, said.stdout) == (130, "")
    assert said.stderr.startswith(
        f"\nstopped immediately; {folder}: saved at step 9; resume with: {command}"
    )


def test_other_errors_are_not_taken_for_ctrl_c() -> None:
    class Own(KeyboardInterrupt):
        pass

    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert not is_ctrl_c(first)
    assert not is_ctrl_c(Own())
    assert not is_ctrl_c(SystemExit())


@pytest.mark.parametrize("context", [finishing, leaving])
@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_the_previous_handler_is_restored(context: Context, handler: object) -> None:
    before = signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    try:
        with context():
            assert (signal.getsignal(signal.SIGINT) is handler) == (handler is signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("context", [finishing, leaving])
def test_other_threads_do_not_change_the_handler(context: Context) -> None:
    entered = []

    def enter() -> None:
        with context():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered
