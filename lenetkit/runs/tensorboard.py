"""A training for TensorBoard: its figures, weights, gradients and pictures, as events come."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from lenetkit.arrays import Array
from lenetkit.errors import InputError, RunError
from lenetkit.files.opening import user_path
from lenetkit.network.network import Network
from lenetkit.runs.run import Run
from lenetkit.training.loop import EpochDone, Event, StepDone

_BINS = 40
_COLORS = {"L": 1, "RGB": 3, "RGBA": 4}
"""Of a picture: its mode → TensorBoard's `colorspace`."""


def expect_installed() -> None:
    """Raise InputError if TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        message = 'TensorBoard is not installed: pip install "lenetkit[tensorboard]"'
        raise InputError(message)


class TensorBoard:
    """Writes an event file to a folder, for `tensorboard --logdir`. Call it with each event.

        with TensorBoard("runs/a", network) as board:
            for event in lenetkit.train(network):
                board(event)

    A step gives the scalars `loss/batch`, `accuracy/batch` and `learning_rate`; an epoch
    `loss/train`, `accuracy/test` and so on (in regression `rmse/test` and `r2/test`), and
    histograms of every tensor, `conv1/weight`, and of its gradient in the epoch's last step,
    `conv1/weight/gradient`. All are over steps. A training that goes on from `step` replaces what
    earlier files have of the steps after it.

    Raises InputError if TensorBoard is not installed, and RunError if the folder cannot be written.
    """

    def __init__(self, folder: str | Path, network: Network, *, step: int = 0) -> None:
        expect_installed()
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.network = network
        self._step = step
        path = user_path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._writer = EventFileWriter(str(path), max_queue_size=1000)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}") from None
        self._add(step + 1, session_log=SessionLog(status=SessionLog.START))

    @classmethod
    def of(cls, run: Run) -> Self:
        """Of a run, in its folder; one that is resumed goes on where it stands."""
        return cls(run.folder.path / "tensorboard", run.network, step=run.progress.step)

    def __call__(self, event: Event) -> None:
        """Write what an event has to say."""
        if isinstance(event, StepDone):
            self._step = event.step
            rate = {"learning_rate": event.lr}
            self._scalars({"loss/batch": event.loss, "accuracy/batch": event.accuracy} | rate)
        elif isinstance(event, EpochDone):
            self._scalars({_tag(name): value for name, value in event.results().items()})
            self._histograms(self.network.tensors(), "")
            self._histograms(self.network.gradients(), "/gradient")
            self._writer.flush()

    def pictures(self, paths: Iterable[Path]) -> None:
        """Add picture files, each under its name without the suffix."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        for path in paths:
            with Image.open(path) as picture:
                width, height, colors = *picture.size, _COLORS[picture.mode]
            image = Summary.Image(
                height=height,
                width=width,
                colorspace=colors,
                encoded_image_string=path.read_bytes(),
            )
            self._summary({"tag": path.stem, "image": image})

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _scalars(self, values: dict[str, float]) -> None:
        known = {tag: value for tag, value in values.items() if not math.isnan(value)}
        self._summary(*({"tag": tag, "simple_value": value} for tag, value in known.items()))

    def _histograms(self, tensors: dict[str, Array], suffix: str) -> None:
        from tensorboard.compat.proto.summary_pb2 import HistogramProto

        for name, values in tensors.items():
            wide = values.astype(np.float64)
            counts, edges = np.histogram(wide, bins=_BINS)
            histogram = HistogramProto(
                min=wide.min(),
                max=wide.max(),
                num=wide.size,
                sum=wide.sum(),
                sum_squares=(wide * wide).sum(),
                bucket_limit=edges[1:],
                bucket=counts,
            )
            self._summary({"tag": f"{name.replace('.', '/')}{suffix}", "histo": histogram})

    def _summary(self, *values: dict[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(**value) for value in values])
        self._add(self._step, summary=summary)

    def _add(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record

        self._writer.add_event(Record(wall_time=time.time(), step=step, **content))


def _tag(name: str) -> str:
    """The tag of a column of `metrics.csv`: `loss/train` of `train_loss`."""
    part, _, figure = name.partition("_")
    return f"{figure}/{'held_out' if part == 'validation' else part}"
