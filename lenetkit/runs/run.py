"""A run: one training in its own folder, from Python or the command line."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from lenetkit.errors import RunError, SpecError, warn
from lenetkit.files import atomic
from lenetkit.files.opening import is_there, user_path
from lenetkit.model import file
from lenetkit.model.metadata import missing_providers
from lenetkit.model.model import Model
from lenetkit.network.plan import Plan, expect_batches, expect_trainable, load_plan
from lenetkit.operations.blas import MAX_THREADS
from lenetkit.registry.catalog import naming_plugins
from lenetkit.registry.given import Plugins, use
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.folder import METRICS, REAL_METRICS, RunFolder
from lenetkit.runs.interrupt import finishing
from lenetkit.runs.recorder import Recorder
from lenetkit.runs.resume import resume, rising_rate
from lenetkit.spec.changes import changes, title
from lenetkit.spec.merge import Override, Spec, overrides
from lenetkit.text import printable
from lenetkit.training import loop
from lenetkit.training.calls import Events
from lenetkit.training.data import Report, TrainingData, load_training_data
from lenetkit.training.evaluation import Pause
from lenetkit.training.history import Columns
from lenetkit.training.watching import Watch, watching

Changes = Mapping[str, Any] | Sequence[Override]
"""Changes to a spec: `{"train.epochs": 3}`."""
Data = TrainingData | tuple[Any, Any]
"""What a run trains on instead of the spec's data set: images and labels, or more."""


class Run:
    """A training that is recorded in a folder, can be interrupted, and resumes bit for bit.

        run = Run.create("lenet5", out="runs/a", set={"train.epochs": 3})
        result = run.train()

    A run holds its folder's lock, trains once, and is closed when training ends or is left. As a
    context manager it also saves and closes when the body raises:

        with Run.resume("runs/a") as run:
            for event in run.events():
                ...
    """

    def __init__(
        self,
        recorder: Recorder,
        threads: int | None,
        held: ExitStack,
        report: Report = warn,
    ) -> None:
        self.network: Model = recorder.network
        self.folder = recorder.folder
        self.data = recorder.data
        self.progress = recorder.progress
        self.differences: list[str] = []
        """What has changed since the run was made, if it was resumed with `allow_different`."""
        self.result: dict[str, Any] = {}
        """The contents of `result.json`, once the run is finished."""
        self._recorder = recorder
        self._threads = threads
        self._held = held
        self._report = report
        self._events: Callable[[], Generator[loop.Event] | None] | None = None
        """Weak, so that a loop that is left ends the generator at once."""

    def __repr__(self) -> str:
        spec = self.network.plan.spec
        done = f"{self.progress.epoch} of {spec.train.epochs} epochs"
        return f"<Run {spec.name} in {printable(self.folder.path)}: {done}>"

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import data_uri, render  # Jinja2 takes a while to import

        spec, history = self.network.plan.spec, self.history
        samples = {
            "training": self.data.train,
            "held out": self.data.validation,
            "test": self.data.test,
        }
        counts = (f"{len(found):,} {name}" for name, found in samples.items() if found)
        told = {"data set": f"{self.data.train.dataset}: {' + '.join(counts)} samples"}
        for part in self._recorder.parts()[:-1]:
            told[part["spec"]] = "trained steps {:,} to {:,}".format(*part["steps"])
        heading = title(spec.name, self._recorder.state.differs)
        curves = ""
        if self.progress.epoch:
            from lenetkit import plots

            curves = data_uri(
                plots.history_figure(history, title=heading, dataset=self.data.train.dataset).png()
            )
        return render(
            "run.html",
            title=heading,
            folder=self.folder.path,
            state=f"{self.progress.epoch} of {spec.train.epochs} epochs",
            settings={**told, **self.network.spec["train"]},
            rows=history.rows,
            curves=curves,
            plan=self.network.plan,
            diverged=" ".join(self.folder.why_diverged().split()),
        )

    @classmethod
    def create(
        cls,
        spec: Spec,
        *,
        out: str | Path | None = None,
        set: Changes = (),  # noqa: A002
        data: Data | None = None,
        test: tuple[Any, Any] | None = None,
        data_dir: str | Path | None = None,
        init_from: str | Path | None = None,
        plugins: Plugins = (),
        threads: int | None = None,
        report: Report = warn,
    ) -> Self:
        """A run of a spec in the new or empty folder `out`.

        Without `out`: in the next of `runs/NAME/001, 002, …`. It trains on the spec's data set, or
        on `data`: arrays (images, labels) as `Model.fit` takes them, with those of `test`, or
        TrainingData. `init_from` is a file of weights, a model file, safetensors or `.npz`,
        which are used where names and shapes match. `plugins` are as for `build`. Notes and
        warnings go to `report`. Raises SpecError, DataError, ModelFileError and RunError.
        """
        use(plugins)
        plan = load_plan(spec, overrides(set))
        _expect_recordable(plan)
        _warn(plan, report)
        network = Model(plan, seed=plan.spec.train.seed)
        found = _data(network, data, test, data_dir, report)
        weights = ""
        if init_from is not None:
            said = "\n".join(file.load_matching(network, user_path(init_from)))
            report(f"{printable(init_from)}: {said}")
            weights = file.label(user_path(init_from))
        return cls.begin(
            network,
            found,
            out=out,
            differs=changes(spec, overrides(set)),
            given=data is not None,
            init_from=weights,
            threads=threads,
            report=report,
        )

    @classmethod
    def begin(
        cls,
        network: Model,
        data: TrainingData,
        *,
        out: str | Path | None = None,
        differs: Mapping[str, str | None] = MappingProxyType({}),
        given: bool = True,
        init_from: str = "",
        threads: int | None = None,
        report: Report = warn,
    ) -> Self:
        """A run that trains a network, from its weights as they are, on data in memory.

        `differs` is what the pictures' titles say of the spec, as `changes` finds it; `given` is
        whether the data are arrays that a resumed run must be given again; `init_from` is what the
        result calls the weights' origin.
        """
        _expect_recordable(network.plan)
        name = network.plan.spec.name
        folder = RunFolder.create(name, None if out is None else user_path(out))
        with ExitStack() as held:
            held.enter_context(folder.owned(report))
            folder.expect_unused()
            recorder = Recorder(folder, network, data, loop.start(network, network.plan.spec.train))
            recorder.state = replace(
                recorder.state, differs=dict(differs), given=given, init_from=init_from
            )
            return cls(recorder, threads, held.pop_all(), report)

    @classmethod
    def resume(
        cls,
        path: str | Path,
        *,
        spec: Spec | None = None,
        set: Changes = (),  # noqa: A002
        data: Data | None = None,
        test: tuple[Any, Any] | None = None,
        data_dir: str | Path | None = None,
        plugins: Plugins = (),
        threads: int | None = None,
        allow_different: bool = False,
        report: Report = warn,
    ) -> Self:
        """The run in a folder, as of its last checkpoint.

        Spec, data, plugins, versions, processor and threads must be unchanged unless
        `allow_different`; what differs is in `differences`. A run that was trained on arrays must
        be given the same again, as `data` and `test`. A finished run may be given more epochs.
        Raises RunError if it cannot be resumed.
        """
        use(plugins)
        folder = RunFolder.open(user_path(path))
        with ExitStack() as held:
            held.enter_context(folder.owned(report))
            saved = Checkpoint.read(folder.checkpoint)
            if saved.state.given and data is None:
                raise RunError(_needs_arrays(folder))
            if not is_there(folder.spec):
                atomic.write_text(folder.spec, saved.metadata["spec"])
            try:
                plan = load_plan(spec or folder.spec, overrides(set))
            except SpecError as error:
                hint = missing_providers(saved.metadata)
                if not hint:
                    raise
                raise RunError(f"{error}{hint}") from None
            _expect_recordable(plan)
            _warn(plan, report)
            network = Model(plan)
            classes = json.loads(saved.metadata.get("labels", "null"))
            found = _data(network, data, test, data_dir, report, classes, may_create=False)
            recorder = Recorder(folder, network, found, loop.start(network, plan.spec.train))
            threads = threads or (saved.state.threads and min(saved.state.threads, MAX_THREADS))
            with network.limited(threads):
                differences = resume(recorder, saved, allow_different=allow_different)
            if said := rising_rate(saved, plan, found):
                report(f"warning: {printable(folder.path)}: {said}")
            if (epochs := plan.spec.train.epochs) != saved.state.epochs:
                differs = {**saved.state.differs, "train.epochs": f"{epochs}"}
                recorder.state = replace(recorder.state, differs=differs)
            run = cls(recorder, threads, held.pop_all(), report)
            run.differences = differences
            return run

    @property
    def saved_step(self) -> int | None:
        """The step that the folder's checkpoint was saved at; None if there is none yet."""
        return self._recorder.saved_step

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done, or `train.patience` ended the run before."""
        return self.progress.is_over(self.network.plan.spec.train)

    @property
    def ended_early(self) -> str:
        """Why a finished run has fewer epochs than its spec says; empty if it has them all."""
        train, done = self.network.plan.spec.train, self.progress.epoch
        if not self.is_finished or done >= train.epochs:
            return ""
        best = self._recorder.state.best.epoch
        return (
            f"ended after epoch {done} of {train.epochs}: none since epoch {best} was better on "
            f"the held-out samples (train.patience: {train.patience})"
        )

    @property
    def history(self) -> Columns:
        """The columns of `metrics.csv`, a row an epoch; pandas.DataFrame takes them."""
        names = REAL_METRICS if self.data.target_axes else METRICS
        done = self.progress.epoch
        return Columns(self.folder.read_metrics() if done else {name: [] for name in names})

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Which `steps` and `epochs` (first and last) were trained by which `spec` file.

        One part, unless the run was resumed with another spec, more epochs included.
        """
        return self._recorder.parts()

    def events(self) -> Generator[loop.Event]:
        """Train, yielding a StepDone per batch and an EpochDone per epoch, each already recorded.

        Leaving the loop saves the run; at its end the result is written. A KeyboardInterrupt during
        a step saves nothing: `train` finishes the step first. Errors from a plugin's code become a
        PluginError that names it. Raises RunError if the run has been trained or closed.
        """
        return self._begin(lambda: None)

    def _begin(self, pause: Pause) -> Events:
        if self._events is not None:
            raise RunError(
                f"{self.folder.path}: this run has been trained or closed; "
                f'to continue, Run.resume("{self.folder.path}")'
            )
        computed = loop.computed(self._recorded(pause), self.network, self._threads)
        events = Events(computed, "loop over run.events(), or call run.train()")
        self._events = weakref.ref(events)
        return events

    def _recorded(self, pause: Pause) -> Generator[loop.Event]:
        paused = False

        def noted_pause() -> None:
            nonlocal paused
            paused = True
            pause()
            paused = False

        with self._held, naming_plugins(), self._recorder:
            pause()
            settings = self.network.plan.spec.train
            events = loop.train(self.network, self.data, settings, self.progress, noted_pause)
            try:
                for event in events:
                    self._recorder.record(event)
                    if isinstance(event, loop.EpochDone):
                        self.network.note(event)
                    yield event
            except GeneratorExit:
                if not isinstance(event, loop.EpochBegun):  # its step is not recorded yet
                    self._recorder.save()
                raise
            except BaseException:
                if paused:
                    self._recorder.save()
                raise
            self.result = self._recorder.finish()

    def train(
        self,
        *,
        watch: Callable[[loop.Event], None] | None = None,
        pictures: bool = True,
        progress: bool | None = None,
    ) -> dict[str, Any]:
        """Train to the end, draw the pictures, and return the result.

        `watch` is called with each event. `progress` shows a bar and the epochs: below the cell of
        a notebook, on standard error elsewhere; None shows them in notebooks only.

        Ctrl-C finishes the step, saves, and then raises KeyboardInterrupt; a second press
        interrupts immediately. SIGTERM and SIGHUP save in the same way and raise `SystemExit(128 +
        signal)`, unless they are ignored or have handlers.
        """
        told = self._moment()

        def is_over() -> bool:
            return self.saved_step == self.progress.step and told == self._moment()

        with finishing(is_over, lambda: f"after step {self.progress.step}") as stop:
            with closing(self._begin(stop.check)) as events, self._shown(progress) as show:
                for event in events:
                    show(event)
                    if watch is not None:
                        watch(event)
                    told = self._moment()
                    if not isinstance(event, loop.EpochBegun):
                        stop.check()
            stop.check()
        if pictures:
            self.plot()
        return self.result

    def _shown(self, wanted: bool | None) -> AbstractContextManager[Watch]:
        spec = self.network.plan.spec
        return watching(wanted, spec.name, self.data, spec.train, self.progress)

    def _moment(self) -> tuple[int, int]:
        return self.progress.step, self.progress.epoch

    def plot(self) -> list[Path]:
        """Draw the finished run's pictures; returns their paths, which show in a notebook."""
        from lenetkit.runs.pictures import draw  # Matplotlib takes a while to import

        return draw(self.folder, lambda: self.data.test, self._report)

    def close(self) -> None:
        """Save, if training was left in the middle, and release the folder's lock."""
        if self._events is None:
            self._events = lambda: None
        elif (events := self._events()) is not None:
            events.close()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _expect_recordable(plan: Plan) -> None:
    """Raise if a run folder cannot hold the spec, or a layer cannot learn from its batches."""
    plan.to_yaml()  # types that are not registered cannot be recorded
    expect_trainable(plan)
    expect_batches(plan, plan.spec.train.batch_size)


def _warn(plan: Plan, report: Report) -> None:
    for warning in plan.warnings:
        report(f"warning: {warning}")


def _data(
    network: Model,
    given: Data | None,
    test: tuple[Any, Any] | None,
    data_dir: str | Path | None,
    report: Report,
    classes: Any = None,
    *,
    may_create: bool = True,
) -> TrainingData:
    """The data given, or that of the spec."""
    if given is None and test is None:
        return load_training_data(network.plan, data_dir, report, may_create=may_create)
    if data_dir is not None:
        raise TypeError("expected either data or data_dir, found both")
    if isinstance(given, TrainingData) and test is None:
        return given
    if not isinstance(given, tuple | list) or len(given) != 2:
        found = type(given).__name__
        raise TypeError(f"expected data=(images, labels) or TrainingData, found {found}")
    return network.training_data(*given, test=test, classes=classes)


def _needs_arrays(folder: RunFolder) -> str:
    path = printable(folder.path)
    call = f'lenetkit.Run.resume("{path}", data=(images, labels))'
    return (
        f"{path}: was trained on arrays from Python, which a run folder does not hold; resume it "
        f"from there with the same ones: {call}, and test=(images2, labels2) if it had a test set"
    )
