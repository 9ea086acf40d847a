"""Asking `lenetkit diagnose` about a case, and judging the answer."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from diagnosis.cases import PLUGINS, Case
from diagnosis.training import Outcome, data_folder, train
from lenetkit.errors import LenetkitError

LIMIT = 600
"""Seconds that one diagnosis may take."""


@dataclass(frozen=True)
class Answer:
    """What `diagnose` said of a case."""

    case: Case
    seconds: float
    healthy: bool | None = None
    """None: it failed."""
    causes: tuple[str, ...] = ()
    """Named causes, the most likely first."""
    layers: tuple[str, ...] = ()
    """The layers of the first finding."""
    cure: tuple[str, ...] = ()
    """The changes of the first finding."""
    outcome: Outcome | None = None
    """What training with these changes led to."""
    failure: str = ""

    @property
    def is_false_alarm(self) -> bool:
        """Whether a healthy spec is called ill."""
        return self.case.cause is None and self.healthy is not True

    @property
    def names_cause(self) -> bool:
        """Whether the first cause is the true one."""
        return self.causes[:1] == (self.case.cause,)

    @property
    def names_layers(self) -> bool:
        """Whether it names layers, and none beyond those of the case."""
        return bool(self.layers) and set(self.layers) <= set(self.case.layers)

    def line(self) -> str:
        """In a line."""
        said = self.failure or ", ".join(self.causes) or "healthy"
        right = self.names_cause if self.case.cause else not self.is_false_alarm
        mark = "right" if right else "WRONG"
        return f"{mark}: {self.case.name} ({self.case.cause or 'healthy'}): {said}"


def command(case: Case) -> list[str]:
    """The command, as words, without `lenetkit`."""
    words = ["diagnose", str(case.path), "--json"]
    words += [word for change in case.changes for word in ("--set", change)]
    if folder := data_folder(case):
        words += ["--data-dir", str(folder)]
    return [*words, "--plugin", str(PLUGINS)]


def shell(case: Case) -> str:
    """The command as it is typed; without `--json`, to be read."""
    return shlex.join(["lenetkit", *(word for word in command(case) if word != "--json")])


def ask(case: Case) -> Answer:
    """Diagnose a case, and train it again with the first finding's changes."""
    clock = time.perf_counter()
    try:
        said = subprocess.run(
            [sys.executable, "-m", "lenetkit", *command(case)],
            capture_output=True,
            encoding="utf-8",
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return Answer(case, LIMIT, failure=f"took more than {LIMIT} s")
    seconds = time.perf_counter() - clock
    if said.returncode:
        lines = said.stderr.strip().splitlines() or [""]
        line = next((line for line in lines if line.startswith("error")), lines[-1])
        return Answer(case, seconds, failure=f"exit status {said.returncode}: {line}")
    try:
        return _judged(case, seconds, json.loads(said.stdout))
    except (ValueError, KeyError) as error:
        return Answer(case, seconds, failure=f"its JSON is not the documented one: {error!r}")


def _judged(case: Case, seconds: float, said: dict[str, Any]) -> Answer:
    findings = said["findings"]
    first = findings[0] if findings else {"layers": (), "set": ()}
    cure = tuple(first["set"])
    outcome, failure = None, ""
    if case.cause and cure:
        try:
            outcome = train(case, cure)
        except LenetkitError as error:
            failure = f"its cure cannot be trained: {error}"
    return Answer(
        case,
        seconds,
        bool(said["healthy"]),
        tuple(finding["cause"] for finding in findings),
        tuple(first["layers"]),
        cure,
        outcome,
        failure,
    )
