"""What the environment sets for other programs, and a command must not depend on."""

from __future__ import annotations

import logging
import os
import warnings

_FOR_OTHERS = ("MPLBACKEND", "MATPLOTLIBRC", "FREETYPE_PROPERTIES", "PYTHONWARNINGS")
_PREFIXES = ("TQDM_",)


def settle() -> None:
    """Make this process, and those that it starts, independent of such settings.

    Jupyter exports a matplotlib backend, tqdm reads each of its options from the environment, and
    `PYTHONWARNINGS=error` would end a command for a warning from some library.
    """
    for name in list(os.environ):
        if name in _FOR_OTHERS or name.startswith(_PREFIXES):
            del os.environ[name]
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.simplefilter("default")
    # It tells of caches, and of settings in a matplotlibrc file, which no figure follows.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
