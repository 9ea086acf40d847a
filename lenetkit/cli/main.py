"""The command line. Each command is a module, imported when it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from lenetkit._version import __version__
from lenetkit.cli.groups import LazyGroup
from lenetkit.cli.output import echo, report
from lenetkit.cli.streams import PLAIN, named, unfailing
from lenetkit.cli.surroundings import settle
from lenetkit.errors import LenetkitError, SpecError, cause, did_you_mean, is_ctrl_c
from lenetkit.runs import interrupt
from lenetkit.text import printable, printable_lines

_COMMANDS = {
    "summary": "Show a network layer by layer: shapes, parameters, cost.",
    "train": "Train a network and write a run folder.",
    "bench": "Measure where the time of a step goes, layer by layer.",
    "evaluate": "Measure a trained model on a data set.",
    "predict": "Read the digits in image files.",
    "diagnose": "Say what keeps a network from learning, and the cure.",
    "plot": "Redraw a run's pictures.",
    "show": "Draw a network: its architecture, weights, feature maps, saliency.",
    "runs": "List the runs in a folder.",
    "compare": "Show what differs between runs, and how good they are.",
    "report": "Write an HTML report of one or more runs, to hand in.",
    "data": "Fetch, show and describe data sets.",
    "plugins": "List every registered layer, optimizer, … and who provides it.",
    "spec": "Print a spec with everything resolved, as YAML.",
    "schema": "Print a JSON Schema of specs, for editors.",
}


@click.group(
    cls=LazyGroup,
    package="lenetkit.cli",
    summaries=_COMMANDS,
    epilog="SPEC is a YAML file or the bare name of a shipped spec, such as lenet5.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="lenetkit")
def cli() -> None:
    """LeNet-5 and its relatives on NumPy.

    \b
    lenetkit summary lenet5         the network as a table
    lenetkit train lenet5           train it on MNIST
    """


def main() -> NoReturn:
    """Run a command and exit with its status."""
    settle()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors=PLAIN)  # type: ignore[union-attr]
    if sys.stdout is not None:
        sys.stdout = named(sys.stdout, "standard output")
    if sys.stderr is not None:
        sys.stderr = unfailing(sys.stderr)
    status = run(sys.argv[1:])
    interrupt.ignore()
    if status == interrupt.status():
        interrupt.leave()
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command; the exit status: 0 done, 2 wrong input, 1 failed, 130 interrupted."""
    interrupt.forget()
    output = sys.stdout
    try:
        status = _call(arguments)
    except BaseException as error:
        unread = isinstance(error, SystemExit) and sys.stdout is not output
        if unread or isinstance(error, BrokenPipeError):  # click replaces stdout, then exits
            return _discard_output()
        outcome = _outcome(error, arguments)
        if outcome is None:
            raise
        status, messages = outcome
        for message in messages:
            report(_with_printable_names(message, arguments))
    return status if isinstance(status, int) else 0


def _call(arguments: list[str]) -> object:
    try:
        return cli.main(arguments, prog_name="lenetkit", standalone_mode=False)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D at a prompt
            raise error.__cause__ from None
        raise
    except click.ClickException:
        raise
    except BaseException as error:
        if "lenetkit.registry.catalog" in sys.modules:  # else no plugin has been at work
            from lenetkit.registry.catalog import installed

            installed().blame(error)
        raise


def _outcome(error: BaseException, arguments: list[str]) -> tuple[int, list[str]] | None:
    """The exit status and the messages that an error ends a command with; None for a bug."""
    match error:
        case NoArgsIsHelpError():
            echo(error.format_message(), err=True)
            return error.exit_code, []
        case click.ClickException():
            return error.exit_code, [_wrong_call(error, arguments)]
        case LenetkitError():
            problems = error.problems if isinstance(error, SpecError) else [error]
            return error.exit_status, [f"error: {problem}" for problem in problems]
        case click.Abort() | KeyboardInterrupt():
            return interrupt.status(), [interrupt.words()]
        case SystemExit():
            return 1, [f"error: a plugin ended the program ({cause(error)})"]
        case MemoryError():
            return 1, [f"error: not enough memory ({cause(error)})"]
        case OSError() if error.filename:
            name = printable(error.filename)
            return 1, [f"error: {name}: {error.strerror or cause(error)}"]
        case OSError() if _folder_is_gone():
            return 2, ["error: the current folder is gone; go to one that exists"]
        case OSError():
            return 1, [f"error: {error.strerror or cause(error)}"]
        case Exception() if is_ctrl_c(error):
            return interrupt.status(), [f"\n{interrupt.words()}"]
        case _:
            return None


def _wrong_call(error: click.ClickException, arguments: list[str]) -> str:
    """What click found wrong, in lenetkit's style, and the right usage."""
    message = error.format_message().rstrip(".")
    lines = []
    if isinstance(error, click.NoSuchOption):
        option = _as_written(error.option_name, arguments)
        message = f"no such option '{option}'{_meant(option, error)}"
        files = [name for name in arguments if name.startswith("-") and Path(name).exists()]
        lines = [f"  write a file name that starts with - as .{os.sep}{name}" for name in files]
    if isinstance(error, click.UsageError) and error.ctx is not None:
        usage = [error.ctx.command_path, *error.ctx.command.collect_usage_pieces(error.ctx)]
        lines.append(f"  usage: {' '.join(usage)}; options: {error.ctx.command_path} --help")
    return "\n".join([f"error: {message[:1].lower()}{message[1:]}", *lines])


def _as_written(option: str, arguments: list[str]) -> str:
    """An option as the user wrote it: click reads `-lr` as `-l`."""
    if option in arguments or len(option) != 2:
        return option
    return next((word for word in arguments if word.startswith(option)), option).partition("=")[0]


def _meant(option: str, error: click.NoSuchOption) -> str:
    """What an unknown option may mean."""
    if error.ctx is None or isinstance(error.ctx.command, click.Group):
        return did_you_mean(option, error.possibilities or ())
    from lenetkit.cli.unknown import hint  # imports the registry

    return hint(option, error.ctx.command)


def _discard_output() -> int:
    """Stop writing to a reader that has stopped reading, such as `head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _with_printable_names(message: str, arguments: list[str]) -> str:
    """The message with line breaks and the like escaped in any argument that it quotes."""
    given = [part for argument in arguments for part in (argument, argument.partition("=")[2])]
    odd = [name for name in given if name.strip() and not name.isprintable()]
    for name in sorted(odd, key=len, reverse=True):
        for form in (name, str(Path(name))):
            for quoted in (form, printable_lines(form)):  # lenetkit's own errors have the latter
                message = message.replace(quoted, printable(form))
    return message


def _folder_is_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
