"""The commands as a user sees them: results, files, exit status, messages."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

import lenetkit
from lenetkit import __version__
from lenetkit.cli.main import cli
from lenetkit.errors import RunError
from lenetkit.files import tensorfile
from lenetkit.runs.folder import METRICS, RunFolder
from lenetkit.runs.run import Run
from lenetkit.training import loop

Call = Callable[..., Any]
COMMANDS = cli.list_commands(click.Context(cli))
PICTURES = (
    "loss.png",
    "loss_epochs.png",
    "accuracy.png",
    "confusion_test.png",
    "confusion_train.png",
    "mistakes.png",
)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, name: str) -> None:
    said = call(name, "--help")
    assert said.status == 0
    assert f"Example: lenetkit {name}" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_matches_their_help(call: Call, name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    line = next(line for line in call("--help").out.splitlines() if line.split()[:1] == [name])
    assert command is not None
    assert " ".join(line.split()[1:]) == (command.help or "").split("\n\n")[0].replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--accuracy-from", "0.9"), "expected percent; for 0.9, write 90"),
        (("--accuracy-from", "100"), "--accuracy-from"),
        (("--format", "jpg"), "'png', 'pdf', 'svg'"),
    ],
)
def test_plot_refuses_what_it_cannot_draw(call: Call, options: tuple[str, str], said: str) -> None:
    result = call("plot", ".", *options)
    assert result.status == 2
    assert said in result.err


def test_version(call: Call) -> None:
    assert call("--version").out == f"lenetkit, version {__version__}\n"


def test_help_imports_no_numpy() -> None:
    code = (
        "import sys; from lenetkit.cli.main import run; run(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'yaml', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_summary_of_lenet5(call: Call) -> None:
    said = call("summary", "lenet5")
    assert said.status == 0
    assert "lenet5: input 1×28×28" in said.out
    conv1 = next(line for line in said.out.splitlines() if line.startswith("conv1"))
    assert conv1.split()[:5] == ["conv1", "conv2d", "lenetkit", "6×24×24", "5×5"]
    assert conv1.split()[5:] == ["156", "86,400", "89,856"]
    assert said.out.splitlines()[-1].split() == ["total", "44,426", "281,640", "290,814"]


def test_summary_as_json_has_the_keys_of_the_contract(call: Call) -> None:
    facts = call("summary", "lenet5", "--json").json
    assert list(facts) == [
        "name",
        "input",
        "layers",
        "total_params",
        "trainable_params",
        "total_macs",
        "total_connections",
    ]
    assert facts["total_params"] == facts["trainable_params"] == 44426
    assert facts["layers"][0] == {
        "name": "conv1",
        "type": "conv2d",
        "provider": "lenetkit",
        "output_shape": [6, 24, 24],
        "receptive_field": [5, 5],
        "params": 156,
        "trainable_params": 156,
        "macs": 86400,
        "connections": 89856,
    }


def test_summary_counts_untrained_parameters_apart(call: Call) -> None:
    norm = "layers.norm1={type: batch_norm2d, after: conv1}"
    said = call("summary", "lenet5", "--set", norm)
    assert "12 of the parameters are not trained." in said.out
    facts = call("summary", "lenet5", "--set", norm, "--json").json
    assert facts["total_params"] - facts["trainable_params"] == 12


def test_spec_prints_a_spec_that_reads_back_the_same(call: Call, tmp_path: Path) -> None:
    printed = call("spec", "lenet5-sigmoid").out
    again = tmp_path / "again.yaml"
    again.write_text(printed, "utf-8")
    assert call("spec", again).out == printed
    assert "in_features: 256" in printed


def test_plugins_lists_every_builtin_as_ok(call: Call) -> None:
    rows = call("plugins", "--json").json
    states = {(row["group"], row["name"]): row["state"] for row in rows}
    assert states["lenetkit.layers", "conv2d"] == "ok"
    assert states["lenetkit.kernels", "numpy"] == "ok"
    own = {row["state"] for row in rows if row["distribution"] == "lenetkit"}
    assert own == {"ok"}


def test_train_writes_the_run_folder_of_the_contract(call: Call, small: Path) -> None:
    said = call("train", small)
    assert said.status == 0, said.err
    folder = Path("runs/small/001")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [
            "spec.yaml",
            "metrics.csv",
            "steps.csv",
            "model.safetensors",
            "checkpoint.safetensors",
            "result.json",
            "predictions.csv",
            *PICTURES,
        ]
    )
    rows = read_csv(folder / "metrics.csv")
    assert tuple(rows[0]) == METRICS
    assert [row["epoch"] for row in rows] == ["1", "2"]
    steps = (folder / "steps.csv").read_text("utf-8").splitlines()
    assert steps[0] == "step,loss"
    assert [line.split(",")[0] for line in steps[1:]] == ["1", "2", "3", "4", "5", "6"]
    result = json.loads((folder / "result.json").read_text("utf-8"))
    assert result["dataset"] == "stripes"
    assert result["epochs"] == 2
    assert f"{float(rows[1]['test_accuracy']):.6f}" == f"{result['test_accuracy']:.6f}"
    for name in PICTURES:
        with Image.open(folder / name) as picture:
            picture.verify()


def test_train_numbers_its_run_folders(call: Call, small: Path) -> None:
    for _ in range(2):
        assert call("train", small, "--epochs", "1", "--quiet").status == 0
    assert sorted(path.name for path in Path("runs/small").iterdir()) == ["001", "002"]


def test_quiet_prints_the_result_only(call: Call, small: Path) -> None:
    said = call("train", small, "--epochs", "1", "--quiet")
    assert said.err == ""
    assert said.out.startswith("small on stripes: test ")


def test_an_epoch_is_a_line_on_standard_error(call: Call, small: Path) -> None:
    said = call("train", small)
    lines = [line.split() for line in said.err.splitlines()]
    assert [words[0] for words in lines[-2:]] == ["1", "2"]
    assert "→ " + str(Path("runs/small/001")) in said.err


def test_the_seed_determines_the_model(call: Call, small: Path) -> None:
    for out, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert call("train", small, "--out", out, "--seed", seed, "--quiet").status == 0
    models = [Path(out, "model.safetensors").read_bytes() for out in "abc"]
    assert models[0] == models[1] != models[2]


def test_out_is_never_overwritten(call: Call, small: Path) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep", "utf-8")
    said = call("train", small, "--out", "mine")
    assert said.status == 2
    assert "mine: exists and is not empty; choose another folder with --out" in said.err
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_nothing_is_written_where_the_spec_is_wrong(call: Call, small: Path) -> None:
    said = call("train", small, "--set", "layers.conv1.kernel_size=9")
    assert said.status == 2
    assert "layers.conv1: kernel 9×9 is larger than its input 8×8" in said.err
    assert not Path("runs").exists()


def test_threads_are_recorded(call: Call, small: Path) -> None:
    for threads, expected in ((["--threads", "2"], 2), ([], 1)):
        folder = f"run{expected}"
        assert call("train", small, "--quiet", "--out", folder, *threads).status == 0
        result = json.loads(Path(folder, "result.json").read_text("utf-8"))
        assert result["threads"] == min(expected, os.cpu_count() or 1)


def test_validation_chooses_the_model_and_has_columns_of_its_own(call: Call, small: Path) -> None:
    said = call("train", small, "--epochs", "4", "--set", "data.validation=3", "--out", "run")
    assert said.status == 0, said.err
    rows = read_csv(Path("run/metrics.csv"))
    accuracies = [float(row["validation_accuracy"]) for row in rows]
    best = accuracies.index(max(accuracies))
    result = json.loads(Path("run/result.json").read_text("utf-8"))
    assert result["model_epoch"] == best + 1
    assert result["test_accuracy"] == pytest.approx(float(rows[best]["test_accuracy"]), abs=1e-6)


def test_init_from_takes_what_matches_and_says_so(call: Call, small: Path) -> None:
    call("train", small, "--out", "first", "--quiet")
    said = call(
        "train", small, "--out", "second", "--epochs", "1", "--init-from",
        "first/model.safetensors", "--set", "layers.fc1.out_features=4", "--quiet",
    )  # fmt: skip
    assert said.status == 0
    assert "loaded conv1.weight, conv1.bias" in said.err
    assert "not in it, initialized instead: fc1.weight, fc1.bias" in said.err


def test_init_from_a_model_that_shares_nothing_is_refused(call: Call, small: Path) -> None:
    call("train", small, "--out", "first", "--quiet")
    said = call("train", "lenet5", "--init-from", "first/model.safetensors", "--set", "data=idx")
    assert said.status == 2
    assert not Path("runs/lenet5").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("type", "fc1.bias: expected weights of linear, found those of lenetkit:conv2d;"),
        ("int", "fc1.bias: expected float32, found int64"),
        ("bool", "fc1.bias: expected float32, found bool"),
        ("float64", "fc1.bias: has values too large for float32, up to 1e+300"),
        ("state", "expected weights of conv2d, found those of batch_norm2d; to start without"),
        ("lost", "conv1.weight, conv1.bias: expected weights of conv2d, found those of no such"),
    ],
)
def test_init_from_refuses_tensors_of_other_kinds(
    call: Call, small: Path, change: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "plot", lambda run: [])
    tensors, metadata = _made(call, small, change)
    tensorfile.write(Path("other.safetensors"), tensors, metadata)
    told = call("train", small, "--init-from", "other.safetensors", "--out", "second")
    assert told.status == 2
    assert "other.safetensors: cannot be used as initial weights:" in told.err
    assert said in told.err
    assert not Path("second").exists()


def _made(call: Call, small: Path, change: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Tensors and metadata of the small model, one of them of another kind."""
    call("train", small, "--out", "first", "--quiet", "--epochs", "1")
    tensors, metadata = tensorfile.read(Path("first/model.safetensors"))
    spec, bias = metadata["spec"], tensors["fc1.bias"]
    match change:
        case "int" | "bool":
            tensors["fc1.bias"] = np.ones(3, {"int": np.int64, "bool": np.bool_}[change])
        case "float64":
            tensors["fc1.bias"] = np.full(bias.shape, 1e300)
        case "state":
            spec = spec.replace("type: conv2d", "type: batch_norm2d")
        case "lost":
            spec = spec.replace("conv1:", "conv7:")
        case _:
            spec = spec.replace("type: linear", "type: 'lenetkit:conv2d'")
    return tensors, {**metadata, "spec": spec}


def test_a_loss_that_is_not_finite_is_valid_json_and_a_failure(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "plot", lambda run: [])
    call("train", small, "--out", "run", "--quiet", "--epochs", "1")
    tensors, metadata = tensorfile.read(Path("run/model.safetensors"))
    tensors["fc1.weight"] = np.full_like(tensors["fc1.weight"], 3e38)
    tensors["fc1.bias"][:] = (3e38, -3e38, 0)
    tensorfile.write(Path("huge.safetensors"), tensors, metadata)
    said = call("evaluate", "huge.safetensors", "--json")
    assert said.status == 1
    assert said.json["loss"] is None
    assert not re.search("NaN|Infinity", said.out)
    assert "error: the loss is " in said.err
    assert "weights are finite, but too large" in said.err
    assert call("evaluate", "huge.safetensors").status == 1
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    Image.fromarray(pixels).save("a.png")
    tensors["conv1.bias"][:] = 10  # so that all outputs overflow alike
    tensors["fc1.bias"][:] = 3e38
    tensorfile.write(Path("huge.safetensors"), tensors, metadata)
    said = call("predict", "huge.safetensors", "a.png")
    assert (said.status, said.out) == (1, "")
    assert said.err == (
        "error: the probabilities are nan: what the network computes for these samples overflows; "
        "its weights are finite, but too large for them\n"
    )


def test_predict_with_a_single_class_knows_no_other(
    call: Call, small: Path, make_idx: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "plot", lambda run: [])
    data = ("--data-dir", make_idx("one", classes=1), "--set", "layers.fc1.out_features=1")
    assert call("train", small, "--out", "run", "--quiet", *data).status == 0
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    Image.fromarray(pixels).save("a.png")
    row = call("predict", "run/model.safetensors", "a.png").out.splitlines()[-1]
    assert row.split() == ["a.png", "0", "100.0%", "–"]


def test_evaluate_agrees_with_the_run(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    facts = call("evaluate", "run/model.safetensors", "--json").json
    result = json.loads(Path("run/result.json").read_text("utf-8"))
    assert facts["accuracy"] == result["test_accuracy"]
    assert facts["loss"] == pytest.approx(result["test_loss"], rel=1e-6)
    assert facts["n"] == 6
    assert facts["confusion"] == result["confusion_test"]
    assert call("evaluate", "run/model.safetensors", "--split", "train", "--json").json["n"] == 12
    assert "precision" in call("evaluate", "run/model.safetensors").out


def test_evaluate_on_another_data_set(
    call: Call, small: Path, make_idx: Callable[..., Path]
) -> None:
    call("train", small, "--out", "run", "--quiet")
    other = make_idx("other", test=9)
    facts = call(
        "evaluate", "run/model.safetensors", "--data", "idx", "--data-dir", other, "--json"
    ).json
    assert (facts["n"], facts["dataset"]) == (9, "other")
    said = call("evaluate", "run/model.safetensors", "--data", "mnits")
    assert said.status == 2
    assert "no data set is registered as 'mnits'; did you mean 'mnist'?" in said.err


def test_predict_reads_files_and_folders(call: Call, small: Path, tmp_path: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    folder = tmp_path / "图 片"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        pixels = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    rows = call("predict", "run/model.safetensors", folder, folder / "a.png", "--json").json
    assert [Path(row["path"]).name for row in rows] == ["a.png", "b.png", "a.png"]
    assert sum(rows[0]["probabilities"]) == pytest.approx(1, abs=1e-5)
    best = int(np.argmax(rows[0]["probabilities"]))
    assert rows[0]["label"] == str(best)
    assert "a.png" in call("predict", "run/model.safetensors", folder / "a.png").out


def test_predict_reads_the_good_pictures_despite_a_bad_one(
    call: Call, small: Path, tmp_path: Path
) -> None:
    call("train", small, "--out", "run", "--quiet")
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture", "utf-8")
    files = tmp_path / "good.png", tmp_path / "bad.png"
    said = call("predict", "run", *files, "--json", "--show", tmp_path / "show.png")
    assert said.status == 0
    good, bad = said.json
    assert good["label"] is not None
    assert good["probabilities"] == good["digits"][0]["probabilities"]
    assert good["digits"][0]["box"] == [0, 0, 20, 20]
    assert "reason" not in good
    reason = f"{files[1]}: is a text file; expected a PNG, JPEG or similar"
    facts: dict[str, Any] = {"label": None, "probabilities": [], "digits": [], "reason": reason}
    assert bad == {"path": str(files[1]), **facts}
    assert said.err == f"not read: {reason}\n"
    assert (tmp_path / "show.png").read_bytes().startswith(b"\x89PNG")
    none = call("predict", "run", files[1], "--json")
    assert none.status == 2
    assert none.json == [bad]
    assert none.err == f"error: {reason}\n"


def test_predict_names_what_it_left_out_of_a_folder(
    call: Call, small: Path, tmp_path: Path
) -> None:
    call("train", small, "--out", "run", "--quiet")
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for name in ("a.heic", "notes.txt", ".hidden"):
        (folder / name).touch()
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(folder / "a.png")
    said = call("predict", "run", folder)
    assert said.status == 0
    left_out = "left out 3 that are no picture files by their names: a.heic, more/, notes.txt"
    assert said.err == f"note: {folder}: {left_out}\n"


def test_evaluate_does_not_mistake_the_fallback_for_the_training_data(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fallback = "data.fallback={type: synthetic_digits, train: 20, test: 10}"
    call("train", small, "--out", "run", "--quiet", "--set", fallback)
    monkeypatch.delenv("LENETKIT_DATA")
    said = call("evaluate", "run")
    assert said.status == 2
    assert "the model was trained on stripes, which was not found" in said.err


def test_floats_up_to_1_are_not_pixels(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8))
    trained = lenetkit.load("run")
    assert trained.predict(images).shape == (2,)
    with pytest.raises(ValueError, match=r"expected pixels from 0 to 255, as stored, found float"):
        trained.predict(images / 255)


def test_a_network_larger_than_any_memory_is_refused(call: Call, small: Path) -> None:
    said = call("train", small, "--set", "layers.conv1.out_channels=2147483648")
    assert said.status == 2
    assert "layers.conv1: its output of 2147483648×6×6 is too large" in said.err
    assert not Path("runs").exists()


def test_more_outputs_than_classes(call: Call, small: Path, tmp_path: Path) -> None:
    call("train", small, "--set", "layers.fc1.out_features=5", "--out", "run", "--quiet")
    rows = [line.split()[0] for line in call("evaluate", "run").out.splitlines() if line]
    assert {"0", "1", "2", "3", "4"} <= set(rows)
    Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / "a.png")
    assert call("predict", "run", tmp_path / "a.png").status == 0


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"name": "x", "dataset": "y"}', "[" * 9999])
def test_a_damaged_result_is_named(call: Call, small: Path, text: str) -> None:
    call("train", small, "--out", "run", "--quiet")
    Path("run/result.json").write_text(text, "utf-8")
    said = call("plot", "run")
    assert said.status == 2
    assert f"error: {Path('run/result.json')}: is damaged: " in said.err


def test_plot_redraws_all_pictures(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    for name in PICTURES:
        Path("run", name).unlink()
    said = call("plot", "run")
    assert said.status == 0
    assert [Path(line).name for line in said.out.splitlines()] == list(PICTURES)
    assert all(Path("run", name).is_file() for name in PICTURES)


def test_plot_without_the_data_says_what_is_unchanged(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("train", small, "--out", "run", "--quiet")
    monkeypatch.delenv("LENETKIT_DATA")
    said = call("plot", "run")
    assert said.status == 0
    assert "mistakes.png is left unchanged, because it needs the test images" in said.err


def test_data_info_and_show(call: Call, small: Path) -> None:
    facts = call("data", "info", "--spec", small, "--json").json
    assert facts["train"]["counts"] == [4, 4, 4]
    assert call("data", "info", "--spec", small).status == 0
    assert call("data", "show", "--spec", small, "--out", "sheet.png").status == 0
    with Image.open("sheet.png") as picture:
        picture.verify()


def test_an_interrupted_run_resumes_bit_for_bit(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train", small, "--out", "whole", "--quiet").status == 0
    real = loop.train

    def interrupted(*arguments: Any) -> Any:
        for event in real(*arguments):
            if isinstance(event, loop.StepDone) and event.step == 4:
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(loop, "train", interrupted)
    said = call("train", small, "--out", "broken", "--quiet")
    assert said.status == 130
    assert "resume with: lenetkit train --resume broken\n" in said.err
    monkeypatch.setattr(loop, "train", real)
    assert call("train", "--resume", "broken", "--quiet").status == 0
    for name in ("model.safetensors", "steps.csv"):
        assert Path("broken", name).read_bytes() == Path("whole", name).read_bytes()
    rows = [Path(run, "metrics.csv").read_text("utf-8").splitlines() for run in ("broken", "whole")]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]


def test_a_finished_run_can_be_extended(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    said = call("train", "--resume", "run", "--epochs", "3", "--quiet")
    assert said.status == 0, said.err
    assert json.loads(Path("run/result.json").read_text("utf-8"))["epochs"] == 3
    assert len(Path("run/metrics.csv").read_text("utf-8").splitlines()) == 4


def test_resuming_a_finished_run_changes_nothing(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet", "--set", "data.validation=3")
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert call("train", "--resume", "run", "--quiet").status == 0
    after = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert after == before


def test_resume_refuses_another_spec_and_another_data_set(
    call: Call, small: Path, make_idx: Callable[..., Path]
) -> None:
    call("train", small, "--out", "run", "--quiet")
    small.write_text(small.read_text("utf-8").replace("p: 0.2", "p: 0.3"), "utf-8")
    said = call("train", small, "--resume", "run")
    assert said.status == 2
    assert "\n  spec layers.drop1.p: was 0.2, is 0.3\n" in said.err
    other = make_idx("other", train=9)
    said = call("train", "--resume", "run", "--epochs", "3", "--data-dir", other)
    assert said.status == 2
    assert "data: stripes had other content than the stripes found now" in said.err


def test_resume_takes_the_same_spec_again(call: Call, small: Path) -> None:
    standardize = ("--set", "data.transforms=[standardize]")
    assert call("train", small, *standardize, "--out", "run", "--quiet").status == 0
    said = call("train", small, *standardize, "--resume", "run", "--epochs", "3", "--quiet")
    assert said.status == 0, said.err


def test_resume_refuses_options_that_it_would_ignore(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    said = call("train", "--resume", "run", "--out", "other")
    assert said.status == 2
    assert "--out: does not go with --resume" in said.err
    said = call("train", "--resume", "run", "--seed", "3")
    assert said.status == 2
    assert "\n  spec train.seed: was 0, is 3\n" in said.err


BAD = {
    "misspelt key": (
        ["summary", "{spec}", "--set", "layers.conv1.paddding=1"],
        "error: --set layers.conv1.paddding=1: layers.conv1: conv2d has no option "
        "'paddding'; did you mean 'padding'?\n",
    ),
    "wrong in_features": (
        ["summary", "{spec}", "--set", "layers.fc1.in_features=20"],
        "layers.fc1.in_features: expected 18, as the input is 2×3×3, found 20; "
        "fix it or leave it out\n",
    ),
    "missing spec": (["train", "missing.yaml"], "error: missing.yaml: no such spec file"),
    "missing model": (
        ["evaluate", "missing.safetensors"],
        "error: missing.safetensors: no such file; expected a model file, such as",
    ),
    "missing image": (["predict", "run/model.safetensors", "no.png"], "no.png"),
    "missing run": (["plot", "nowhere"], "error: nowhere: no such run folder\n"),
    "no spec": (
        ["train"],
        "error: missing argument 'SPEC' (or --resume RUN)\n"
        "  usage: lenetkit train [OPTIONS] SPEC; options: lenetkit train --help\n",
    ),
    "unknown command": (
        ["trian"],
        "error: no such command 'trian'; did you mean 'train'?\n"
        "  usage: lenetkit [OPTIONS] COMMAND [ARGS]...; options: lenetkit --help\n",
    ),
    "unknown command of data": (["data", "fecth"], "error: no such command 'fecth'; did you mean"),
    "unknown command of plugins": (
        ["plugins", "add"],
        "error: no such command 'add'; valid: check, info, list, new\n",
    ),
    "unknown option": (
        ["summary", "{spec}", "--jsn"],
        "error: no such option '--jsn'; did you mean '--json'?\n  usage: lenetkit summary ",
    ),
    "unknown split": (
        ["evaluate", "run/model.safetensors", "--split", "all"],
        "'all' is not one of",
    ),
    "no data": (["train", "{spec}", "--data-dir", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_with_2_and_one_message(call: Call, small: Path, case: str) -> None:
    call("train", small, "--out", "run", "--quiet", "--epochs", "1")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    arguments, message = BAD[case]
    said = call(*(word.format(spec=small) for word in arguments))
    assert said.status == 2
    assert said.out == ""
    assert message in said.err
    assert "Traceback" not in said.err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_truncated_data_file_is_named(call: Call, small: Path, make_idx: Any) -> None:
    folder = make_idx("short")
    images = folder / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-7])
    said = call("train", small, "--data-dir", folder)
    assert said.status == 2
    assert f"error: {images}: truncated" in said.err
    assert not Path("runs").exists()


def test_a_flipped_byte_in_a_model_is_refused(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet", "--epochs", "1")
    path = Path("run/model.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)
    for arguments in (["evaluate", path], ["predict", path, small], ["plot", "run"]):
        said = call(*arguments)
        assert said.status == 2
        assert "is damaged: its weights do not match their digest" in said.err


def test_a_diverging_run_stops_with_1_and_a_remedy(call: Call, small: Path) -> None:
    huge = ("--set", "train.optimizer={type: sgd, lr: 1e38}", "--set", "train.schedule=constant")
    said = call("train", small, *huge)
    assert said.status == 1
    assert "RuntimeWarning" not in said.err
    assert "training stopped" in said.err
    assert "--set train.optimizer.lr=1e+37" in said.err


def test_diverging_in_the_last_step_is_noticed_too(call: Call, small: Path) -> None:
    huge = ("--set", "train.optimizer={type: adam, lr: 1e39}", "--set", "train.schedule=constant")
    said = call("train", small, *huge, "--epochs", "1", "--set", "train.batch_size=12")
    assert said.status == 1
    assert "training stopped" in said.err
    assert not Path("runs/small/001/model.safetensors").exists()


def test_resume_to_fewer_epochs_than_done_is_refused(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    said = call("train", "--resume", "run", "--epochs", "1")
    assert said.status == 2
    assert "run: has already done 2 epochs; expected --epochs above that, found 1" in said.err


def test_a_damaged_table_prevents_resuming(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    Path("run/metrics.csv").write_bytes(b"\xff\xfe\x00")
    said = call("train", "--resume", "run", "--epochs", "3")
    assert said.status == 2
    assert (
        f"{Path('run/metrics.csv')}: is not as the run left it, so it cannot continue" in said.err
    )


def test_the_python_calls_of_the_readme(small: Path) -> None:
    network = lenetkit.build(small, {"train.epochs": 1, "layers.relu1": "tanh"})
    events = list(lenetkit.train(network))
    assert isinstance(events[-1], loop.EpochDone)
    assert [event.step for event in events if isinstance(event, loop.StepDone)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--set", "train.optimizer.lr="),
            "error: --set train.optimizer.lr=: expected a value; to leave the key out, write "
            "train.optimizer.lr=null\n",
        ),
        (("--kernels", ""), "error: --kernels: expected a value, found an empty one\n"),
    ],
)
def test_an_empty_value_removes_nothing(
    call: Call, arguments: tuple[str, str], message: str
) -> None:
    """As from an unset variable in a shell script."""
    said = call("bench", "lenet5", "--steps", "1", *arguments)
    assert (said.status, said.err) == (2, message)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threads", "1000"), ("--batch-size", "9" * 20), ("--steps", "9" * 20), ("--threads", "0")],
)
def test_numbers_out_of_range_are_refused(call: Call, option: str, value: str) -> None:
    said = call("bench", "lenet5", "--steps", "1", option, value)
    assert said.status == 2
    assert f"error: invalid value for '{option}': {value} is not in the range 1<=x<=" in said.err


def test_an_error_without_a_message_is_named_by_its_type(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise OSError

    monkeypatch.setattr(loop, "train", lambda *arguments: iter(fail, None))
    said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 1
    assert said.err.startswith("error: OSError; the run stopped\n  run: saved at step 0; ")


def test_a_run_whose_files_cannot_be_read_back_says_what_is_saved(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: RunFolder) -> Any:
        raise RunError("run/metrics.csv: cannot be read: Input/output error")

    monkeypatch.setattr(RunFolder, "read_metrics", fail)
    said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 1
    assert said.err == (
        "error: run/metrics.csv: cannot be read: Input/output error; the run stopped\n"
        "  run: saved at step 6; resume with: lenetkit train --resume run\n"
    )


def test_too_little_memory_is_reported(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(loop, "train", fail)
    said = call("train", small, "--quiet")
    assert said.status == 1
    assert said.err == (
        "error: not enough memory (MemoryError); the run stopped\n"
        f"  {Path('runs/small/001')}: saved at step 0; resume with: "
        f"lenetkit train --resume {Path('runs/small/001')}\n"
    )
