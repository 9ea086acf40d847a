"""Whose code raised: the plugin's, which is then named with file and line, or lenetkit's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from lenetkit.errors import LenetkitError, PluginError, cause, is_ctrl_c
from lenetkit.options import Configurable, kind_of
from lenetkit.registry.catalog import BUILTIN, Catalog, Provider, installed


class ContractError(RuntimeError):
    """A layer or kernel set gave what its contract does not allow."""


def identity(thing: Configurable, catalog: Catalog) -> tuple[str, Provider | None]:
    """The registered name of a layer, kernel set, … and its provider; its class name where it has
    none.
    """
    registry = catalog.registry(kind_of(thing))
    try:
        name = registry.name_of(type(thing))
        return name, registry.entry(name).provider
    except PluginError:
        return type(thing).__name__, None


def expect_own(error: BaseException, where: str, authors: Sequence[Configurable]) -> None:
    """Raise PluginError where what was raised is the doing of a plugin among `authors`.

    The innermost line of code that is one of theirs decides; where there is none, it is the
    first author's. Lets pass what lenetkit's own code raised, the user's Ctrl-C, and what is a
    PluginError already.
    """
    if is_ctrl_c(error) or isinstance(error, PluginError):
        return
    foreign = {_package(type(thing).__module__): thing for thing in reversed(authors)}
    foreign.pop(BUILTIN, None)
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    lines = [line for _, line in walk_tb(error.__traceback__)]
    for frame, line in zip(reversed(frames), reversed(lines), strict=True):
        package = _package(str(frame.f_globals.get("__name__", "")))
        if package in foreign:
            raise _fault(error, where, foreign[package], _place(frame, line)) from error
    if authors[0] in foreign.values():
        raise _fault(error, where, authors[0], "") from error


@contextmanager
def naming_plugins() -> Iterator[None]:
    """What the code of any plugin raises inside the block, as a PluginError; see `expect_none`."""
    try:
        yield
    except BaseException as error:
        expect_none(error)
        raise


def expect_none(error: BaseException) -> None:
    """Raise PluginError where the code of any plugin raised this: a loss, an optimizer, …

    The innermost line of code that is a plugin's decides. Lets pass what is said in words already,
    the user's Ctrl-C, a lack of memory, and a reader who has gone.
    """
    if is_ctrl_c(error) or isinstance(error, (LenetkitError, MemoryError, BrokenPipeError)):
        return
    entries = [entry for group in installed().entries().values() for entry in group]
    providers = {_package(entry.target.partition(":")[0]): entry.provider for entry in entries}
    providers.pop(BUILTIN, None)
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        package = _package(str(frame.f_globals.get("__name__", "")))
        if package in providers:
            where = f"{providers[package]}: {frame.f_code.co_name}"
            raise PluginError(f"{where}: {cause(error)}{_place(frame, line)}") from error


def _package(module: str) -> str:
    return module.partition(".")[0]


def _place(frame: FrameType, line: int) -> str:
    return f" ({Path(frame.f_code.co_filename).name}:{line})"


def _fault(error: BaseException, where: str, author: Configurable, place: str) -> PluginError:
    name, provider = identity(author, installed())
    what = str(error) if isinstance(error, ContractError) else cause(error)
    return PluginError(f"{where} of {name} of {provider or 'this process'}: {what}{place}")
