"""A run killed at any moment leaves whole files and resumes to the same result.

`LENETKIT_THOROUGH=1` tries a thousand moments; every eighth run also draws its pictures.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from lenetkit.cli.main import run
from lenetkit.runs.run import Run
from tests.support import child
from tests.support.small_run import expect_readable, outcome, trials, write_inputs

TRIALS = trials(20, 1000)
AGAIN = 0.3
"""The share of runs that are killed again after resuming."""


def names_in(folder: Path) -> list[str]:
    """The names of a folder's files."""
    return sorted(path.name for path in folder.iterdir())


def killed(arguments: list[str], moment: float, pictures: bool) -> bool:
    """Run a command and kill it after so many seconds; whether it was still running."""
    process = child.started(arguments, pictures=pictures)
    process.join(moment)
    process.kill()
    process.join()
    return process.exitcode != 0


def resume_arguments(folder: Path, spec: Path) -> list[str]:
    """The arguments after a kill: start over if there is no checkpoint yet, else resume."""
    if (folder / "checkpoint.safetensors").exists():
        return ["train", "--resume", str(folder), "--quiet"]
    return ["train", str(spec), "--out", str(folder), "--quiet"]


def test_a_run_killed_at_any_moment_resumes_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, data = write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    draw, lasts, whole = Run.plot, {}, {}
    for pictures in (False, True):
        for name in ("warm", f"whole {pictures}"):
            began = time.perf_counter()
            arguments = ["train", str(spec), "--out", name, "--quiet", "--data-dir", str(data)]
            process = child.started(arguments, pictures=pictures)
            process.join()
            assert process.exitcode == 0
            lasts[pictures] = time.perf_counter() - began
            if name == "warm":
                for path in Path(name).iterdir():
                    path.unlink()
        whole[pictures] = outcome(Path(name))
    names = {pictures: names_in(Path(f"whole {pictures}")) for pictures in (False, True)}
    assert whole[True] == whole[False]

    rng, met = random.Random(0), Counter[str]()
    for trial in range(TRIALS):
        pictures = trial % 8 == 7
        folder = Path(f"{trial}")
        monkeypatch.setattr(Run, "plot", draw if pictures else lambda run: [])
        arguments = ["train", str(spec), "--out", str(folder), "--quiet"]
        for again in (False, True):
            moment = rng.uniform(0, lasts[pictures])
            if again and rng.random() > AGAIN:
                continue
            if not killed([*arguments, "--data-dir", str(data)], moment, pictures):
                met["ended before it was killed"] += 1
            elif not folder.exists():
                met["killed before there was a folder"] += 1
            else:
                left = names_in(folder)
                met["killed with a checkpoint"] += "checkpoint.safetensors" in left
                met["killed without"] += "checkpoint.safetensors" not in left
                met["killed with the result written"] += "result.json" in left
                met["temporary files left"] += sum(name.endswith(".tmp") for name in left)
                expect_readable(folder)
            arguments = resume_arguments(folder, spec)
        assert run([*resume_arguments(folder, spec), "--data-dir", str(data)]) == 0, (
            capsys.readouterr().err
        )
        assert outcome(folder) == whole[pictures]
        assert names_in(folder) == names[pictures]
        for path in folder.iterdir():
            path.unlink()
    assert met["killed with a checkpoint"]
    with capsys.disabled():
        print(f"\n{TRIALS} runs: " + ", ".join(f"{n} {what}" for what, n in sorted(met.items())))
