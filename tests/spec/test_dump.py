"""Writing a spec: the result reads back as the same plan."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetkit.data.idx_folder import IdxFolder
from lenetkit.network.plan import Plan, load_plan, plan_text, plan_tree
from lenetkit.registry.catalog import Catalog, installed
from lenetkit.spec.dump import as_yaml, to_plain
from lenetkit.spec.merge import parse_text
from lenetkit.spec.nodes import Mark, parse, plain
from tests.support.right_others import ClippedSGD
from tests.support.shipped import CORE

ODD_NAMES = ["no", "1e-3", "007", "null", "~x", "0x1F", "true", "größe", "a - b", "1", "手書き"]
ODD_TEXTS = [
    *("no", "1e-3", "007", "0o7", ".inf", "null", "", " ", " a ", "a: b", "# a", "- a", "'", '"'),
    *("a\nb", "a\n\n b\n", "\n", "\t", "a\r\nb", "a\x85b", "\u2028", "\ufeff", "\x00", "\x1b[m"),
    *(
        "é",
        "手書き",
        "🙂",
        "{a: 1}",
        "[1]",
        "!t",
        "&a",
        "*a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "?",
        "---",
    ),
    *("...", "=", "<<", "a" * 300, "a b " * 100, "\\", "a\\nb", "ends with colon:", "\xa0"),
]


def idx_spec(title: str, classes: list[str]) -> Plan:
    """A plan with arbitrary strings, quoted as JSON, which is YAML."""
    return plan_text(
        "lenetkit: 1\nname: n\ninput: [2]\nlayers: {fc: {type: linear, out_features: 2}}\n"
        f"data: {{type: idx, title: {json.dumps(title)}, classes: {json.dumps(classes)}}}\n",
        "spec.yaml",
    )


def written(plan: Plan) -> Any:
    """The dump as plain values."""
    return plain(parse(plan.to_yaml(), Mark("dump")))


def check_reads_back(plan: Plan) -> None:
    text = plan.to_yaml()
    again = plan_text(text, "dump")
    assert again == plan
    assert again.to_yaml() == text


@pytest.mark.parametrize("name", sorted(CORE))
def test_shipped_specs_read_back(name: str) -> None:
    check_reads_back(load_plan(name))


def test_inferred_options_and_defaults_are_written() -> None:
    layers = written(load_plan("lenet5"))["layers"]
    assert layers["conv1"] == {
        "type": "conv2d",
        "out_channels": 6,
        "kernel_size": 5,
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
        "bias": True,
        "bias_init": "zeros",
        "in_channels": 1,
    }
    assert layers["fc1"]["in_features"] == 256
    assert layers["relu1"] == "relu"


def test_sections_are_written_in_the_order_of_a_spec() -> None:
    assert list(written(load_plan("lenet5"))) == [
        *("lenetkit", "name", "input", "layers", "loss", "init", "kernels", "data", "train"),
    ]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_stay_strings(name: str) -> None:
    plan = plan_text(
        f"lenetkit: 1\nname: '{name.removeprefix('~')}'\ninput: [2]\n"
        "layers: {'no': {type: linear, out_features: 2}, 'true': relu, größe: relu}\n",
        "spec.yaml",
    )
    check_reads_back(plan)
    assert [layer.name for layer in plan.layers] == ["no", "true", "größe"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_strings_are_preserved(text: str) -> None:
    plan = idx_spec(text, [text, "0"])
    assert plan.spec.data.source == IdxFolder(title=text, classes=(text, "0"))
    check_reads_back(plan)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40), st.lists(st.text(max_size=5), max_size=3))
def test_any_string_reads_back(title: str, classes: list[str]) -> None:
    check_reads_back(idx_spec(title, classes))


@given(st.text(alphabet="0123456789.eExobnotruly~-+_:", max_size=6))
def test_strings_that_yaml_1_1_reads_as_something_else_are_quoted(text: str) -> None:
    """Readers of YAML 1.1, such as PyYAML itself, read the dump the same way."""
    assert yaml.safe_load(idx_spec(text, []).to_yaml())["data"]["title"] == text


def test_none_is_written_where_it_is_not_the_default() -> None:
    """Left out, it would be read back as the default."""
    mine = EntryPoint("clipped", "tests.support.right_others:ClippedSGD", "lenetkit.optimizers")
    catalog = Catalog([*(e.point for es in installed().entries().values() for e in es), mine])
    text = (
        "lenetkit: 1\nname: n\ninput: [2]\nlayers: {fc: {type: linear, out_features: 2}}\n"
        "train: {optimizer: {type: clipped, max_norm: null}}\n"
    )
    spec = plan_tree(parse_text(text, "spec.yaml"), catalog).spec
    assert spec.train.optimizer == ClippedSGD(max_norm=None)
    written = as_yaml(to_plain(spec, catalog))
    assert "max_norm: null" in written
    assert plan_tree(parse_text(written, "dump"), catalog).spec == spec


numbers = st.floats(0, 1e6, exclude_min=True, exclude_max=True)
shares = st.floats(0, 1, exclude_max=True)
sizes = st.integers(1, 3) | st.lists(st.integers(1, 3), min_size=2, max_size=2)
pads = st.integers(0, 2) | st.lists(st.integers(0, 2), min_size=2, max_size=2)


def plugin(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`{type: name, …}` with some of the options."""
    return st.fixed_dictionaries({"type": st.just(name)}, optional=options)


inits = (
    st.sampled_from(["he_normal", "zeros", {"type": "normal", "std": 0.5}])
    | plugin("constant").flatmap(lambda d: numbers.map(lambda v: d | {"value": v}))
    | plugin("xavier_uniform", gain=numbers)
)
convolutions = st.fixed_dictionaries(
    {"type": st.just("conv2d"), "out_channels": st.integers(1, 9), "kernel_size": sizes},
    optional={
        "stride": sizes,
        "padding": pads,
        "dilation": sizes,
        "bias": st.booleans(),
        "weight_init": inits,
        "bias_init": inits,
    },
)
pools = st.fixed_dictionaries(
    {"type": st.sampled_from(["max_pool2d", "avg_pool2d"]), "kernel_size": st.just(2)},
    optional={"stride": sizes, "padding": st.integers(0, 1)},
)
images = (
    convolutions
    | pools
    | plugin("batch_norm2d", eps=numbers, momentum=shares, affine=st.booleans())
    | plugin("leaky_relu", negative_slope=numbers)
    | plugin("dropout", p=shares)
    | st.sampled_from(["relu", "tanh", "sigmoid"])
)
layer_names = st.from_regex(r"[^\W\d][\w-]{0,5}", fullmatch=True).filter(lambda n: n != "input")
specs = st.fixed_dictionaries(
    {
        "lenetkit": st.just(1),
        "name": st.sampled_from(ODD_NAMES[:4]) | st.from_regex(r"\w[\w+-]{0,9}", fullmatch=True),
        "input": st.tuples(st.integers(1, 3), st.integers(60, 90), st.integers(60, 90)).map(list),
        "layers": st.dictionaries(layer_names, images, max_size=4).map(
            lambda layers: layers | {"last": {"type": "linear", "out_features": 7}}
        ),
    },
    optional={
        "loss": st.sampled_from(["softmax_cross_entropy", "mean_squared_error"]),
        "init": inits,
        "data": st.fixed_dictionaries(
            {"type": st.sampled_from(["mnist", "synthetic_digits"])},
            optional={
                "fallback": plugin("synthetic_digits", train=st.integers(1, 99)),
                "dir": st.sampled_from(["digits", "/tmp/no", "1e-3", "größe", "a b"]),
                "validation": st.integers(0, 99),
                "transforms": st.lists(
                    st.sampled_from(["scale", "one_hot", {"type": "pad", "padding": [1, 2]}])
                    | plugin("scale", low=numbers, high=numbers)
                    | plugin("standardize", mean=shares, std=numbers),
                    max_size=3,
                ),
            },
        ),
        "train": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(1, 99),
                "shuffle": st.booleans(),
                "seed": st.integers(0, 10**80),
                "optimizer": plugin("sgd", lr=numbers, momentum=shares)
                | plugin("adam", lr=numbers, betas=st.lists(shares, min_size=2, max_size=2)),
                "schedule": st.sampled_from(["constant", "one_cycle"])
                | st.just({"type": "piecewise", "boundaries": [2, 5], "values": [1e-9, 2, 1e22]}),
            },
        ),
    },
)


@settings(deadline=None, max_examples=100)
@given(specs)
def test_any_plan_reads_back(spec: dict[str, Any]) -> None:
    """The spec is given as JSON, which is YAML from an independent writer."""
    check_reads_back(plan_text(json.dumps(spec), "spec.yaml"))
