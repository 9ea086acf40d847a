"""The plugin API's version, and how plugins written for version 1 are recognized."""

from __future__ import annotations

from pathlib import Path

from lenetkit.errors import cause

API = "2"
"""The version that plugins are written against."""
API_GROUP = "lenetkit.api"
"""A distribution names the versions it supports as entry points of this group: `2 = "package"`."""
_MARKS = ("'trainable'", "'Call' object has no attribute 'kernels'")
"""Parts of the errors that a plugin for API 1 raises with API 2."""


def migration_page() -> Path:
    """The migration guide for plugins written for API 1."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "docs"
    folder = inside if inside.is_dir() else package.parent / "docs"
    return folder / "plugin-api-2.md"


def other_api(supported: set[str]) -> str:
    """Why a distribution for these API versions cannot be used; empty if it can."""
    if API in supported:
        return ""
    versions = ", ".join(sorted(supported))
    text = f"was built for plugin API {versions}; this lenetkit has {API}"
    if "1" in supported:
        return f"{text}: {migration_page()} says line by line what to change"
    return f"{text}: update the older one"


def hint_for(error: BaseException) -> str:
    """A pointer to the migration guide if an error looks like API 1; else nothing."""
    moved = isinstance(error, ImportError) and str(error.name).startswith("lenetkit.")
    if moved or any(mark in cause(error) for mark in _MARKS):
        return f"\n  it looks written for plugin API 1; {migration_page()} says what to change"
    return ""
