"""Whether a call that trains shows its progress, and where."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lenetkit.spec.sections import TrainSpec
from lenetkit.training.data import TrainingData
from lenetkit.training.loop import Event, Progress

Watch = Callable[[Event], None]


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def watching(
    wanted: bool | None, name: str, data: TrainingData, settings: TrainSpec, progress: Progress
) -> Iterator[Watch]:
    """What shows the events inside the block: in a notebook below its cell, else on standard error.

    `wanted` says whether; None means only in a notebook.
    """
    notebook = in_notebook()
    if not (notebook if wanted is None else wanted):
        yield lambda event: None
    elif notebook:
        from lenetkit.training.notebook import NotebookProgress  # with Jinja2

        with NotebookProgress(name, data, settings, progress) as shown:
            yield shown.show
    else:
        from lenetkit.training.progress import ProgressBar  # with tqdm

        room = shutil.get_terminal_size().columns
        with ProgressBar(data, settings, progress, stream=sys.stderr, room=room) as bar:
            bar.begin()
            yield bar.show
