"""The specs that ship with lenetkit, found by bare name."""

from __future__ import annotations

from pathlib import Path

from lenetkit.errors import InputError, Problem, SpecError, nearest
from lenetkit.files.opening import user_path


def shipped_folder() -> Path:
    """The folder of shipped specs: inside an installed package, or next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def shipped_specs() -> dict[str, Path]:
    """Bare name → file."""
    return {path.stem: path for path in sorted(shipped_folder().glob("*.yaml"))}


def find_spec(source: str | Path, folder: Path | None = None, by: Path | None = None) -> Path:
    """The file of a spec: a path (relative to `folder`), else a shipped spec's bare name.

    `by` is the file that names it, if one does, and never means itself: a `lenet5.yaml` may extend
    the shipped `lenet5.yaml`. Raises SpecError if there is neither.
    """
    name = Path(source)
    bare = name.stem if name.suffix == ".yaml" else name.name
    shipped = shipped_specs() if len(name.parts) == 1 else {}
    beside: list[str] = []
    try:
        path = user_path(source, folder or Path())
        if path.exists() and not (by and bare in shipped and path.samefile(by)):
            return path
        beside = [other.name for other in path.parent.glob("*.yaml")]
    except (InputError, OSError, ValueError):  # too long, forbidden, unknown user, …
        pass
    if bare in shipped:
        return shipped[bare]
    near = nearest(name.name, beside) or nearest(bare, shipped_specs())
    hint = f"; did you mean '{near}'?" if near else f"; shipped specs: {', '.join(shipped_specs())}"
    raise SpecError([Problem(str(source), "", f"no such spec file{hint}")])
