"""`lenetkit bench`: its tables and its JSON; never how long anything took."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lenetkit.profiling.profile import Profile
from lenetkit.registry.catalog import installed

Call = Callable[..., Any]

PLAIN = '''
from dataclasses import dataclass

from lenetkit.kernels.numpy_kernels import NumpyKernels


@dataclass(frozen=True, kw_only=True)
class Plain(NumpyKernels):
    """NumPy's, without fusing."""

    def fuse(self, layers):
        return None


PLUGINS = {"plain": Plain}
'''

NUMBER = {"type": "number", "exclusiveMinimum": 0}
OPTIONAL = {"type": ["number", "null"], "exclusiveMinimum": 0}
LAYER = {
    "name": {"type": "string"},
    "forward_seconds": NUMBER,
    "forward_gflops": OPTIONAL,
    "backward_seconds": OPTIONAL,
    "backward_gflops": OPTIONAL,
    "share": NUMBER,
    "scratch_bytes": {"type": "integer", "minimum": 0},
    "algorithm": {"type": "string"},
}
PROFILE = {
    "kernels": {"type": "string"},
    "batch_size": {"type": "integer"},
    "threads": {"type": "integer"},
    "steps": {"type": "integer"},
    "step_seconds": NUMBER,
    "step_quartiles": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
    "ratio": NUMBER,
    "images_per_second": NUMBER,
    "epoch_seconds": NUMBER,
    "peak_bytes": {"type": "integer", "exclusiveMinimum": 0},
    "batch_seconds": NUMBER,
    "loss_seconds": OPTIONAL,
    "update_seconds": OPTIONAL,
    "layers": {"type": "array", "items": {"$ref": "#/$defs/layer"}, "minItems": 1},
}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMA = closed(
    {
        "name": {"type": "string"},
        "mode": {"enum": ["training", "inference"]},
        "profiles": {"type": "array", "items": closed(PROFILE), "minItems": 1},
    }
) | {"$defs": {"layer": closed(LAYER)}}


@pytest.fixture(autouse=True)
def _fresh_catalog() -> Iterator[None]:
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.py"
    path.write_text(PLAIN, "utf-8")
    return path


def sections(out: str) -> list[list[str]]:
    """The paragraphs of an output, as lines."""
    return [paragraph.splitlines() for paragraph in out.strip().split("\n\n")]


def test_a_table_of_parts_the_algorithms_and_the_step(call: Call) -> None:
    said = call("bench", "lenet5", "--steps", "3", "--threads", "1")
    assert said.status == 0, said.err
    opening, parts, algorithms, summary = sections(said.out)
    assert opening == ["lenet5: training, batch 64, numpy on 1 thread; 3 steps"]
    names = [line.split()[0] for line in parts]
    fused = ["conv1+relu1+pool1", "conv2+relu2+pool2"]
    layers = [*fused, "fc1", "relu3", "fc2", "relu4", "fc3"]
    assert [names[0], *names[2:-2], names[-1]] == [
        "part", "batch", *layers, "loss", "update", "step"
    ]  # fmt: skip
    shares = [float(share) for line in parts for share in re.findall(r"([\d.]+)%", line)]
    assert len(shares) == len(layers) + 3
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))
    assert [line.split()[0] for line in algorithms[2:]] == fused
    assert "blocks of 3 outputs, 18×36×64 each" in algorithms[2]
    assert summary[0].split("  ")[0] == "kernels"
    assert re.fullmatch(
        r"numpy +[\d.,]+ +[\d.,]+ – [\d.,]+ +[\d,]+ +[\d.,]+ s +[\d.]+ MiB", summary[2]
    )


@pytest.mark.parametrize(
    "more", [(), ("--inference",), ("--batch-size", "1000"), ("--compare", "numpy,plain")]
)
def test_tables_fit_a_terminal_of_80_columns(call: Call, plain: Path, more: list[str]) -> None:
    said = call("bench", "lenet5", "--steps", "2", "--plugin", plain, *more)
    assert said.status == 0, said.err
    assert max(map(len, said.out.splitlines())) <= 80


def test_batch_size_defaults_to_the_specs(call: Call, small: Path) -> None:
    profile = call("bench", small, "--steps", "1", "--json").json["profiles"][0]
    assert (profile["batch_size"], profile["steps"]) == (5, 1)
    said = call("bench", small, "--steps", "1", "--batch-size", "3", "--json")
    assert said.json["profiles"][0]["batch_size"] == 3


def test_it_needs_no_data(call: Call, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LENETKIT_DATA")
    assert call("bench", small, "--steps", "1").status == 0


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_json_has_its_keys_and_adds_up(call: Call, mode: str) -> None:
    more = ["--inference"] if mode == "inference" else []
    facts = call("bench", "lenet5-avgpool", "--steps", "4", "--json", *more).json
    jsonschema.validate(facts, SCHEMA)
    assert facts["mode"] == mode
    assert [p["batch_size"] for p in facts["profiles"]] == ([64] if not more else [1, 1000])
    for profile in facts["profiles"]:
        layers = profile["layers"]
        parts = [profile[f"{part}_seconds"] or 0 for part in ("batch", "loss", "update")]
        parts += [row[f"{way}_seconds"] or 0 for row in layers for way in ("forward", "backward")]
        for row in layers:
            seconds = row["forward_seconds"] + (row["backward_seconds"] or 0)
            assert row["share"] == pytest.approx(seconds / sum(parts))
            assert (row["backward_seconds"] is None) == (mode == "inference")
        steps, size = profile["step_seconds"], profile["batch_size"]
        assert profile["images_per_second"] == pytest.approx(size / steps)
        assert profile["epoch_seconds"] == pytest.approx(-(-60_000 // size) * steps)
        low, high = profile["step_quartiles"]
        assert low <= steps <= high
        assert profile["ratio"] == 1


def test_gflops_come_from_the_plan(call: Call) -> None:
    layers = call("bench", "lenet5", "--steps", "2", "--json").json["profiles"][0]["layers"]
    fc1 = next(row for row in layers if row["name"] == "fc1")
    flops = 2 * 64 * 30_720
    assert fc1["forward_gflops"] * fc1["forward_seconds"] * 1e9 == pytest.approx(flops)
    assert fc1["backward_gflops"] * fc1["backward_seconds"] * 1e9 == pytest.approx(2 * flops)
    assert [row["forward_gflops"] for row in layers if row["name"] == "relu3"] == [None]


def test_kernel_sets_side_by_side(call: Call, plain: Path) -> None:
    arguments = ("bench", "lenet5", "--steps", "3", "--plugin", plain, "--compare", "numpy,plain")
    opening, parts, fused, alone, summary = sections(call(*arguments).out)
    assert opening == ["lenet5: training, batch 64, numpy on 1 thread, plain on 1 thread; 3 steps"]
    assert parts[0].split("  ")[0] == "part"
    assert parts[0].split() == ["part", "numpy", "ms", "plain", "ms", "plain/numpy"]
    names = [line.split()[0] for line in parts[2:] if "---" not in line]
    assert names[:3] == ["batch", "conv1+relu1+pool1", "conv2+relu2+pool2"]
    assert names[-3:] == ["loss", "update", "step"]
    assert [line.split()[0] for line in fused[2:]] == names[1:3]
    assert [line.split()[0] for line in alone[2:]] == ["conv1", "conv2"]
    assert [line.split()[0] for line in summary[2:]] == ["numpy", "plain"]

    facts = call(*arguments, "--json").json
    jsonschema.validate(facts, SCHEMA)
    one, other = facts["profiles"]
    assert (one["kernels"], other["kernels"]) == ("numpy", "plain")
    assert (one["ratio"], other["ratio"]) == (1, other["step_seconds"] / one["step_seconds"])
    assert (len(one["layers"]), len(other["layers"])) == (7, 11)


def test_kernels_and_set_work_as_in_other_commands(call: Call, plain: Path) -> None:
    facts = call(
        "bench", "lenet5", "--plugin", plain, "--kernels", "plain", "--steps", "1",
        "--set", "layers.pool1.type=avg_pool2d", "--json",
    ).json  # fmt: skip
    profile = facts["profiles"][0]
    assert profile["kernels"] == "plain"
    assert [row["name"] for row in profile["layers"]][:3] == ["conv1", "relu1", "pool1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--compare", "numpy"),
            "error: --compare: expected two or more kernel sets, each once, such as numpy,numba; "
            "found 'numpy'\n",
        ),
        (
            ("--compare", "numpy,numpy"),
            "error: --compare: expected two or more kernel sets, each once, such as numpy,numba; "
            "found 'numpy,numpy'\n",
        ),
        (
            ("--compare", "numpy,"),
            "error: --compare: expected two or more kernel sets, each once, such as numpy,numba; "
            "found 'numpy,'\n",
        ),
        (
            ("--compare", "numpy,nunpy"),
            "error: --compare nunpy: kernels: no kernel set is registered as 'nunpy'; "
            "did you mean 'numpy'?\n",
        ),
        (
            ("--compare", "numpy,plain", "--kernels", "numpy"),
            "error: --kernels and --compare exclude each other; name all in --compare\n",
        ),
        (
            ("--set", "data.transforms=[{type: pad, padding: 14}, scale]"),
            "error: data.transforms: these turn 1×28×28 into 1×56×56, and no image shape was "
            "found that they turn into the spec's input 1×28×28; leave out those that change the "
            "shape: --set 'data.transforms=[scale]'\n",
        ),
    ],
)
def test_wrong_input_is_named(call: Call, arguments: tuple[str, ...], message: str) -> None:
    said = call("bench", "lenet5", *arguments)
    assert (said.status, said.out) == (2, "")
    assert message in said.err


def test_a_busy_machine_is_noted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    note = "note: whole steps take much longer than the medians of their parts added up"
    for told in (True, False):
        monkeypatch.setattr(Profile, "disturbed", told)
        assert (note in call("bench", "lenet5", "--steps", "1").err) == told
