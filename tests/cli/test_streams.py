"""What the command line does when its streams, its folder or its user go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lenetkit import __main__
from lenetkit.cli.streams import unfailing
from tests.support.small_run import THOROUGH, outcome, write_inputs

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX's shells and devices")


def lenetkit(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """A command in a separate process."""
    command = [sys.executable, "-m", "lenetkit", *arguments]
    return subprocess.run(command, text=True, check=False, **options)  # type: ignore[call-overload]


@POSIX
@pytest.mark.parametrize("stderr", ["full", "closed", "pipe"])
def test_a_run_continues_if_standard_error_fails(tmp_path: Path, stderr: str) -> None:
    spec, data = write_inputs(tmp_path)
    train = ("train", str(spec), "--data-dir", str(data), "--out")
    if stderr == "closed":
        code = f"exec 2>&-; exec {sys.executable} -m lenetkit {' '.join(train)} run"
        said = subprocess.run(code, shell=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    elif stderr == "full":
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            said = lenetkit(*train, "run", cwd=tmp_path, stdout=subprocess.PIPE, stderr=full)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        said = lenetkit(*train, "run", cwd=tmp_path, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
    assert said.returncode == 0
    assert said.stdout.splitlines()[1] == str(Path("run/model.safetensors"))
    assert outcome(tmp_path / "run")["result"]["epochs"] == 3
    assert (tmp_path / "run" / "mistakes.png").exists()


@POSIX
def test_an_error_that_cannot_be_printed_keeps_its_exit_status() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert lenetkit("summary", "no.yaml", stdout=full, stderr=full).returncode == 2


@POSIX
@pytest.mark.parametrize("command", ["summary lenet5", "spec lenet5", "plugins", "schema"])
def test_a_closed_pipe_is_not_a_failure(command: str) -> None:
    """Such as `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    said = lenetkit(*command.split(), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (said.returncode, said.stderr) == (0, "")


@POSIX
def test_a_result_that_cannot_be_written_is_a_failure() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        said = lenetkit("summary", "lenet5", stdout=full, stderr=subprocess.PIPE)
    assert (said.returncode, said.stderr) == (
        1,
        "error: standard output: No space left on device\n",
    )


def test_a_closed_stream_drops_everything(tmp_path: Path) -> None:
    stream = (tmp_path / "log").open("w", encoding="utf-8")
    quiet = unfailing(stream)
    assert quiet.write("heard") == 5
    stream.close()
    assert quiet.write("unheard") == 7
    quiet.flush()
    assert quiet.closed
    assert (tmp_path / "log").read_text("utf-8") == "heard"


@POSIX
def test_a_removed_current_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    summary = "summary lenet5 --set layers.relu1=tanh"
    code = f"cd gone && rmdir ../gone && exec {sys.executable} -m lenetkit {summary}"
    environment = os.environ | {"PYTHONPATH": str(Path(__main__.__file__).parents[1])}
    said = subprocess.run(
        code, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert (said.returncode, said.stderr) == (
        2,
        "error: the current folder is gone; go to one that exists\n",
    )


@POSIX
def test_ctrl_c_at_any_moment_of_the_start_shows_no_traceback(tmp_path: Path) -> None:
    """Any moment after Python itself and the package's first lines have loaded."""
    spec, data = write_inputs(tmp_path)
    start = (
        "import os\ntry:\n    from lenetkit.__main__ import main\n"
        "    os.write(1, b'.')\n    main()\n"
        "except KeyboardInterrupt: os.write(2, b'too early'); os._exit(130)"
    )
    command = [sys.executable, "-c", start, "train", str(spec), "--data-dir", str(data), "--quiet"]
    met = Counter[str]()
    count = 100 if THOROUGH else 8
    for trial in range(count):
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout
        process.stdout.read(1)
        time.sleep(0.8 * trial / count)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1].decode()
        assert "Traceback" not in said
        assert "Exception ignored" not in said
        assert process.returncode in (0, 130), said
        ended = process.returncode == 0  # also where the press came in the very last step
        met["done" if ended else said.splitlines()[-1].partition(";")[0]] += 1
    assert set(met) <= {"interrupted", "stopped immediately", "too early", "done"} | {
        what for what in met if what.startswith("interrupted after step")
    }
    assert met["interrupted"]


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_worker_behind(tmp_path: Path, number: signal.Signals) -> None:
    """`plugins check` has a process for each file, in a session of its own."""
    (tmp_path / "hangs.py").write_text(
        "import os, time, pathlib\n"
        "pathlib.Path('part').write_text(str(os.getpid()))\n"
        "os.replace('part', 'worker')\ntime.sleep(600)\n",
        "utf-8",
    )
    start = (  # even if the tests are run by nohup
        f"import signal; signal.signal({number:d}, signal.SIG_DFL)\n"
        "from lenetkit.__main__ import main; main()"
    )
    check = ["plugins", "check", "hangs.py", "--timeout", "300"]
    command = [sys.executable, "-c", start, *check]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "worker").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        said = process.communicate()[1]
    word = "terminated" if number == signal.SIGTERM else "hung up"
    assert (process.returncode, said) == (128 + number, f"\n{word}\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "worker").read_text("utf-8")), 0)
