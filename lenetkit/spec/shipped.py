"""The specs that travel with lenetkit, found by bare name."""

from __future__ import annotations

from pathlib import Path

from lenetkit.errors import Problem, SpecError, did_you_mean


def shipped_folder() -> Path:
    """Where the shipped specs lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def shipped_specs() -> dict[str, Path]:
    """Bare name → file."""
    return {path.stem: path for path in sorted(shipped_folder().glob("*.yaml"))}


def find_spec(source: str | Path, folder: Path | None = None) -> Path:
    """The file of a spec: a path (relative to `folder`), else a shipped spec's bare name.

    Raises SpecError where there is neither.
    """
    path = Path(source).expanduser()
    if folder is not None:
        path = folder / path
    if path.exists():
        return path
    shipped = shipped_specs()
    name = Path(source)
    bare = name.stem if name.suffix == ".yaml" else name.name
    if bare in shipped and len(name.parts) == 1:
        return shipped[bare]
    near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    hint = did_you_mean(path.name, near) if near else f"; shipped specs: {', '.join(shipped)}"
    raise SpecError([Problem(str(source), "", f"no such spec file{hint}")])
