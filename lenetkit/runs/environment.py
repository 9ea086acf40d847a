"""What computes a run: whatever, beside spec and data, may change the last bit of its result."""

from __future__ import annotations

import platform
import sys

import numpy as np
import threadpoolctl

from lenetkit._version import __version__
from lenetkit.kernels.base import Kernels


def versions(kernels: Kernels) -> dict[str, str]:
    """lenetkit, NumPy, its BLAS with the processor it computes for, the processor, Python, system.

    `cpu` names the sets of instructions that NumPy chooses its own loops by, `platform` the
    C library too, whose elementary functions round in their own way.
    """
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    names = [f"{p['internal_api']} {p['version']} {p.get('architecture', '')}" for p in blas]
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
    """The versions, the kernels' own too, and how many threads a pass uses here and now."""
    return versions(kernels) | {"threads": str(kernels.threads())}


def _c_library() -> tuple[str, str]:
    return platform.libc_ver() if sys.platform == "linux" else ("", platform.release())
