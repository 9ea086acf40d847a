"""`~` is the home folder wherever a path is read."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

import lenetkit
from lenetkit.cli.arguments import UserPath
from lenetkit.cli.main import cli
from lenetkit.errors import InputError, LenetkitWarning
from lenetkit.files.opening import user_path
from lenetkit.testing.commands import run_command
from tests.support.specs import SMALL

MakeIdx = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path, make_idx: MakeIdx, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a spec and data, which is not the current folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.move(make_idx(), folder / "digits")
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


def test_a_leading_tilde_is_the_home_folder_and_others_are_not(home: Path, tmp_path: Path) -> None:
    assert user_path("~") == home
    assert user_path("~/a/~b") == home / "a" / "~b"
    assert user_path(Path("~/a"), Path("elsewhere")) == home / "a"
    assert user_path("a/~") == Path("a/~")
    literal = user_path("./~a")
    assert literal == user_path(literal) == tmp_path / "here" / "~a"
    with pytest.raises(
        InputError, match=r"~nobody-here/a: no such user; .* write ./~nobody-here/a"
    ):
        user_path("~nobody-here/a")


def test_an_empty_path_is_not_the_current_folder(home: Path) -> None:
    words = r"expected a path, found ''; the current folder is \."
    with pytest.raises(InputError, match=words):
        user_path("")
    with pytest.raises(InputError, match=words):
        next(lenetkit.train(lenetkit.build("~/small.yaml"), data_dir=""))
    said = run_command("data", "info", home / "small.yaml", "--data-dir", "")
    assert (said.status, "'--data-dir': expected a path, found ''" in said.err) == (2, True)


def parameters(command: click.Command, name: str) -> Iterator[tuple[str, click.Parameter]]:
    """All parameters of a command and of those below it."""
    context = click.Context(command)
    for parameter in command.params:
        yield f"{name} {parameter.name}", parameter
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from parameters(found, f"{name} {below}")


def test_every_path_on_the_command_line_is_a_users() -> None:
    kinds = {name: type(p.type) for name, p in parameters(cli, "lenetkit")
             if isinstance(p.type, click.Path)}  # fmt: skip
    assert len(kinds) > 10
    assert set(kinds.values()) == {UserPath}, kinds


def test_options_specs_and_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = importlib.import_module("lenetkit.cli.main").run
    arguments = ["train", "~/small.yaml", "--quiet", "--epochs", "1"]
    assert run([*arguments, "--data-dir=~/digits", "--out=~/a"]) == 0
    assert run([*arguments, "--set", "data.dir=~/digits", "--out=~/b", "--init-from=~/a"]) == 0
    monkeypatch.setenv("LENETKIT_DATA", "~/digits")
    assert run(["evaluate", "~/a/model.safetensors"]) == 0
    assert sorted(path.name for path in home.iterdir()) == ["a", "b", "digits", "small.yaml"]
    assert not list(Path().iterdir())
    capsys.readouterr()


def test_from_python(home: Path) -> None:
    (home / "mine.yaml").write_text("lenetkit: 1\nextends: ~/small.yaml\nname: mine\n", "utf-8")
    run = lenetkit.Run.create(
        "~/mine.yaml", out="~/a", data_dir="~/digits", set={"train.epochs": 1}
    )
    run.train(pictures=False)
    lenetkit.load("~/a").save("~/copy.safetensors")
    assert (home / "copy.safetensors").is_file()
    set_ = {"train.epochs": 2}
    with pytest.warns(LenetkitWarning, match="learning rate rises"):
        run = lenetkit.Run.resume("~/a", data_dir="~/digits", set=set_)
    run.train(pictures=False)
    network = lenetkit.build("~/mine.yaml")
    next(lenetkit.train(network, data_dir="~/digits"))
