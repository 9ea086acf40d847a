"""Nothing that a stranger wrote reaches a terminal raw, whichever command prints it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from lenetkit import cli as cli_room
from lenetkit.cli.main import cli
from lenetkit.runs.run import Run
from tests.cli.conftest import Call
from tests.support import hostile_text
from tests.support.hostile_text import EVIL, NAME, forbidden

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")

WITH = ("--plugin", "{plugin}")
NOTES = (
    *("--set", "train.optimizer=notes", "--set", "layers.pool1.type=avg_pool2d"),
    *("--set", "layers.drop1=null", "--set", "loss=curved", "--epochs", "1"),
)
FORWARD = "layers.relu1={{type: raises, where: forward}}"
CALLS: dict[str, Sequence[tuple[str, ...]]] = {
    "summary": [
        ("{broken}",),
        ("{spec}", "--set", f"layers.{EVIL}=1", "--set", f"name={EVIL}"),
        ("{spec}", "--set", FORWARD.replace("forward", "shape"), *WITH),
        ("{spec}", "--set", FORWARD.replace("forward", "plan"), *WITH),
        ("{spec}", "--set", FORWARD.replace("forward", "options"), *WITH),
        ("{spec}", "--set", "layers.relu1=raises", "--json", *WITH),
        (f"{{folder}}/{NAME}",),
        ("{model}",),
    ],
    "spec": [("{spec}",), ("{broken}",), ("{spec}", "--set", "layers.relu1=raises", *WITH)],
    "schema": [WITH],
    "train": [
        ("{spec}", "--data-dir", "{idx}", "--out", f"{{folder}}/{NAME}"),
        ("{spec}", "--data-dir", f"{{folder}}/{NAME}/no"),
        ("{spec}", "--data-dir", "{pictures}", "--set", "data.type=folder"),
        ("{spec}", "--data-dir", "{idx}", *NOTES, *WITH),
        ("{spec}", "--data-dir", "{idx}", "--set", FORWARD, *WITH),
        ("{spec}", "--set", "data=source", *WITH),
        ("{spec}", "--data-dir", "{idx}", "--init-from", "{model}"),
        ("--resume", "{run}", "--set", f"name={EVIL}"),
        ("--resume", f"{{folder}}/{NAME}"),
    ],
    "bench": [
        ("{broken}",),
        ("{spec}", "--steps", "1", "--set", FORWARD, *WITH),
        ("{spec}", "--steps", "1", "--kernels", EVIL),
    ],
    "diagnose": [
        ("{broken}",),
        ("{spec}", "--data-dir", "{idx}", "--steps", "2", "--set", f"name={EVIL}"),
        ("{spec}", "--data-dir", "{idx}", "--steps", "2", "--json"),
        ("{spec}", "--data-dir", "{idx}", "--out", f"{{folder}}/{NAME}.svg"),
        ("{spec}", "--data-dir", "{idx}", "--set", FORWARD, *WITH),
        ("{spec}", "--data-dir", "{idx}", *NOTES[:-2], "--steps", "2", *WITH),
    ],
    "evaluate": [
        ("{model}", "--data-dir", "{idx}"),
        ("{model}", "--data-dir", "{idx}", "--json"),
        ("{model}", "--data-dir", "{pictures}", "--data", "folder"),
        ("{model}", "--data", EVIL),
        ("{lost}",),
    ],
    "predict": [
        ("{model}", "{pictures}/test/" + NAME, "--show", "{folder}/seen.svg"),
        ("{model}", "{pictures}/test/" + NAME, "--json"),
        ("{model}", f"{{folder}}/no{NAME}"),
        ("{lost}", "{pictures}"),
    ],
    "plot": [("{run}",), (f"{{folder}}/{NAME}",)],
    "show": [
        ("{model}", "--out", f"{{folder}}/{NAME}.svg"),
        ("{model}", "--what", "filters", "--layer", EVIL),
        ("{model}", "--what", "features", "--image", "{pictures}/test/" + NAME + f"/0{NAME}.png"),
        ("{model}", "--what", "saliency", "--data-dir", "{idx}"),
        ("{model}", "--what", "saliency", "--image", f"{{folder}}/no{NAME}"),
        ("{broken}",),
        ("{lost}",),
    ],
    "runs": [("{folder}",), ("{folder}", "--json"), (f"{{folder}}/{NAME}",)],
    "compare": [
        ("{run}", "{run}"),
        ("{run}", "{other}", "--json"),
        ("{run}", "{other}", "--format", "csv"),
        ("{run}", "{other}", "--format", "latex", "--out", f"{{folder}}/{NAME}.svg"),
        ("{run}", f"{{folder}}/{NAME}"),
        ("{run}", "{damaged}"),
    ],
    "report": [
        ("{run}", "--data-dir", "{idx}", "--out", f"{{folder}}/{NAME}.html"),
        ("{run}", "{other}", "--out", f"{{folder}}/{NAME}.html", "--lang", "zh"),
        ("{run}", "--out", f"{{folder}}/{NAME}.pdf"),
        (f"{{folder}}/{NAME}",),
        ("{damaged}",),
    ],
    "data fetch": [("{spec}", "--data-dir", "{idx}"), ("{spec}", "--set", "data=source", *WITH)],
    "data info": [
        ("{spec}", "--data-dir", "{idx}"),
        ("{spec}", "--data-dir", "{idx}", "--json"),
        ("{spec}", "--data-dir", "{pictures}", "--set", "data.type=folder"),
        ("{spec}", "--data-dir", "{pictures}"),
    ],
    "data show": [("{spec}", "--data-dir", "{idx}", "--out", f"{{folder}}/{NAME}.svg")],
    "plugins list": [WITH, ("--json", *WITH)],
    "plugins info": [("raises", *WITH), ("raises", "--json", *WITH), (EVIL, *WITH), (f"no{EVIL}",)],
    "plugins check": [("{plugin}", "--verbose"), ("{plugin}", "--json"), (EVIL,)],
    "plugins new": [(EVIL,), ("a-name", "--out", f"{{folder}}/{NAME}")],
}
"""What each command is asked to do with hostile files; texts are formatted with their names."""


def leaves(command: click.Command, name: str = "") -> Iterator[str]:
    """The names of all commands that print something of their own."""
    if not isinstance(command, click.Group):
        yield name.strip()
        return
    context = click.Context(command)
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        assert found is not None
        yield from leaves(found, f"{name} {below}")


def test_every_command_is_tried() -> None:
    assert set(CALLS) == set(leaves(cli))


@pytest.fixture
def files(tmp_path: Path, make_idx: object, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Hostile files by name."""
    monkeypatch.setattr(Run, "plot", lambda run: [])
    folder = tmp_path / "hostile"
    folder.mkdir()
    idx = make_idx()  # type: ignore[operator]
    for name, text in (("spec", hostile_text.spec()), ("broken", hostile_text.broken_spec())):
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    once = {"train.epochs": 1}
    run = Run.create(folder / "spec.yaml", out=folder / "run", data_dir=idx, set=once)
    run.train(pictures=False)
    shutil.copytree(folder / "run", folder / NAME / "other")
    spec = (folder / "run" / "spec.yaml").read_text("utf-8")
    evil = json.dumps(EVIL)
    other = spec.replace("relu1: relu", f"relu1: {{type: {evil}, {evil}: {evil}}}")
    assert other != spec
    (folder / NAME / "other" / "spec.yaml").write_text(other, "utf-8")
    result = folder / "damaged" / "result.json"
    result.parent.mkdir()
    result.write_text(json.dumps({"name": EVIL, EVIL: EVIL, "dataset": EVIL}), "utf-8")
    own = folder / "run" / "model.safetensors"
    hostile = hostile_text.rewritten(own, folder / "m.safetensors", hostile_text.hostile_metadata)

    def lost(texts: dict[str, str]) -> None:
        hostile_text.hostile_metadata(texts)
        texts["spec"] = texts["spec"].replace("relu1: relu", f"relu1: {json.dumps(EVIL)}")

    return {
        "spec": str(folder / "spec.yaml"),
        "broken": str(folder / "broken.yaml"),
        "folder": str(folder),
        "idx": str(idx),
        "run": str(folder / "run"),
        "other": str(folder / NAME / "other"),
        "damaged": str(folder / "damaged"),
        "model": str(hostile),
        "lost": str(hostile_text.rewritten(own, folder / "lost.safetensors", lost)),
        "pictures": str(hostile_text.pictures(folder / "pictures")),
        "plugin": str(hostile_text.plugin(folder / "evil.py")),
    }


@pytest.mark.parametrize("command", CALLS)
def test_no_text_of_others_commands_the_terminal(
    call: Call, files: dict[str, str], command: str
) -> None:
    for arguments in CALLS[command]:
        words = [word.format(**files) for word in arguments]
        said = call(*command.split(), *words)
        assert said.out or said.err, words
        assert not forbidden(said.out), words
        assert not forbidden(said.err), words
        if "--json" in words and said.out:
            json.loads(said.out)


def test_the_hostile_plugin_runs_as_far_as_it_is_meant_to(
    call: Call, files: dict[str, str]
) -> None:
    plugin = files["plugin"]
    names = [row["name"] for row in call("plugins", "list", "--json", "--plugin", plugin).json]
    assert {"raises", "source", "notes", EVIL} <= set(names)
    (info,) = call("plugins", "info", "raises", "--json", "--plugin", plugin).json
    assert EVIL in info["options"][0]["doc"]
    forward = FORWARD.replace("{{", "{").replace("}}", "}")
    said = call(
        "train", files["spec"], "--data-dir", files["idx"], "--set", forward, "--plugin", plugin
    )
    assert "RuntimeError: é\\x1b]0;title" in said.err
    told = call("train", files["spec"], "--data-dir", files["idx"], *NOTES, "--plugin", plugin)
    assert told.status == 0
    assert "epoch 1: é\\x1b" in told.err


def source_files() -> Iterator[Path]:
    """The modules of the command line."""
    return Path(cli_room.__file__).parent.rglob("*.py")


def test_everything_is_printed_by_one_function() -> None:
    direct = re.compile(r"\bprint\(|click\.(echo|secho|style)\b|std(out|err)\.write")
    found = [path.name for path in source_files() if direct.search(path.read_text("utf-8"))]
    assert found == ["output.py"]


def test_what_others_write_to_the_streams_is_escaped_too(tmp_path: Path) -> None:
    """Warnings, tracebacks, plugins; and a progress bar still moves the cursor."""
    code = (
        "import sys, warnings, logging\n"
        "from lenetkit.cli import main\n"
        f"evil = {EVIL.replace(chr(10), '')!r}\n"
        "def run(arguments):\n"
        "    print(evil); warnings.warn(evil); logging.error(evil)\n"
        "    sys.stderr.unescaped().write('\\rbar')\n"
        "    raise RuntimeError(evil)\n"
        "main.run = run\n"
        "main.main()\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert not forbidden(said.stdout.decode())
    err = said.stderr.decode()
    assert not forbidden(err.replace("\rbar", ""))
    assert "\rbar" in err
    assert err.count("\\x1b]0;title") >= 3
