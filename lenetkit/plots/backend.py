"""Imports matplotlib, whatever the environment or a file in the current folder tells it.

Figures here use neither a backend nor settings of the user's, so both may be as wrong as they like.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from pathlib import Path
from unittest import mock


def import_matplotlib() -> None:
    """Import it; where its settings prevent that, with its own default settings."""
    try:
        import matplotlib
    except ImportError:
        raise
    except Exception:  # MPLBACKEND, or a matplotlibrc file that cannot be read
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]
        found = importlib.util.find_spec("matplotlib")
        folder = Path(found.origin).parent if found and found.origin else Path()
        usable = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "MATPLOTLIBRC")}
        with (
            mock.patch.dict(os.environ, usable, clear=True),
            contextlib.chdir(folder / "mpl-data"),  # that folder's matplotlibrc comes first
        ):
            import matplotlib  # noqa: F401


import_matplotlib()
