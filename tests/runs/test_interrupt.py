"""Ctrl-C, SIGTERM and SIGHUP at moments rarely hit by chance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from lenetkit.errors import is_ctrl_c
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.interrupt import Terminated, finishing, leaving, status
from lenetkit.runs.run import Run
from lenetkit.training.loop import EpochDone, Event
from tests.support.small_run import write_inputs

Context = Callable[[], AbstractContextManager[object]]

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
SENT = {name: word for name, word in WORDS.items() if hasattr(signal, name)}
MAIN = "from lenetkit.__main__ import main; main()"
RESTORED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Ctrl-C works even if the tests ignore it."""
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


def python(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=50)


def run(tmp_path: Path, plugin: str) -> subprocess.CompletedProcess[str]:
    """`lenetkit train` with a plugin file."""
    spec, data = write_inputs(tmp_path)
    (tmp_path / "plugin.py").write_text(plugin, "utf-8")
    options = ["--data-dir", str(data), "--plugin", "plugin.py", "--quiet"]
    return python(RESTORED + MAIN, "train", str(spec), *options, cwd=tmp_path)


@pytest.mark.parametrize("plugin", MEANWHILE.values(), ids=MEANWHILE)
def test_ctrl_c_is_always_an_interrupt(tmp_path: Path, plugin: str) -> None:
    said = run(tmp_path, PRESS + plugin)
    assert (said.returncode, said.stderr) == (130, "\ninterrupted; nothing to save yet\n")


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
        f"\ninterrupted; {folder}: saved at step 9; resume with: {command}"
    )


def test_other_errors_are_not_taken_for_ctrl_c() -> None:
    class Own(KeyboardInterrupt):
        pass

    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert not is_ctrl_c(first)
    assert not is_ctrl_c(Own())
    assert not is_ctrl_c(SystemExit())


def finish() -> AbstractContextManager[object]:
    return finishing(lambda: False, lambda: "after step 1")


CONTEXTS = pytest.mark.parametrize("context", [finish, leaving])


@pytest.fixture(params=SENT)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal, with a handler that ends the program; restored afterwards."""
    number = signal.Signals[request.param]
    before = signal.signal(number, signal.SIG_DFL)
    if number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)
    yield number
    signal.signal(number, before)


def ours(number: int, frame: object) -> None:
    """A program's own handler."""


@CONTEXTS
def test_handlers_are_replaced_inside_the_block_only(
    context: Context, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    with context():
        assert signal.getsignal(number) is not before
        with context():
            assert signal.getsignal(number) is not before
    assert signal.getsignal(number) is before


@CONTEXTS
@pytest.mark.parametrize("handler", [signal.SIG_IGN, ours])
def test_a_signal_that_is_ignored_or_answered_elsewhere_is_left_alone(
    context: Context, number: signal.Signals, handler: Any
) -> None:
    """Except that Ctrl-C finishes the step in every program that does not ignore it."""
    signal.signal(number, handler)
    with context():
        kept = signal.getsignal(number) is handler
        assert kept == (handler is signal.SIG_IGN or number != signal.SIGINT)
    assert signal.getsignal(number) is handler


@CONTEXTS
def test_other_threads_change_no_handler(context: Context, number: signal.Signals) -> None:
    before, met = signal.getsignal(number), []

    def enter() -> None:
        with context():
            met.append(signal.getsignal(number))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert met == [before]


def ended(number: signal.Signals) -> Any:
    """What a block ends with after this signal."""
    kind = KeyboardInterrupt if number == signal.SIGINT else Terminated
    return pytest.raises(kind, match=f"{SENT[number.name]} after step 1$")


def test_a_signal_is_noted_until_it_is_asked_for(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with ended(number) as caught, finishing(lambda: False, lambda: "after step 1") as stop:
        stop.check()
        signal.raise_signal(number)
        assert SENT[number.name] in capsys.readouterr().err
        stop.check()
        raise AssertionError
    assert getattr(caught.value, "code", 130) == 128 + number


def test_a_signal_interrupts_where_nothing_is_left_to_save(number: signal.Signals) -> None:
    """Whatever the code that is interrupted makes of it."""
    with ended(number), finishing(lambda: True, lambda: "after step 1"):
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise ImportError("no") from error


def test_an_interrupt_that_was_swallowed_is_still_noted(number: signal.Signals) -> None:
    with ended(number), finishing(lambda: True, lambda: "after step 1") as stop:
        with suppress(BaseException):
            signal.raise_signal(number)
        stop.check()


def send(*numbers: signal.Signals) -> None:
    with finishing(lambda: False, lambda: "after step 1") as stop:
        for number in numbers:
            signal.raise_signal(number)
        stop.check()


@pytest.mark.parametrize("first", SENT)
def test_only_ctrl_c_hurries(first: str, number: signal.Signals) -> None:
    """A terminal that closes sends SIGHUP twice, and systemd SIGHUP right after SIGTERM."""
    one, hurried = signal.Signals[first], number == signal.SIGINT
    before = signal.signal(one, signal.default_int_handler if first == "SIGINT" else signal.SIG_DFL)
    try:
        with pytest.raises((KeyboardInterrupt, Terminated)) as caught:
            send(one, number)
    finally:
        signal.signal(one, before)
    said = "stopped immediately" if hurried else f"{SENT[first]} after step 1"
    assert str(caught.value) == said
    assert status() == 128 + (number if hurried else one)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_other_errors_pass(error: type[BaseException]) -> None:
    with pytest.raises(error) as caught, finish():
        raise error("own")
    assert (type(caught.value), str(caught.value)) == (error, "own")


FROM_PYTHON = """
import os, signal, sys
from lenetkit import Run
from lenetkit.training.loop import StepDone

def watch(event):
    if isinstance(event, StepDone) and event.step == 4:
        signal.raise_signal(getattr(signal, sys.argv[3]))

run = Run.create(sys.argv[1], out="run", data_dir=sys.argv[2])
try:
    run.train(watch=watch, pictures=False)
finally:
    print("cleaned up", run.saved_step, flush=True)
"""


@POSIX
@pytest.mark.parametrize("name", [name for name in SENT if name != "SIGINT"])
def test_a_program_of_its_own_saves_cleans_up_and_ends(tmp_path: Path, name: str) -> None:
    spec, data = write_inputs(tmp_path)
    said = python(FROM_PYTHON, str(spec), str(data), name, cwd=tmp_path)
    assert (said.returncode, said.stdout) == (128 + signal.Signals[name], "cleaned up 4\n")
    assert "Traceback" not in said.stderr


def test_an_event_that_is_recorded_is_told_whole(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise TensorBoard lacks the end of an epoch, which a resumed run does not repeat."""
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    told = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            signal.raise_signal(number)
        told.append(event)

    run = Run.create(spec, out="run", data_dir=data)
    with pytest.raises((KeyboardInterrupt, Terminated)):
        run.train(watch=watch, pictures=False)
    assert isinstance(told[-1], EpochDone)
    assert run.saved_step == told[-1].step == 3


def pressing(name: str) -> str:
    """A plugin file that sends a signal before the first evaluation."""
    return (
        "import signal\nfrom lenetkit.training import loop\nreal = loop.evaluate\n"
        "def evaluate(*given):\n"
        f"    signal.raise_signal(signal.{name})\n    return real(*given)\n"
        "loop.evaluate = evaluate\n"
        "from lenetkit.layers.flatten import Flatten\nPLUGINS = {'again': Flatten}\n"
    )


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_that_was_ignored_at_the_start_ends_nothing(tmp_path: Path, name: str) -> None:
    """`nohup` ignores SIGHUP so that the run goes on; a shell's background jobs ignore SIGINT."""
    spec, data = write_inputs(tmp_path)
    (tmp_path / "plugin.py").write_text(pressing(name), "utf-8")
    start = f"import signal; signal.signal(signal.{name}, signal.SIG_IGN)\n"
    options = ["--data-dir", str(data), "--plugin", "plugin.py", "--quiet", "--out", "run"]
    said = python(start + MAIN, "train", str(spec), *options, cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")


@POSIX
@pytest.mark.parametrize("stderr", ["closed", "a pipe without a reader", "a terminal that is gone"])
def test_a_run_is_saved_even_if_nobody_can_be_told(tmp_path: Path, stderr: str) -> None:
    spec, data = write_inputs(tmp_path)
    (tmp_path / "plugin.py").write_text(pressing("SIGHUP"), "utf-8")
    options = ["--data-dir", str(data), "--plugin", "plugin.py", "--out", "run"]
    command = [sys.executable, "-m", "lenetkit", "train", str(spec), *options]
    if stderr == "closed":
        command = ["/bin/sh", "-c", 'exec "$@" 2>&- >&-', "sh", *command]
    reader, writer = os.openpty() if "terminal" in stderr else os.pipe()
    os.close(reader)
    with subprocess.Popen(command, cwd=tmp_path, stdout=writer, stderr=writer) as process:
        os.close(writer)
        assert process.wait(50) == 129
    assert Checkpoint.read(tmp_path / "run" / "checkpoint.safetensors").state.step == 3
