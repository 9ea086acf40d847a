"""`run_command`: the status and output of a command; a plugin file is forgotten after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.testing.commands import RunCommand, run_command, run_command_in_a_folder

__all__ = ["run_command_in_a_folder"]

PLUGIN = """
from lenetkit.authoring import ReLU

class Twin(ReLU):
    "A ReLU under another name."

PLUGINS = {"twin": Twin}
"""


def test_what_a_command_prints_is_captured(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_command("summary", "lenet5", "--json")
    assert (result.status, result.err) == (0, "")
    assert result.json["name"] == "lenet5"
    assert capsys.readouterr() == ("", "")


def test_an_error_has_its_status_and_message() -> None:
    result = run_command("summary", Path("missing.yaml"))
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("error: missing.yaml: ")


def test_the_fixture_runs_commands_in_the_folder_of_the_test(
    run_command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "twin.py").write_text(PLUGIN, "utf-8")
    use = ("--set", "layers.relu1=twin")
    assert run_command("summary", "lenet5", "--plugin", "twin.py", *use).status == 0
    assert "'twin'" in run_command("summary", "lenet5", *use).err
