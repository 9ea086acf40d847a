"""The shipped specs: those of the core, and those that need a plugin."""

from __future__ import annotations

from lenetkit.spec.shipped import shipped_specs

CLASSIC = {"lenet1", "lenet4", "lenet5-1998"}
"""Specs whose types come from plugins/lenetkit-classic; its own tests cover them."""
CORE = {name: path for name, path in shipped_specs().items() if name not in CLASSIC}
