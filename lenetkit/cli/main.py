"""The command line. Each command lives in a module of its own, imported when it is called."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
from click.exceptions import NoArgsIsHelpError

from lenetkit._version import __version__
from lenetkit.cli.groups import LazyGroup
from lenetkit.cli.streams import named, unfailing
from lenetkit.errors import LenetkitError, SpecError, cause, did_you_mean, is_ctrl_c
from lenetkit.files.opening import printable
from lenetkit.runs.interrupt import INTERRUPTED, leave

_COMMANDS = {
    "summary": "Show a network layer by layer: shapes, parameters, cost.",
    "train": "Train a network and write a run folder.",
    "bench": "Measure where the time of a step goes, layer by layer.",
    "evaluate": "Measure a trained model on a data set.",
    "predict": "Read the digits in image files.",
    "plot": "Draw a run's pictures again.",
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
    """Run a command; end with the exit status that its outcome has."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # what it cannot write, it shows escaped
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if sys.stdout is not None:
        sys.stdout = named(sys.stdout, "standard output")
    if sys.stderr is not None:
        sys.stderr = unfailing(sys.stderr)
    status = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all that is left is to end
    if status == INTERRUPTED:
        leave()
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command; the exit status: 0 done, 2 wrong input, 1 failed, 130 interrupted."""
    output = sys.stdout
    try:
        status = _called(arguments)
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        for line in _wrong_call(error, arguments):
            click.echo(line, err=True)
        return error.exit_code
    except LenetkitError as error:
        for problem in error.problems if isinstance(error, SpecError) else [error]:
            click.echo(f"error: {_with_printable_names(str(problem), arguments)}", err=True)
        return error.exit_status
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D at a prompt
            raise error.__cause__ from None
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except SystemExit as error:
        if sys.stdout is not output:  # click replaces it where nobody reads it, and exits
            return _unread()
        click.echo(f"error: a plugin ended the program ({cause(error)})", err=True)
        return 1
    except BrokenPipeError:
        return _unread()
    except MemoryError as error:
        click.echo(f"error: not enough memory ({cause(error)}); try a smaller batch_size", err=True)
        return 1
    except OSError as error:
        where = f"{printable(str(error.filename))}: " if error.filename else ""
        if not where and _is_nowhere():
            click.echo("error: the current folder is gone; go to one that exists", err=True)
            return 2
        click.echo(f"error: {where}{error.strerror or cause(error)}", err=True)
        return 1
    except Exception as error:
        if not is_ctrl_c(error):
            raise
        click.echo("\ninterrupted", err=True)
        return INTERRUPTED
    return status if isinstance(status, int) else 0


def _called(arguments: list[str]) -> object:
    try:
        return cli.main(arguments, prog_name="lenetkit", standalone_mode=False)
    except (click.ClickException, click.Abort):
        raise
    except BaseException as error:
        if "lenetkit.registry.catalog" in sys.modules:  # else no plugin has been at work
            from lenetkit.registry.catalog import installed

            installed().blame(error)
        raise


def _wrong_call(error: click.ClickException, arguments: list[str]) -> Iterator[str]:
    """What click found wrong, said as lenetkit says it, and how the call should look."""
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption):
        meant = did_you_mean(error.option_name, error.possibilities or ())
        message = f"no such option '{error.option_name}'{meant}"
    yield f"error: {message[:1].lower()}{message[1:]}"
    for name in arguments if isinstance(error, click.NoSuchOption) else ():
        if name.startswith("-") and Path(name).exists():
            yield f"  a file whose name begins with - is written .{os.sep}{name}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        usage = [error.ctx.command_path, *error.ctx.command.collect_usage_pieces(error.ctx)]
        yield f"  usage: {' '.join(usage)}; options: {error.ctx.command_path} --help"


def _unread() -> int:
    """Whoever read our output, such as `head`, has had enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _with_printable_names(message: str, arguments: list[str]) -> str:
    """The message, line ends and the like escaped in what stands there as it was given."""
    given = [part for argument in arguments for part in (argument, argument.partition("=")[2])]
    for name in sorted(
        (g for g in given if g.strip() and not g.isprintable()), key=len, reverse=True
    ):
        for form in (name, str(Path(name))):
            message = message.replace(form, printable(form))
    return message


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
