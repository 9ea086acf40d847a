"""A run that SIGTERM or SIGHUP ends at any moment saves, within a second, and loses no step.

`LENETKIT_THOROUGH=1` tries more than three hundred moments for each; every eighth run draws its
pictures.
"""

from __future__ import annotations

import os
import random
import re
import signal
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from lenetkit.cli.main import run
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.run import Run
from tests.support import child
from tests.support.small_run import expect_readable, outcome, trials, write_inputs

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without a signal")

TRIALS = trials(8, 400)
AGAIN = 0.3
"""The share of runs that are sent a second signal, at once, as systemd and terminals do."""


def stopped(arguments: list[str], moment: float, numbers: Sequence[int], pictures: bool) -> float:
    """Run a command, send it signals after so many seconds; how many seconds it then took."""
    log = Path("log")
    process = child.started([*arguments, "--quiet"], pictures=pictures, log=log)
    assert process.pid
    process.join(moment)
    began = time.perf_counter()
    for number in numbers:
        if process.exitcode is None:
            os.kill(process.pid, number)
    process.join()
    took = time.perf_counter() - began
    said, code = log.read_text("utf-8") if log.exists() else "", process.exitcode
    log.unlink(missing_ok=True)
    assert "Traceback" not in said, said
    if code in {0, *(-number for number in numbers)}:  # it had ended, or had not got to lenetkit
        return took
    assert code in {128 + number for number in numbers}, said  # those at once come in any order
    folder = Path(arguments[arguments.index("--out" if "--out" in arguments else "--resume") + 1])
    begun = (folder / "checkpoint.safetensors").exists()
    step = Checkpoint.read(folder / "checkpoint.safetensors").state.step if begun else None
    resume = f"saved at step {step}; resume with: lenetkit train --resume {folder}"
    early = re.search(r"nothing (to save yet|was saved)|^\s*(terminated|hung up)\s*$", said)
    assert resume in said or (early and (not begun or "--resume" in arguments)), said
    return took


def test_a_run_stopped_at_any_moment_saves_and_resumes_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    draw, lasts, met = Run.plot, {}, Counter[str]()
    places = ["--data-dir", str(data)]
    for pictures in (False, True, False, True):
        began = time.perf_counter()
        whole = f"whole {began}"
        process = child.started(["train", str(spec), "--out", whole, *places], pictures=pictures)
        process.join()
        assert process.exitcode == 0
        lasts[pictures] = time.perf_counter() - began
    wanted, rng, seconds = outcome(Path(whole)), random.Random(0), []
    for trial in range(TRIALS):
        pictures, folder = trial % 8 == 7, Path(f"{trial}")
        numbers = [signal.SIGTERM, signal.SIGHUP][:: 1 if trial % 2 else -1]
        numbers = numbers if rng.random() < AGAIN else numbers[:1]
        arguments = ["train", str(spec), "--out", str(folder), *places]
        moment = rng.uniform(0, lasts[pictures])
        seconds.append(stopped(arguments, moment, numbers, pictures))
        if (folder / "checkpoint.safetensors").exists():
            met["with a checkpoint"] += 1
            met["with the result written"] += (folder / "result.json").exists()
            expect_readable(folder)
            arguments = ["train", "--resume", str(folder), *places]
            moment = rng.uniform(0, lasts[pictures])
            seconds.append(stopped(arguments, moment, numbers, pictures))
        monkeypatch.setattr(Run, "plot", draw if pictures else lambda run: [])
        assert run([*arguments, "--quiet"]) == 0, capsys.readouterr().err
        assert outcome(folder) == wanted
    with capsys.disabled():
        counts = ", ".join(f"{n} {what}" for what, n in sorted(met.items()))
        times = f"{statistics.median(seconds):.3f} s (median), {max(seconds):.3f} s (most)"
        print(f"\n{TRIALS} runs: {counts}; {len(seconds)} signals, ended after {times}")
