"""The verdict: a cause is the smallest single change that makes the network learn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from lenetkit.diagnosis.case import Case, Cure, Suspicion
from lenetkit.diagnosis.causes import CAUSES
from lenetkit.diagnosis.microscope import Microscope
from lenetkit.diagnosis.skill import Judge
from lenetkit.diagnosis.static import PlanLook, look_at_data
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.telling import Diagnosis, Finding, Trial
from lenetkit.diagnosis.watch import HURRY, LONG, Watch
from lenetkit.diagnosis.words import REMEDIES
from lenetkit.errors import LenetkitError

STEPS = 300
_MOST = 2000
"""Steps up to which a network that has learned nothing is trained on, if a pass is longer."""


_LITTLE = 0.2
"""A gain below which a network is trained on before anything is said."""
_BETTER = 0.8
"""Share of the loss that a cure may leave of a network that learns, to be called better than it."""
_ALIKE = 0.1
"""Cures whose gains differ by no more are as good as each other; the first is the simplest."""


def diagnose(
    subject: Subject,
    *,
    steps: int = STEPS,
    time_limit: float | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Diagnosis:
    """Watch a training of some steps, try cures, and name the causes.

    The verdict does not depend on the clock: a `time_limit` in seconds can only leave out
    experiments, which `Diagnosis.left_out` then lists.
    """
    ends = None if time_limit is None else time.monotonic() + time_limit
    case = _examined(subject, steps, tell)
    diagnosis = Diagnosis(case)
    suspicions = [s for cause in CAUSES if (s := cause(case)) is not None]
    _Experiments(diagnosis, steps, ends, tell).decide(suspicions)
    diagnosis.notes += _notes(diagnosis, steps)
    return diagnosis


def _examined(subject: Subject, steps: int, tell: Callable[[str], None]) -> Case:
    """Look at everything, and train; a network that has learned nothing up to a pass."""
    plan = PlanLook(subject.plan)
    microscope = Microscope(subject, plan.functions.activations)
    watch = Watch(subject, Judge(subject), microscope)
    tell(f"training to step {min(steps, watch.total):,}")
    watch.run(steps)
    little = max(watch.end.gain, watch.end.informed / 2) < _LITTLE
    if (little or not watch.learned) and not watch.diverged and steps < watch.total:
        further = max(steps, min(max(watch.steps_per_epoch, LONG), _MOST))
        tell(f"little learned yet: training on to step {min(further, watch.total):,}")
        watch.run(further)
    if watch.is_warming_up:
        tell(f"training on while the rate rises to the schedule's highest, {watch.peak:.2g}")
        watch.hurry(HURRY if watch.learned else LONG)
    test = Judge(subject, test=True).judge(watch.network)
    return Case(subject, look_at_data(subject), plan, microscope, watch, test)


def _notes(diagnosis: Diagnosis, steps: int) -> Iterator[str]:
    watch = diagnosis.case.watch
    if diagnosis.healthy and (watch.hurried or watch.steps) > steps:
        yield (
            f"the start is slow: little was learned up to step {steps:,}, but at step "
            f"{watch.steps:,} the loss is {watch.end.loss:.3g}"
        )
    if not diagnosis.healthy and not any(f.is_proved for f in diagnosis.findings):
        yield f"none of {len(diagnosis.trials)} experiments made it learn"


@dataclass(eq=False)
class _Experiments:
    diagnosis: Diagnosis
    steps: int
    ends: float | None
    tell: Callable[[str], None]
    made: dict[tuple[Cure, int], Trial] = field(default_factory=dict)

    def decide(self, suspicions: list[Suspicion]) -> None:
        """Try the cures, nearest the root first, and note what is proved."""
        case, found = self.diagnosis.case, self.diagnosis.findings
        lengths = sorted({min(self.steps, case.watch.steps), case.watch.steps})
        if case.watch.diverged or case.watch.hurried:
            lengths = [self.steps]
        for length in lengths:
            for suspicion in suspicions:
                finding = self._tried(suspicion, length)
                if finding is not None:
                    found.append(finding)
                    if case.is_stuck or suspicion.margin >= 0:
                        return
            if found:
                return
        if case.is_stuck:
            self._combined(suspicions, lengths[-1])
        if case.is_stuck and not found:
            self._unproved(suspicions)

    def _tried(self, s: Suspicion, length: int) -> Finding | None:
        if s.proof == "certain":
            return _finding(s)
        if s.proof == "labels":
            return self._on_other_labels(s, length)
        good: list[Trial] = []
        for cure in s.cures:
            trial = self._trial(cure, length)
            if trial and self._cures(s, trial):
                good.append(trial)
            if good and trial and trial.end.gain < good[-1].end.gain:
                break  # a ladder has its best step behind it
        if not good:
            return None
        best = max(trial.end.gain for trial in good)
        return _finding(s, next(t for t in good if t.end.gain >= best - _ALIKE))

    def _cures(self, s: Suspicion, trial: Trial) -> bool:
        case, now = self.diagnosis.case, self.diagnosis.case.watch.end
        if not trial.learned or case.is_stuck:
            return trial.learned
        better = s.margin < 0 or trial.end.loss <= _BETTER * now.loss
        return better and trial.end.gain - now.gain >= s.margin

    def _trial(self, lines: Cure, length: int) -> Trial | None:
        if (lines, length) in self.made:
            return self.made[lines, length]
        if self.ends is not None and time.monotonic() > self.ends:
            self.diagnosis.left_out.append(lines)
            return None
        trial = self._run(lines, length)
        self.made[lines, length] = trial
        self.diagnosis.trials.append(trial)
        return trial

    def _run(self, lines: Cure, length: int) -> Trial:
        self.tell(f"trying {', '.join(lines)}")
        subject, base = self.diagnosis.case.subject, self.diagnosis.case.watch
        try:
            changed = subject.changed(lines)
            watch = Watch(changed, Judge(changed)).run(length)
            if self._is_promising(watch):
                watch.run(base.hurried or base.steps)
            if base.hurried and watch.is_warming_up:
                watch.hurry(HURRY if watch.learned else LONG)
        except LenetkitError as error:
            return Trial(lines, 0, self.diagnosis.case.watch.start, False, str(error))
        return Trial(lines, watch.steps, watch.end, watch.learned, watch.diverged)

    def _is_promising(self, trial: Watch) -> bool:
        """Whether it is far from where it was without the cure, on a plateau to be left."""
        base = self.diagnosis.case.watch
        gain, before = trial.end.gain, (base.settled if base.hurried else base.end).gain
        return not trial.learned and not trial.diverged and gain > max(before, -0.2) + 0.1

    def _on_other_labels(self, s: Suspicion, length: int) -> Finding:
        """Whether the same network learns labels that follow from the images."""
        other = self.diagnosis.case.subject.relabelled()
        self.tell("trying labels that follow from the images")
        watch = Watch(other, Judge(other)).run(length)
        said = (
            f"; with labels that follow from the images, the same {watch.steps} steps end at loss "
            f"{watch.end.loss:.3g}"
        )
        evidence = s.evidence + said * watch.learned
        return _finding(replace(s, evidence=evidence), is_proved=watch.learned)

    def _combined(self, suspicions: list[Suspicion], length: int) -> None:
        """Two illnesses at once: the cures of two suspicions together."""
        for s, lines in _pairs(suspicions):
            trial = self._trial(lines, length)
            if trial and trial.learned:
                self.diagnosis.findings.append(_finding(s, trial))
                return

    def _unproved(self, suspicions: list[Suspicion]) -> None:
        for s in suspicions[:1]:
            self.diagnosis.findings.append(_finding(s, is_proved=False))


def _pairs(suspicions: list[Suspicion]) -> Iterator[tuple[Suspicion, Cure]]:
    for i, one in enumerate(suspicions):
        for other in suspicions[i + 1 :]:
            for cure in one.cures[:1]:
                for more in other.cures[:2]:
                    yield one, (*cure, *more)


def _finding(s: Suspicion, trial: Trial | None = None, *, is_proved: bool = True) -> Finding:
    remedy, lines = s.remedy or REMEDIES[s.cause], trial.lines if trial else ()
    return Finding(s.cause, s.layers, s.step, s.evidence, remedy, lines, trial, is_proved)


def facts(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as JSON values."""
    case = diagnosis.case
    return {
        "name": case.subject.plan.spec.name,
        "dataset": case.subject.data.train.dataset,
        "healthy": diagnosis.healthy,
        "findings": [
            {
                "cause": f.cause,
                "probable_only": not f.is_proved,
                "layers": list(f.layers),
                "step": f.step,
                "evidence": f.evidence,
                "remedy": f.remedy,
                "set": list(f.set),
            }
            for f in diagnosis.findings
        ],
        "notes": diagnosis.notes,
        "tried": [
            {
                "set": list(t.lines),
                "steps": t.steps,
                "loss": t.end.loss,
                "accuracy": t.end.accuracy,
                "learned": t.learned,
                "note": t.said,
            }
            for t in diagnosis.trials
        ],
        "left_out": [list(lines) for lines in diagnosis.left_out],
        "series": diagnosis.series,
    }
