"""Who imports whom, read from the source so that nothing has to be imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import lenetkit

PACKAGE = Path(lenetkit.__file__).parent


class Import(NamedTuple):
    """One imported module: lazy if inside a function, typing if under TYPE_CHECKING."""

    module: str
    lazy: bool = False
    typing: bool = False


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(tree: ast.AST, lazy: bool = False, typing: bool = False) -> Iterator[Import]:
    """The imports in a syntax tree; `from package import module` names the module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, lazy, typing)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(whole if whole in MODULES else str(node.module), lazy, typing)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            never = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            yield from imports(node, lazy or function, typing or never)


def trees() -> dict[str, ast.Module]:
    """Every module's syntax tree."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


TREES = trees()
IMPORTS = {name: list(imports(tree)) for name, tree in TREES.items()}


def within(module: str, *packages: str) -> bool:
    """Whether a module is one of these packages or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def violations(inside: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    """The modules in `inside` that import something `forbidden`, lazily or not."""
    return [
        f"{name} imports {found.module}"
        for name, all_imports in IMPORTS.items()
        if within(name, *inside)
        for found in all_imports
        if within(found.module, *forbidden)
    ]


def test_all_kinds_of_imports_are_found() -> None:
    source = (
        "import a.b\nfrom c import d\nfrom lenetkit import options\n"
        "if TYPE_CHECKING:\n    import e\n"
        "def f():\n    import g\n    class h:\n        import i\n"
        "try:\n    import j\nexcept ImportError:\n    pass\n"
    )
    assert list(imports(ast.parse(source))) == [
        Import("a.b"),
        Import("c"),
        Import("lenetkit.options"),
        Import("e", typing=True),
        Import("g", lazy=True),
        Import("i", lazy=True),
        Import("j"),
    ]


ORDER = [
    *("_version", "text", "errors", "arrays", "values", "options", "files", "operations"),
    *("initializers", "losses", "optimizers", "schedules", "layers", "kernels", "data"),
    *("registry", "spec", "html", "network", "plots", "training", "model", "showing", "runs"),
    *("comparison", "reporting", "profiling", "diagnosis", "api", "sklearn", "authoring"),
    *("conformance", "scaffold", "cli", "testing", "__main__"),
]
"""The rooms from the ground up: each imports only from those before it, and from itself."""


def room(module: str) -> str:
    """`lenetkit.spec.nodes` → `spec`; empty for the package itself."""
    return [*module.split("."), ""][1]


def test_the_package_is_found() -> None:
    """Otherwise the tests below would pass without checking anything."""
    assert len(MODULES) > 40
    assert Import("lenetkit.registry.catalog") in IMPORTS["lenetkit.network.plan"]
    assert "lenetkit.cli.train imports click" in violations(("lenetkit.cli",), ("click",))


def test_every_room_is_in_the_order() -> None:
    assert {room(name) for name in MODULES} - {""} == set(ORDER)


def test_imports_point_down() -> None:
    """Lazy and typing-only imports included. Nothing imports `lenetkit` itself."""
    upward = [
        f"{name} imports {found.module}"
        for name, all_imports in IMPORTS.items()
        for found in all_imports
        if name != "lenetkit" and within(found.module, "lenetkit")
        if not room(found.module) or ORDER.index(room(found.module)) > ORDER.index(room(name))
    ]
    assert upward == []


def test_there_are_no_circular_imports() -> None:
    """Not even lazy or typing-only ones."""
    edges = {
        name: {i.module for i in found if i.module in MODULES} for name, found in IMPORTS.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


@pytest.mark.parametrize("tool", ["click", "tabulate"])
def test_only_the_command_line_imports_its_tools(tool: str) -> None:
    assert [v for v in violations(("lenetkit",), (tool,)) if ".cli" not in v] == []


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("tqdm", ["lenetkit.training.notebook", "lenetkit.training.progress"]),
        ("jinja2", ["lenetkit.html.rendering"]),
        ("IPython", []),
    ],
)
def test_what_shows_progress_or_makes_html_is_imported_only_then(
    library: str, modules: list[str]
) -> None:
    found = violations(("lenetkit",), (library,))
    assert sorted(set(found)) == [f"{name} imports {library}" for name in modules]
    showing = {"lenetkit.cli.progress", "lenetkit.training.notebook", *modules}
    eager = [
        name
        for name, all_imports in IMPORTS.items()
        for i in all_imports
        if i.module in modules
        and not i.lazy
        and name not in showing
        and not within(name, "lenetkit.reporting")  # which is imported only then itself
    ]
    assert eager == []


def test_only_the_command_line_prints() -> None:
    """Nothing else reads from the terminal or ends the program, except `interrupt`.

    `watching` writes to standard error when it is asked to show progress.
    """
    forbidden = {"print", "input", "exit", "quit"}
    streams = {"sys.stdout", "sys.stderr", "sys.stdin", "sys.exit"}
    for name, tree in TREES.items():
        if within(name, "lenetkit.cli", "lenetkit.runs.interrupt", "lenetkit.training.watching"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in forbidden, f"{name}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in streams, f"{name}:{node.lineno}"


def test_only_plots_import_matplotlib() -> None:
    found = violations(("lenetkit",), ("matplotlib", "mpl_toolkits"))
    assert [v for v in found if not v.startswith("lenetkit.plots")] == []


def test_plots_are_imported_by_what_draws_and_lazily_by_the_command_line() -> None:
    """So that no command loads matplotlib before it draws."""
    drawing = (
        *("lenetkit.plots", "lenetkit.showing"),
        *("lenetkit.runs.pictures", "lenetkit.comparison.curves", "lenetkit.reporting"),
    )
    eager = [
        name
        for name, found in IMPORTS.items()
        for i in found
        if within(i.module, *drawing) and not i.lazy and not i.typing and not within(name, *drawing)
    ]
    assert set(eager) <= {"lenetkit.cli.plot"}
    anyhow = {
        name for name, found in IMPORTS.items() for i in found if within(i.module, "lenetkit.plots")
    }
    assert {
        n for n in anyhow if not within(n, "lenetkit.plots", "lenetkit.cli", *drawing, *PLOTTING)
    } == set()


PLOTTING = (
    *("lenetkit.training.evaluation", "lenetkit.model.model"),
    *("lenetkit.runs.rates", "lenetkit.runs.run", "lenetkit.comparison.comparison"),
    "lenetkit.diagnosis.telling",
)
"""Modules with a `plot` or `figure` method."""


def imported_by(program: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after a program."""
    code = f"{program}\nimport sys; print(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


HEAVY = {
    *("numpy", "yaml", "click", "matplotlib", "PIL", "safetensors", "tqdm", "tabulate"),
    *("jinja2", "IPython"),
}


def test_import_lenetkit_imports_no_library() -> None:
    assert imported_by("import lenetkit; lenetkit.__version__; dir(lenetkit)") & HEAVY == set()


def test_the_command_line_itself_imports_only_click() -> None:
    assert imported_by("import lenetkit.cli.main") & HEAVY == {"click"}


def test_a_plan_imports_only_numpy_and_yaml() -> None:
    assert imported_by("import lenetkit; lenetkit.load_plan('lenet5')") & HEAVY == {"numpy", "yaml"}


@pytest.mark.parametrize("name", [name for name in lenetkit.__all__ if name != "__version__"])
def test_public_names_exist(name: str) -> None:
    assert getattr(lenetkit, name).__name__ == name


def test_unknown_public_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'lenetkit' has no attribute 'spam'"):
        lenetkit.spam  # noqa: B018
