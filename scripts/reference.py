"""Pages of the documentation that are made, not written: a hook of MkDocs.

The reference of the spec comes from the registry, that of the commands from the commands; notebooks
and documents of the root become pages.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from lenetkit.cli.main import cli
from lenetkit.data.source import DataSource
from lenetkit.data.transforms import Transform
from lenetkit.initializers import Initializer
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.optimizers import Optimizer
from lenetkit.options import Configurable, Option, options_of
from lenetkit.registry.catalog import BUILTIN, installed
from lenetkit.schedules import Schedule
from lenetkit.spec.sections import DEFAULTS, DataOptions, Head, LayerOptions, TrainSpec
from lenetkit.values import show

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 78
"""Columns of a command's help."""

KINDS: dict[str, tuple[str, Sequence[type[Configurable]]]] = {
    "layers": ("Layers", [Layer]),
    "losses": ("Losses", [Loss]),
    "optimizers": ("Optimizers and schedules", [Optimizer, Schedule]),
    "initializers": ("Initializers", [Initializer]),
    "data": ("Data sets and transforms", [DataSource, Transform]),
    "kernels": ("Kernel sets", [Kernels]),
}
"""Page → its title, and the kinds of plugin on it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    pages = {
        "architecture.md": root_page("ARCHITECTURE.md"),
        "changelog.md": root_page("CHANGELOG.md"),
        "zh/index.md": root_page("README.zh-CN.md", up="../"),
        "reference/spec.md": spec_page(),
        "reference/commands.md": commands_page(),
    }
    pages |= {f"reference/{name}.md": kind_page(*what) for name, what in KINDS.items()}
    notebooks = sorted((ROOT / "examples").glob("*.ipynb"))
    pages |= {f"examples/{path.stem}.md": notebook_page(path) for path in notebooks}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    for path in notebooks:
        files.append(File.generated(config, f"examples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links from `docs/` to the notebooks, which the site has as pages."""
    if page.file.src_uri != "notebooks.md":
        return markdown
    return re.sub(r"\]\(\.\./examples/([\w-]+)\.ipynb\)", r"](examples/\1.md)", markdown)


def root_page(name: str, up: str = "") -> str:
    """A document of the root as a page, its links as seen from there; `up` leads to docs/."""
    text = (ROOT / name).read_text("utf-8")
    text = re.sub(r"\]\(docs/([^)]+)\)", rf"]({up}\1)", text)
    text = re.sub(r"\]\(examples/([\w-]+)\.ipynb\)", rf"]({up}examples/\1.md)", text)
    return text.replace("](ARCHITECTURE.md)", f"]({up}architecture.md)").replace(
        "](README.md)", f"]({up}index.md)"
    )


def notebook_page(path: Path) -> str:
    """A notebook with its outputs, and a link to the file itself."""
    heading, *others = json.loads(path.read_text("utf-8"))["cells"]
    parts = [*cell_parts(heading), f"[The notebook]({path.name}), to run it yourself."]
    return "\n\n".join([*parts, *(part for cell in others for part in cell_parts(cell))])


def cell_parts(cell: dict[str, Any]) -> Iterator[str]:
    """A cell's text, or its code and what it gave."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        source = source.replace("](../docs/", "](../")
        yield re.sub(r"\]\(([\w-]+)\.ipynb\)", r"](\1.md)", source)
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        found = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
        if "text/html" in found:
            yield found["text/html"].strip()
        elif "image/png" in found:
            yield f'<img alt="" src="data:image/png;base64,{found["image/png"].strip()}">'
        else:
            text = "".join(output.get("text", [])) or found.get("text/plain", "")
            yield f"```text\n{text.rstrip()}\n```"


def spec_page() -> str:
    """The keys of a spec that belong to no type."""
    sections = {
        "At the top": (Head, "Beside `layers`, `data` and `train`, and `extends` in a file."),
        "Every layer": (LayerOptions, "Beside `type` and the options of its type."),
        "data": (DataOptions, "Beside `type` and the options of its type."),
        "train": (TrainSpec, "How the network is trained."),
    }
    parts = ["# The spec", ""]
    parts += [
        "Whatever a plugin can provide is written in the same way: `TYPE`, or",
        "`{type: TYPE, option: value}`. The types are on the pages of this reference;",
        "`lenetkit plugins` lists those of what you have installed.",
        "",
    ]
    for title, (cls, text) in sections.items():
        parts += [f"## {title}", "", text, "", *options_table(options_of(cls), DEFAULTS), ""]
    return "\n".join(parts)


def kind_page(title: str, bases: Sequence[type[Configurable]]) -> str:
    """Every type of some kinds: what it computes, and its options."""
    parts = [f"# {title}", ""]
    for base in bases:
        if len(bases) > 1:
            parts += [f"## {base.kind.capitalize()}s", ""]
        registry = installed().registry(base)
        for entry in sorted(registry.entries(), key=lambda entry: entry.name):
            if entry.provider.distribution == BUILTIN:
                parts += type_section(entry.name, registry.get(entry.name), 2 + (len(bases) > 1))
    return "\n".join(parts)


def type_section(name: str, cls: type[Configurable], level: int) -> list[str]:
    """One type."""
    options = options_of(cls)
    table = [*options_table(options), ""] if options else ["No options.", ""]
    return [f"{'#' * level} {name} {{ #{name} }}", "", prose(inspect.getdoc(cls) or ""), "", *table]


def prose(text: str) -> str:
    """A docstring as Markdown: its formulas are text, its indented blocks are code."""
    return re.sub(r"(?<!`)([*<>])(?!`)", r"\\\1", text)


def options_table(options: Sequence[Option], types: Mapping[str, str] = {}) -> list[str]:
    """The options as rows: name, what is expected, default, what it is for.

    `types` are the defaults of keys that a spec need not have.
    """
    rows = [
        f"| `{opt.name}` | {cell(expected(opt))} | "
        f"{f'`{types[opt.name]}`' if opt.name in types else default(opt)} | {cell(opt.doc)} |"
        for opt in options
    ]
    return ["| option | expected | default | |", "|---|---|---|---|", *rows]


def expected(opt: Option) -> str:
    """What an option takes; a kind of plugin leads to its page."""
    text = opt.expected
    for name, (_, bases) in KINDS.items():
        for base in bases:
            link = rf"[{base.kind}\g<s>]({name}.md)"
            text = re.sub(rf"\b{base.__name__}(?P<s>s?)\b", link, text)
    return text


def default(opt: Option) -> str:
    """The default value as a spec writes it."""
    if opt.required:
        return "required"
    value: Any = opt.default
    if isinstance(value, Configurable):
        return f"`{installed().identity(value)[0]}`"
    return "" if value is None else f"`{show(value)}`"


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def commands_page() -> str:
    """The help of every command, as the command prints it."""
    intro = (
        "Progress and warnings go to standard error, results to standard output. Exit status:\n"
        "0 done; 1 it failed while running; 2 the input (spec, option, file) is wrong; 128 + the\n"
        "signal's number where a signal ended it, 130 for Ctrl-C.\n"
    )
    parts = ["# Commands", "", intro]
    for path, text in helps(cli, "lenetkit"):
        level = min(len(path.split()), 3)
        parts += [f"{'#' * max(level, 2)} {path}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(parts)


def helps(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """A command's and its subcommands' names and help texts, in order."""
    context = click.Context(command, info_name=path, max_content_width=WIDTH, terminal_width=WIDTH)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (inner := command.get_command(context, name)) is not None:
                yield from helps(inner, f"{path} {name}")
