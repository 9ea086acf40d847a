"""A layer whose parameter and state are single numbers works in every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lenetkit.files import tensorfile
from tests.cli.conftest import Call

GAIN = '''\
from dataclasses import dataclass
from lenetkit.authoring import Layer, ParamSpec, Zeros

@dataclass(frozen=True, kw_only=True)
class Gain(Layer):
    """y = gain · x."""

    def output_shape(self, in_shape):
        return in_shape

    def param_specs(self, in_shape):
        return {"gain": ParamSpec(())}

    def state_specs(self, in_shape):
        return {"batches": ParamSpec((), Zeros())}

    def forward(self, params, x, call):
        if call.training and len(x):
            call.state["batches"][...] += 1
        return x * params["gain"], x

    def backward(self, params, x, dy, grads, call):
        grads["gain"][...] = (dy * x).sum()
        return dy * params["gain"]

PLUGINS = {"gain": Gain}
'''


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "gain.py"
    path.write_text(GAIN, "utf-8")
    return str(path)


def test_it_is_checked(call: Call, plugin: str) -> None:
    said = call("plugins", "check", plugin)
    assert (said.status, "gain  layer  ok" in said.out) == (0, True)


@pytest.mark.parametrize(("optimizer", "init"), [("sgd", "he_normal"), ("adam", "xavier_uniform")])
def test_it_trains_resumes_and_is_evaluated(
    call: Call, small: Path, plugin: str, init: str, optimizer: str
) -> None:
    changes = ("--set", "layers.relu1=gain", "--set", f"init={init}")
    said = call("summary", small, "--plugin", plugin, "--json", *changes)
    assert said.status == 0, said.err
    (gain,) = [layer for layer in json.loads(said.out)["layers"] if layer["type"] == "gain"]
    assert (gain["params"], gain["trainable_params"]) == (2, 1)

    run = ("--out", "run", "--quiet", "--optimizer", optimizer, "--plugin", plugin)
    assert call("train", small, *run, *changes).status == 0
    more = ("train", "--resume", "run", "--quiet", "--epochs", "3", "--allow-different")
    assert call(*more, "--plugin", plugin).status == 0
    tensors, _ = tensorfile.read(Path("run/model.safetensors"))
    assert [tensors[f"relu1.{name}"].shape for name in ("gain", "batches")] == [(), ()]
    assert tensors["relu1.batches"] > 0
    said = call("evaluate", "run/model.safetensors", "--plugin", plugin, "--json")
    assert said.status == 0, said.err
