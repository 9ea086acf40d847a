"""The JSON Schema accepts what the reader accepts and refuses what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lenetkit.errors import SpecError
from lenetkit.network.plan import load_plan
from lenetkit.registry.catalog import Catalog, installed
from lenetkit.spec.merge import parse_text
from lenetkit.spec.nodes import plain
from lenetkit.spec.schema import build_schema
from lenetkit.spec.shipped import shipped_folder
from tests.support.shipped import CORE

SPECS = sorted(CORE.values())


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    own = [e.point for entries in installed().entries().values() for e in entries
           if e.provider.distribution == "lenetkit"]  # fmt: skip
    return build_schema(Catalog(own))


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> jsonschema.Draft7Validator:
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def read(text: str) -> Any:
    return plain(parse_text(text, "spec").root)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_valid(path: Path, validator: jsonschema.Draft7Validator) -> None:
    validator.validate(read(path.read_text("utf-8")))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_resolved_specs_are_valid(path: Path, validator: jsonschema.Draft7Validator) -> None:
    validator.validate(yaml.safe_load(load_plan(path).to_yaml()))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_name_the_schema_to_their_editor(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=lenetkit.schema.json"


def test_the_shipped_schema_is_up_to_date(schema: dict[str, Any]) -> None:
    shipped = json.loads((shipped_folder() / "lenetkit.schema.json").read_text("utf-8"))
    assert shipped == json.loads(json.dumps(schema)), "run: lenetkit schema > specs/…schema.json"


HEAD = "lenetkit: 1\nname: x\ninput: [1, 8, 8]\n"
LAYERS = "layers: {f: {type: linear, out_features: 2}}\n"
GOOD = {
    "smallest": HEAD + LAYERS,
    "nested plugin": HEAD + "layers: {f: {type: linear, out_features: 2, bias_init: "
    "{type: constant, value: 1}}}\n",
    "pair": HEAD + "layers: {c: {type: conv2d, out_channels: 1, kernel_size: [3, 1]}, f: "
    "{type: linear, out_features: 2}}\n",
    "data by name": HEAD + LAYERS + "data: synthetic_digits\n",
    "removal": "lenetkit: 1\nextends: lenet5.yaml\nlayers: {relu1: null}\n",
    "change of options": "lenetkit: 1\nextends: lenet5.yaml\nlayers: {conv1: {out_channels: 8}}\n",
    "new layer": "lenetkit: 1\nextends: lenet5.yaml\n"
    "layers: {d: {type: dropout, p: 0.1, after: relu3}}\n",
}
BAD = {
    "no name": "lenetkit: 1\ninput: [1, 8, 8]\n" + LAYERS,
    "no layers": HEAD,
    "other format": "lenetkit: 2\nname: x\ninput: [1, 8, 8]\n" + LAYERS,
    "unknown key": HEAD + LAYERS + "trian: {}\n",
    "unknown type": HEAD + "layers: {f: {type: liner, out_features: 2}}\n",
    "unknown option": HEAD + "layers: {f: {type: linear, out_features: 2, bais: true}}\n",
    "missing option": HEAD + "layers: {f: {type: linear}}\n",
    "short form of a type with required options": HEAD + "layers: {f: linear}\n",
    "below the bound": HEAD + "layers: {f: {type: linear, out_features: 0}}\n",
    "wrong type": HEAD + "layers: {f: {type: linear, out_features: two}}\n",
    "wrong choice of plugin": HEAD + LAYERS + "loss: adam\n",
    "excluded bound": HEAD
    + "layers: {d: {type: dropout, p: 1}, f: {type: linear, out_features: 2}}\n",
    "bad train option": HEAD + LAYERS + "train: {epochs: 0}\n",
    "bad data option": HEAD + LAYERS + "data: {type: idx, tilte: a}\n",
}


@pytest.mark.parametrize("case", GOOD)
def test_good_specs(case: str, tmp_path: Path, validator: jsonschema.Draft7Validator) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(GOOD[case], "utf-8")
    load_plan(path)
    validator.validate(read(GOOD[case]))


@pytest.mark.parametrize("case", BAD)
def test_bad_specs(case: str, tmp_path: Path, validator: jsonschema.Draft7Validator) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(BAD[case], "utf-8")
    with pytest.raises(SpecError):
        load_plan(path)
    assert not validator.is_valid(read(BAD[case]))


def test_every_option_is_described(schema: dict[str, Any]) -> None:
    for kind in schema["definitions"].values():
        for case in kind["anyOf"][1]["allOf"]:
            for name, option in case["then"]["properties"].items():
                assert option is True or option["description"], name
