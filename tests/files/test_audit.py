"""Reading a file runs no code from it, and touches nothing but the file."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lenetkit.data.idx import write_idx
from tests.support import audited, bad_models, hostile_specs

ROOT = Path(audited.__file__).parents[2]
TRAP = "import os, pathlib\npathlib.Path(os.environ['TRAP']).write_text('sprung', 'utf-8')\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for sys.path with a distribution whose every module springs a trap."""
    folder = tmp_path / "site"
    info = folder / "trap-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "trap.py").write_text(TRAP, "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trap\nVersion: 1.0\n", "utf-8")
    groups = ("layers", "losses", "optimizers", "datasets", "transforms", "kernels")
    points = "".join(f"[lenetkit.{group}]\ntrap = trap:Trap\n" for group in groups)
    (info / "entry_points.txt").write_text(points, "utf-8")
    return folder


def in_child(site: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(site), str(ROOT))),
        "PYTHONUTF8": "1",
        "TRAP": str(site / "sprung"),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=site,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


def observed(site: Path, files: Sequence[tuple[str, Path]]) -> Any:
    words = [word for kind, path in files for word in (kind, str(path))]
    done = in_child(site, [audited.__file__, *words])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_quiet(site: Path, files: Sequence[tuple[str, Path]], refused: int) -> None:
    before = sorted(site.rglob("*"))
    found = observed(site, files)
    assert found["events"] == []
    assert found["refused"] == 2 * refused, "each file twice"
    assert "trap" not in found["modules"]
    assert not (site / "sprung").exists()
    assert sorted(path for path in site.rglob("*") if "__pycache__" not in path.parts) == before


def test_bad_and_good_models(site: Path, tmp_path: Path) -> None:
    bad = bad_models.write_all(tmp_path)
    files = [("model", path) for path in bad.values()]
    files.append(("model", tmp_path / "good.safetensors"))
    assert len(files) > 50
    assert_quiet(site, files, refused=len(bad))


def test_bad_and_good_specs(site: Path, tmp_path: Path) -> None:
    refused, files = 0, []
    for number, (content, said) in enumerate(hostile_specs.CASES.values()):
        if len(content) < 20_000:
            files.append(("spec", tmp_path / f"{number}.yaml"))
            files[-1][1].write_bytes(content)
            refused += bool(said)
    assert refused > 15
    (tmp_path / "good.yaml").write_text(bad_models.SPEC, "utf-8")
    assert_quiet(site, [*files, ("spec", tmp_path / "good.yaml")], refused)


def test_data_files(site: Path, tmp_path: Path) -> None:
    write_idx(tmp_path / "good", np.zeros((3, 2, 2), np.uint8))
    whole = (tmp_path / "good").read_bytes()
    bad = [whole[:-1], whole + b"x", b"", b"<html>", b"\x80\x04.", gzip.compress(whole)[:-3]]
    files = [("idx", tmp_path / "good")]
    for number, content in enumerate(bad):
        files.append(("idx", tmp_path / str(number)))
        files[-1][1].write_bytes(content)
    assert_quiet(site, files, refused=len(bad))


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print quit\n"


def test_pictures(site: Path, tmp_path: Path) -> None:
    """Pillow would run PostScript, with Ghostscript, whatever the file's name."""
    files = []
    for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"):
        files.append(("image", tmp_path / f"good.{kind}"))
        Image.effect_noise((20, 20), 50).save(files[-1][1])
    bad = [path.read_bytes()[:-40] for _, path in files[:2]]
    bad += [POSTSCRIPT, b"\xc5\xd0\xd3\xc6" + bytes(26) + POSTSCRIPT, b"%PDF-1.4\n", b"", b"text"]
    for number, content in enumerate(bad):
        files.append(("image", tmp_path / f"bad{number}.png"))
        files[-1][1].write_bytes(content)
    assert_quiet(site, files, refused=len(bad))


@pytest.mark.parametrize("case", ["pickle", "elsewhere", "import", "process"])
def test_the_hook_sees_what_it_should(site: Path, tmp_path: Path, case: str) -> None:
    code = {
        "pickle": "import pickle; pickle.loads(pickle.dumps(len))",
        "elsewhere": "open(__file__).close()",
        "import": "import this_is_not_there",
        "process": "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
    }[case]
    (site / "wrapped.py").write_text(
        "import sys\nfrom pathlib import Path\nfrom tests.support import audited\n"
        "def read(path):\n"
        "    try:\n"
        f"        {code}\n"
        "    except ImportError:\n        pass\n"
        "audited.READERS['model'] = read\n"
        "audited.main(['model', 'file'])\n",
        "utf-8",
    )
    done = in_child(site, [str(site / "wrapped.py")])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] != []


@pytest.mark.parametrize("command", ["summary", "spec", "evaluate", "predict"])
def test_a_plugin_that_is_not_named_is_not_imported(
    site: Path, tmp_path: Path, command: str
) -> None:
    bad_models.write_good(tmp_path / "good.safetensors")
    (tmp_path / "good.yaml").write_text(bad_models.SPEC, "utf-8")
    Image.fromarray(np.pad(np.zeros((9, 3), np.uint8), 9, constant_values=255)).save(
        tmp_path / "a.png"
    )
    choices: dict[str, list[str | Path]] = {
        "summary": [tmp_path / "good.yaml"],
        "spec": [tmp_path / "good.yaml"],
        "evaluate": [tmp_path / "good.safetensors", "--data", "idx", "--data-dir", site],
        "predict": [tmp_path / "good.safetensors", tmp_path / "a.png"],
    }
    done = in_child(site, ["-m", "lenetkit", command, *map(str, choices[command])])
    # There are no data to evaluate on, and the untrained model is not certain of what it sees.
    assert done.returncode == (2 if command in ("evaluate", "predict") else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert not (site / "sprung").exists()


def test_a_plugin_that_is_named_springs_the_trap(site: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    in_child(site, ["-m", "lenetkit", "summary", "lenet5", "--set", "layers.relu1=trap"])
    assert (site / "sprung").exists()


def test_nothing_reads_pickles() -> None:
    for path in (ROOT / "lenetkit").rglob("*.py"):
        source = path.read_text("utf-8")
        for word in ("pickle", "np.load", "numpy.load", "marshal", "shelve", "yaml.load", "eval("):
            known = {"opening.py", "foreign.py", "conformance"}
            if word == "pickle" and {path.name, path.parent.name} & known:
                continue  # the first recognize pickles, the last pickles what it tests
            assert word not in source.replace("safetensors.numpy.load", ""), f"{path}: {word}"
