"""`train --resume` as a user meets it: what must be as it was, and what is put right."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lenetkit
from lenetkit.files import tensorfile
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.registry.catalog import installed
from lenetkit.runs import environment
from lenetkit.runs.checkpoint import Checkpoint
from lenetkit.runs.lock import locked
from lenetkit.runs.run import Run
from lenetkit.training import loop

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without pictures; and with no plugin left registered."""
    monkeypatch.setattr(Run, "plot", lambda run: [])
    installed.cache_clear()
    yield
    installed.cache_clear()


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int, times: int = 1) -> None:
    """Press Ctrl-C when a step is done, in the run that follows."""
    real = loop.train

    def interrupted(*arguments: Any) -> Any:
        for event in real(*arguments):
            if isinstance(event, loop.StepDone) and event.step == step:
                monkeypatch.setattr(loop, "train", real)
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(loop, "train", interrupted)


def broken_off(call: Call, monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> Any:
    """A run in the folder `run`, interrupted after step 4 of 6."""
    interrupt(monkeypatch, 4)
    said = call("train", *arguments, "--out", "run", "--quiet")
    assert said.status == 130
    return said


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_ctrl_c_twice_leaves_at_once_and_says_what_is_saved(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, 5, times=2)
    said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 130
    assert said.err.endswith(
        "stopped immediately; run: saved at step 3; resume with: lenetkit train --resume run\n"
    )
    assert call("train", small, "--out", "whole", "--quiet").status == 0
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert contents("run")["model.safetensors"] == contents("whole")["model.safetensors"]


def test_ctrl_c_that_was_ignored_stays_so(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupt(monkeypatch, 4, times=2)
        assert call("train", small, "--out", "run", "--quiet").status == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_pictures_are_drawn_says_how_to_go_on(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(run: Run) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "plot", press)
        said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 130
    assert "saved at step 6; resume with: lenetkit train --resume run" in said.err
    assert call("train", "--resume", "run", "--quiet").status == 0


def test_the_command_that_resumes_has_all_it_needs(
    call: Call, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.environ["LENETKIT_DATA"]
    monkeypatch.delenv("LENETKIT_DATA")
    plugin = tmp_path / "no op.py"
    plugin.write_text("from lenetkit.layers.flatten import Flatten\nPLUGINS = {'again': Flatten}\n")
    interrupt(monkeypatch, 4)
    said = call(
        *("train", small, "--out", "a $run", "--quiet", "--data-dir", data, "--plugin", plugin)
    )
    assert said.status == 130
    command = said.err.rpartition("resume with: lenetkit ")[2].strip()
    installed.cache_clear()
    if os.name != "nt":
        ran = subprocess.run(
            f"{sys.executable} -m lenetkit {command} --quiet", shell=True, capture_output=True
        )
        assert ran.returncode == 0, ran.stderr


def other_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    real = environment.versions(NumpyKernels())
    others = real | {"numpy": "1.0", "cpu": "6502"}
    monkeypatch.setattr(environment, "versions", lambda kernels: others)


DIFFERENCES: dict[str, tuple[list[str], Callable[[pytest.MonkeyPatch], None] | None, str]] = {
    "spec": (
        ["--set", "train.optimizer.lr=0.5"],
        None,
        "  spec train.optimizer.lr: was 0.01, is 0.5\n",
    ),
    "epochs": (
        ["--epochs", "3"],
        None,
        "  spec train.epochs: was 2, is 3\n",
    ),
    "data": (
        ["--data-dir", "other"],
        None,
        "  data: stripes had other content than the stripes found now\n",
    ),
    "threads": (["--threads", "2"], None, "  threads: was 1, is 2\n"),
    "versions": ([], other_versions, "  numpy: was {numpy}, is 1.0\n  cpu: was {cpu}, is 6502\n"),
}


def test_layers_in_another_order_are_another_spec(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    spec = Path("run/spec.yaml")
    lines = spec.read_text("utf-8").splitlines(keepends=True)
    relu = next(i for i, line in enumerate(lines) if line.startswith("  relu1"))
    lines[relu : relu + 2] = reversed(lines[relu : relu + 2])
    spec.write_text("".join(lines), "utf-8")
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert (
        "\n  spec layers: was conv1, relu1, pool1, drop1, fc1, is conv1, pool1, relu1, drop1, fc1\n"
        in said.err
    )


@pytest.mark.parametrize("case", DIFFERENCES)
def test_what_differs_is_said_and_refused_and_can_be_allowed(
    call: Call, small: Path, make_idx: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    if case == "threads" and (os.cpu_count() or 1) < 2:
        pytest.skip("needs two processors")
    make_idx("other", test=5)
    arguments, change, lines = DIFFERENCES[case]
    broken_off(call, monkeypatch, small)
    lines = lines.format(**environment.versions(NumpyKernels())) if case == "versions" else lines
    if change:
        change(monkeypatch)
    before = contents("run")
    said = call("train", "--resume", "run", *arguments, "--quiet")
    assert (said.status, said.out) == (2, "")
    assert said.err == (
        f"error: run: cannot resume, because these differ:\n{lines}"
        "  undo that, resume anyway with --allow-different, or start over without --resume\n"
    )
    assert contents("run") == before
    said = call("train", "--resume", "run", *arguments, "--quiet", "--allow-different")
    assert said.status == 0, said.err
    warnings = said.err.removesuffix(f"warning: run: resumed with differences:\n{lines}")
    assert warnings.count("warning: ") == (case == "epochs")  # the rate rises
    assert ("the learning rate rises" in warnings) == (case == "epochs")
    result = json.loads(Path("run/result.json").read_text("utf-8"))
    (changed,) = result["changes"]
    assert changed["step"] == 4
    assert [f"  {line}" for line in changed["differences"]] == lines.splitlines()
    assert Checkpoint.read(Path("run/checkpoint.safetensors")).state.changes == [changed]


def test_a_run_records_what_computed_it_and_no_change_where_there_was_none(
    call: Call, small: Path
) -> None:
    assert call("train", small, "--out", "run", "--quiet").status == 0
    result = json.loads(Path("run/result.json").read_text("utf-8"))
    assert "changes" not in result
    names = ["lenetkit", "numpy", "blas", "cpu", "python", "platform"]
    assert list(result["versions"]) == names
    assert all(result["versions"][name] not in ("", "unknown") for name in names)
    assert result["distributions"] == {"lenetkit": lenetkit.__version__}


def test_a_spec_edited_in_the_run_folder_is_noticed(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    spec = Path("run/spec.yaml")
    spec.write_text(spec.read_text("utf-8").replace("p: 0.2", "p: 0.4"), "utf-8")
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert "\n  spec layers.drop1.p: was 0.2, is 0.4\n" in said.err


def test_a_changed_plugin_file_is_noticed(
    call: Call, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "mine.py"
    source = (
        "from dataclasses import dataclass\nfrom lenetkit.layers.activations import Tanh\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(Tanh):\n    '''Mine.'''\n"
        "PLUGINS = {'mine': Mine}\n"
    )
    plugin.write_text(source, "utf-8")
    use = ("--plugin", plugin)
    said = broken_off(call, monkeypatch, small, "--set", "layers.relu1=mine", *use)
    assert f"lenetkit train --resume run --plugin {plugin}" in said.err
    installed.cache_clear()
    said = call("train", "--resume", "run", "--quiet")
    assert said.status == 2
    assert "no layer is registered as 'mine'" in said.err
    assert "\n  pass --plugin mine.py (the model was made with sha256:" in said.err
    plugin.write_text(source + "# changed\n", "utf-8")
    said = call("train", "--resume", "run", *use, "--quiet")
    assert said.status == 2
    assert "\n  plugin mine.py: was sha256:" in said.err
    installed.cache_clear()
    plugin.write_text(source, "utf-8")
    assert call("train", "--resume", "run", *use, "--quiet").status == 0


def test_ctrl_c_as_an_epoch_begins_loses_no_step(
    call: Call, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "telling.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from lenetkit.losses import MeanSquaredError, SecondOrderLoss\n"
        "from lenetkit.optimizers import SGD, SecondOrderOptimizer\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Telling(SGD, SecondOrderOptimizer):\n"
        "    'SGD.'\n"
        "    def begin_epoch(self, state, curvature):\n        return {'figure': 1.0}\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Curved(MeanSquaredError, SecondOrderLoss):\n"
        "    'MSE.'\n"
        "    def second_backward(self, saved):\n        return 0 * saved + 2 / saved.shape[1]\n"
        "PLUGINS = {'telling': Telling, 'curved': Curved}\n",
        "utf-8",
    )
    use = (
        *("--set", "train.optimizer=telling", "--set", "loss=curved", "--plugin", plugin),
        *("--set", "layers.pool1.type=avg_pool2d", "--set", "layers.drop1=null", "--quiet"),
    )
    assert call("train", small, "--out", "whole", *use).status == 0
    real = loop.train

    def interrupted(*arguments: Any) -> Any:
        for event in real(*arguments):
            if isinstance(event, loop.EpochBegun) and event.epoch == 2:
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(loop, "train", interrupted)
    said = call("train", small, "--out", "run", *use)
    assert "interrupted after step 4; run: saved at step 4" in said.err
    monkeypatch.setattr(loop, "train", real)
    assert call("train", "--resume", "run", "--plugin", plugin, "--quiet").status == 0
    for name in ("model.safetensors", "steps.csv"):
        assert contents("run")[name] == contents("whole")[name]
    results = [json.loads(contents(folder)["result.json"]) for folder in ("run", "whole")]
    assert results[0]["notes"] == results[1]["notes"] == {"1": {"figure": 1}, "2": {"figure": 1}}


def test_allow_different_does_not_go_without_resume(call: Call, small: Path) -> None:
    said = call("train", small, "--allow-different")
    assert (said.status, said.err) == (2, "error: --allow-different: goes with --resume only\n")


def test_another_number_of_steps_an_epoch_cannot_be_allowed(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    said = call(
        *("train", "--resume", "run", "--allow-different", "--set", "train.batch_size=12"),
    )
    assert said.status == 2
    assert said.err.startswith(
        "error: run: is at step 4 of epoch 2, which does not fit the 1 steps per epoch "
        "that data and batch_size now give; start from its weights with --init-from "
    )


def test_whole_epochs_are_not_taken_for_parts_of_longer_ones(call: Call, small: Path) -> None:
    """Two epochs of 3 steps are also three of 2, or the second of those done."""
    assert call("train", small, "--out", "run", "--epochs", "2", "--batch-size", "4").status == 0
    said = call(
        *("train", "--resume", "run", "--allow-different", "--epochs", "4", "--batch-size", "6"),
    )
    assert said.status == 2
    assert "is at step 6 of epoch 3, which does not fit the 2 steps per epoch" in said.err


def test_data_of_another_name_point_to_the_option(
    call: Call, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    shutil.copytree(os.environ["LENETKIT_DATA"], tmp_path / "other")
    (tmp_path / "other" / "train-labels-idx1-ubyte").write_bytes(
        bytes((0, 0, 8, 1, 0, 0, 0, 12, *[2, 1, 0] * 4))
    )
    said = call("train", "--resume", "run", "--data-dir", tmp_path / "other", "--set",
                "data.type=idx", "--set", "data.title=other")  # fmt: skip
    assert "had other content than the other found now; --data-dir says where" in said.err


def test_the_threads_that_it_was_made_with_go_on(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two processors")
    broken_off(call, monkeypatch, small, "--threads", "2")
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert json.loads(Path("run/result.json").read_text("utf-8"))["threads"] == 2


VALIDATION = ("--set", "data.validation=3")


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


def test_the_best_model_so_far_is_not_trusted_unread(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small, *VALIDATION, "--epochs", "3")
    model, whole = Path("run/model.safetensors"), Path("run/model.safetensors").read_bytes()
    assert call("train", small, "--out", "other", "--quiet", *VALIDATION).status == 0
    other = Path("other/model.safetensors").read_bytes()
    for content, reason in (
        (whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:], "is damaged: its weights do not match"),
        (other, "holds another model; put that file back"),
        (None, "no such file; put that file back"),
    ):
        model.unlink()
        if content is not None:
            model.write_bytes(content)
        said = call("train", "--resume", "run")
        assert said.status == 2
        assert f"error: {model}: is not the best model so far, of epoch 1: {reason}" in said.err
        model.write_bytes(whole)
    assert call("train", "--resume", "run", "--quiet").status == 0


@pytest.mark.parametrize("arguments", [(), VALIDATION])
def test_a_model_that_the_checkpoint_can_make_again_is_made_again(
    call: Call, small: Path, arguments: tuple[str, ...]
) -> None:
    """As after a kill between checkpoint and model."""
    call("train", small, "--out", "run", "--quiet", "--epochs", "1", *arguments)
    before = contents("run")
    Path("run/model.safetensors").unlink()
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert contents("run") == before


def test_a_missing_copy_of_the_spec_is_written_again(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    spec = Path("run/spec.yaml").read_bytes()
    Path("run/spec.yaml").unlink()
    assert call("train", "--resume", "run", "--quiet").status == 0
    assert Path("run/spec.yaml").read_bytes() == spec


def test_a_table_that_was_changed_is_named(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    steps = Path("run/steps.csv")
    steps.write_text(steps.read_text("utf-8").replace("\n2,", "\n2,9"), "utf-8")
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert f"error: {steps}: is not as the run left it, so it cannot continue" in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"progress": "{}"}, "is a checkpoint of another version of lenetkit, or damaged"),
        ({"progress": None}, "is not a checkpoint: it does not say how far the run got"),
        ({"spec": None}, "or damaged: it names neither spec nor data set"),
        ({"providers": "[]"}, "is a checkpoint of another version of lenetkit, or damaged"),
        ({"dataset_digest": None}, "or damaged: 'dataset_digest'"),
        ({"step": -1}, "is a checkpoint of another version of lenetkit, or damaged: step -1"),
        ({"best": 3}, "is a checkpoint of another version of lenetkit, or damaged"),
    ],
)
def test_a_checkpoint_of_another_kind_is_named(
    call: Call, small: Path, change: dict[str, Any], message: str
) -> None:
    call("train", small, "--out", "run", "--quiet")
    path = Path("run/checkpoint.safetensors")
    tensors, metadata = tensorfile.read(path)
    if set(change) & set(metadata):
        metadata |= change
    else:
        metadata["progress"] = json.dumps(json.loads(metadata["progress"]) | change)
    tensorfile.write(path, tensors, {k: text for k, text in metadata.items() if text is not None})
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert said.err.startswith(f"error: {path}: is ")
    assert message in said.err


def test_optimizer_state_of_another_type_is_refused(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(call, monkeypatch, small)
    sgd = ("--set", "train.optimizer={type: sgd, momentum: 0.9}")
    said = call("train", "--resume", "run", "--allow-different", *sgd)
    assert said.status == 2
    assert (
        "optimizer state (mean, square) does not match the spec's optimizer (velocity)" in said.err
    )


def test_a_run_that_another_process_writes_is_left_alone(call: Call, small: Path) -> None:
    call("train", small, "--out", "run", "--quiet")
    code = (
        "import sys; from lenetkit.runs.lock import locked; from pathlib import Path\n"
        "with locked(Path('run'), print): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        before = {p: p.read_bytes() for p in Path("run").iterdir() if p.name != "run.lock"}
        for arguments in (["--resume", "run", "--epochs", "3"], [small, "--out", "run"]):
            said = call("train", *arguments)
            assert said.status == 2
            assert ("is writing this run; wait" in said.err) == ("--resume" in arguments)
        assert {p: p.read_bytes() for p in before} == before
        other.communicate()


def test_a_new_folder_that_another_run_has_just_taken_is_refused(call: Call, small: Path) -> None:
    Path("run").mkdir()
    with locked(Path("run"), pytest.fail):
        said = call("train", small, "--out", "run")
    assert said.status == 2
    assert f"error: run: process {os.getpid()} on " in said.err
    assert not list(Path("run").iterdir())


def test_a_folder_with_a_killed_runs_leavings_only_is_new(call: Call, small: Path) -> None:
    Path("run").mkdir()
    Path("run/run.lock").write_text(
        '{"pid": 7, "host": "h", "started": "2020-01-01T00:00:00+00:00"}'
    )
    said = call("train", "--resume", "run")
    assert said.status == 2
    assert "it holds neither spec.yaml nor a checkpoint; a run that ended before its" in said.err
    said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 0
    assert said.err == (
        "run: process 7 on h (started 2020-01-01T00:00:00+00:00) ended without finishing; "
        "taking its run over\n"
    )
    assert not Path("run/run.lock").exists()


def test_weights_that_overflowed_never_replace_a_checkpoint(
    call: Call, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after a step whose weights overflowed, before any loss could tell."""
    real = loop.train

    def interrupted(network: Any, *arguments: Any) -> Any:
        for event in real(network, *arguments):
            if isinstance(event, loop.StepDone) and event.step == 5:
                network.params[0] = float("inf")
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(loop, "train", interrupted)
    said = call("train", small, "--out", "run", "--quiet")
    assert said.status == 1
    assert "error: conv1.weight has non-finite values after step 5" in said.err
    way_on = "lenetkit train --resume run --allow-different"
    assert said.err.endswith(f"\n  run: saved at step 3; resume with: {way_on}\n")
    monkeypatch.setattr(loop, "train", real)
    assert call("train", "--resume", "run", "--quiet").status == 0
