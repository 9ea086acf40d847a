"""The progress of `train`, on standard error."""

from __future__ import annotations

import sys

from lenetkit.cli.output import columns
from lenetkit.runs.run import Run
from lenetkit.training.progress import ProgressBar


def progress_bar(run: Run, quiet: bool) -> ProgressBar:
    """A bar where standard error is a terminal, and a line an epoch; nothing if `quiet`."""
    stream = getattr(sys.stderr, "unescaped", lambda: sys.stderr)()
    return ProgressBar(
        run.data,
        run.network.plan.spec.train,
        run.progress,
        stream=None if quiet else stream,
        room=columns(sys.stderr),
    )
