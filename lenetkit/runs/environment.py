"""The software and hardware that, besides spec and data, may change the last bit of a result."""

from __future__ import annotations

import platform
import sys

import numpy as np

from lenetkit._version import __version__
from lenetkit.kernels.base import Kernels
from lenetkit.operations.blas import libraries


def versions(kernels: Kernels) -> dict[str, str]:
    """lenetkit, NumPy, BLAS and the architecture it targets, CPU, Python, platform.

    `cpu` lists the instruction sets by which NumPy selects its loops; `platform` includes the C
    library, whose elementary functions round in their own way.
    """
    facts = [library.info() for library in libraries()]
    names = [f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in facts]
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {
        "lenetkit": __version__,
        "numpy": np.__version__,
        "blas": ", ".join(name.strip() for name in names) or "unknown",
        "cpu": " ".join([*simd.get("baseline", ()), *simd.get("found", ())]) or "unknown",
        "python": platform.python_version(),
        "platform": " ".join([sys.platform, platform.machine(), *filter(None, _c_library())]),
    } | kernels.versions()


def computing(kernels: Kernels) -> dict[str, str]:
    """The versions, and how many threads a pass currently uses."""
    return versions(kernels) | {"threads": str(kernels.threads())}


def _c_library() -> tuple[str, str]:
    return platform.libc_ver() if sys.platform == "linux" else ("", platform.release())
