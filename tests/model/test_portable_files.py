"""A model file decides nothing about this computer's disk, and tells nothing of its maker's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import lenetkit
from lenetkit.errors import MissingDataError, ModelFileError
from lenetkit.files import tensorfile
from lenetkit.registry.catalog import installed
from lenetkit.runs.run import Run
from lenetkit.testing.commands import run_command
from tests.support.hostile_text import rewritten
from tests.support.specs import SMALL

MakeIdx = Callable[..., Path]

PLUGIN = '''\
from dataclasses import dataclass
from pathlib import Path
from lenetkit.authoring import Adam, DataSource, IdxFolder, Place, Transform, option

@dataclass(frozen=True, kw_only=True)
class FromFile(DataSource):
    """Digits in a folder that an option names."""

    where: Path = option(doc="The folder.")
    others: tuple[Path, ...] = option((), doc="More folders.")
    log: Path | None = option(None, doc="A file to write to.")

    def load(self, split, place):
        if self.log is not None:
            self.log.write_text("loaded")
        return IdxFolder(title="from a file").load(split, Place(self.where))

PLUGINS = {"from_file": FromFile}
'''


@pytest.fixture
def spec(tmp_path: Path, make_idx: MakeIdx, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec in a folder of its own, with `dir` relative to it; another folder is current."""
    monkeypatch.setattr(Run, "plot", lambda run: [])
    folder = tmp_path / "specs"
    folder.mkdir()
    make_idx().rename(folder / "digits")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    base = SMALL.replace("title: stripes", "title: stripes, dir: digits")
    (folder / "base.yaml").write_text(base, "utf-8")
    child = "lenetkit: 1\nname: child\nextends: base.yaml\ntrain: {epochs: 1, schedule: constant}\n"
    (folder / "child.yaml").write_text(child, "utf-8")
    return folder / "child.yaml"


def trained(spec: Path, out: str = "run", **others: object) -> Path:
    """The folder of a finished run."""
    with Run.create(spec, out=out, **others) as run:  # type: ignore[arg-type]
        run.train(pictures=False)
    return Path(out)


def test_no_path_of_the_makers_computer_is_in_a_model_file(spec: Path, tmp_path: Path) -> None:
    run = trained(spec)
    assert f"dir: {spec.parent / 'digits'}" in (run / "spec.yaml").read_text("utf-8")
    lenetkit.build(spec).save("saved.safetensors")
    for file in (run / "model.safetensors", Path("saved.safetensors")):
        _, metadata = tensorfile.read(file)
        assert str(tmp_path) not in json.dumps(metadata)
        assert "dir:" not in metadata["spec"]


def test_a_run_resumes_by_its_own_spec(spec: Path) -> None:
    run = trained(spec)
    with Run.resume(run, set={"train.epochs": 2}) as resumed:
        assert resumed.differences == []
        assert resumed.train(pictures=False)["epochs"] == 2


def hostile(run: Path, folder: Path, target: str = "hostile.safetensors") -> Path:
    """The run's model, changed to name a folder."""

    def change(texts: dict[str, str]) -> None:
        texts["spec"] = texts["spec"].replace("  type: idx\n", f"  type: mnist\n  dir: {folder}\n")
        texts["spec"] = texts["spec"].replace("  title: stripes\n", "")
        assert str(folder) in texts["spec"]

    return rewritten(run / "model.safetensors", Path(target), change)


def tree(folder: Path) -> set[Path]:
    """Everything below a folder."""
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("evaluate", "{model}"), 2),
        (("evaluate", "{model}", "--data", "mnist"), 2),
        (("predict", "{model}", "missing.png"), 2),
        (("summary", "{model}"), 2),
        (("train", "{spec}", "--init-from", "{model}", "--out", "new"), 0),
    ],
)
def test_nothing_is_made_or_downloaded_because_a_model_file_says_so(
    spec: Path, tmp_path: Path, command: tuple[str, ...], status: int
) -> None:
    model = hostile(trained(spec), tmp_path / "evil" / "deep")
    before = tree(tmp_path)
    words = [word.format(model=model, spec=spec) for word in command]
    said = run_command(*words)
    assert said.status == status, said.err
    assert {path for path in tree(tmp_path) - before if "new" not in path.parts} == set()
    assert "evil" not in said.out + said.err
    assert "downloading" not in said.err
    assert lenetkit.load(model).plan.spec.data.options.dir is None


def test_evaluate_says_where_data_may_come_from(spec: Path, tmp_path: Path) -> None:
    said = run_command("evaluate", hostile(trained(spec), tmp_path / "evil"))
    assert "nothing is downloaded here: --data-dir says where MNIST is" in said.err
    own = run_command("evaluate", "run", "--data-dir", spec.parent / "digits", "--json")
    assert own.status == 0
    assert own.json["same_as_training"] is True
    assert own.err == ""


def test_a_loaded_model_downloads_nothing_to_learn_from(spec: Path, tmp_path: Path) -> None:
    model = lenetkit.load(hostile(trained(spec), tmp_path / "evil"))
    before = tree(tmp_path)
    with pytest.raises(MissingDataError, match="nothing is downloaded here"):
        model.fit(epochs=1)
    with pytest.raises(MissingDataError, match="nothing is downloaded here"):
        next(lenetkit.train(model))
    assert tree(tmp_path) == before


def test_synthetic_digits_of_a_model_file_are_not_cached(spec: Path, tmp_path: Path) -> None:
    cache = tmp_path.with_name(f"{tmp_path.name}-cache")

    def change(texts: dict[str, str]) -> None:
        old = texts["spec"]
        start, end = old.index("data:"), old.index("train:")
        new = "data: {type: synthetic_digits, train: 3, test: 4, transforms: [scale]}\n"
        texts["spec"] = old[:start] + new + old[end:]

    model = rewritten(trained(spec) / "model.safetensors", Path("m.safetensors"), change)
    assert "drawing 4 synthetic digits\n" in run_command("evaluate", model).err
    assert not cache.exists()


def test_a_run_copied_elsewhere_says_what_is_missing(spec: Path, tmp_path: Path) -> None:
    run = trained(spec)
    text = (run / "spec.yaml").read_text("utf-8")
    gone = tmp_path / "elsewhere" / "digits"
    changed = text.replace(str(spec.parent / "digits"), str(gone)).replace(
        "type: idx", "type: mnist"
    )
    (run / "spec.yaml").write_text(changed.replace("  title: stripes\n", ""), "utf-8")
    said = run_command("train", "--resume", run, "--epochs", "2", "--allow-different")
    assert said.status == 2
    assert f"{gone} does not exist" in said.err
    assert "--data-dir says where" in said.err
    assert not gone.parent.exists()


def test_path_options_of_plugins_are_neither_recorded_nor_obeyed(
    spec: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "from_file.py"
    plugin.write_text(PLUGIN, "utf-8")
    text = SMALL.replace(
        "{type: idx, title: stripes}", "{type: from_file, where: digits, log: log}"
    )
    mine = spec.parent / "mine.yaml"
    mine.write_text(text, "utf-8")
    said = run_command(
        "train", mine, "--plugin", plugin, "--out", "mine", "--quiet", "--epochs", "1"
    )
    assert said.status == 0, said.err
    assert (spec.parent / "log").exists()
    assert f"where: {spec.parent / 'digits'}" in Path("mine/spec.yaml").read_text("utf-8")
    _, metadata = tensorfile.read(Path("mine/model.safetensors"))
    assert str(tmp_path) not in json.dumps(metadata)

    def change(texts: dict[str, str]) -> None:
        texts["spec"] = texts["spec"].replace(
            "type: from_file", f"type: from_file\n  log: {tmp_path / 'evil'}\n  where: /"
        )

    model = rewritten(Path("mine/model.safetensors"), Path("evil.safetensors"), change)
    said = run_command("evaluate", model, "--plugin", plugin)
    assert said.status == 2
    assert "data.where: a model file records no paths; expected --set data.where=PATH" in said.err
    where = f"data.where={spec.parent / 'digits'}"
    said = run_command("evaluate", model, "--plugin", plugin, "--set", where, "--json")
    assert said.status == 0, said.err
    assert said.json["same_as_training"] is True
    assert not (tmp_path / "evil").exists()
    resumed = run_command(
        "train", "--resume", "mine", "--plugin", plugin, "--epochs", "2", "--quiet"
    )
    assert resumed.status == 0, resumed.err
    installed.cache_clear()


def test_a_format_number_of_a_megabyte_is_not_quoted_whole(spec: Path) -> None:
    model = rewritten(
        trained(spec) / "model.safetensors",
        Path("long.safetensors"),
        lambda texts: texts.update(lenetkit="x" * 10**6),
    )
    with pytest.raises(ModelFileError, match="expected model format 1, found xxx") as caught:
        lenetkit.load(model)
    assert len(str(caught.value)) < 1000
