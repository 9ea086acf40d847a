"""A type that changes drops what belonged to the old one: in files, by options, in Python."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lenetkit.errors import SpecError
from lenetkit.initializers import Constant
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.network.plan import Plan, load_plan
from lenetkit.optimizers import SGD, Adam
from lenetkit.schedules import Cosine, OneCycle, Step
from lenetkit.spec.merge import Override, overrides

BASE = """\
extends: lenet5
layers:
  conv1: {type: conv2d, out_channels: 6, kernel_size: 5, weight_init: {type: normal, std: 0.2}}
  pool1: {type: max_pool2d, kernel_size: 3, stride: 2, padding: 1}
  drop1: {type: dropout, p: 0.3, after: relu3}
init: {type: uniform, low: -0.1, high: 0.2}
data:
  type: synthetic_digits
  train: 100
  dir: digits
  validation: 7
  transforms: [{type: pad, padding: 0}, {type: scale, low: -1}]
train:
  optimizer: {type: adam, lr: 0.5, eps: 1e-3, weight_decay: 0.1}
  schedule: {type: one_cycle, pct_start: 0.5}
"""

SLOTS: dict[str, list[dict[str, Any]]] = {
    "train.optimizer": [
        {"type": "adam"},
        {"type": "adam", "eps": 0.1},
        {"type": "sgd"},
        {"type": "sgd", "lr": 0.1, "momentum": 0.9},
        {"lr": 0.25},
    ],
    "train.schedule": [{"type": "constant"}, {"type": "step", "step_size": 2}, {"pct_start": 0.2}],
    "init": [{"type": "normal", "std": 0.3}, {"type": "he_normal"}, {"low": -0.05}],
    "loss": [{"type": "mean_squared_error"}, {"type": "softmax_cross_entropy"}],
    "data": [{"type": "idx"}, {"type": "mnist"}, {"type": "idx", "title": "mine", "validation": 3}],
    "layers.pool1": [{"type": "avg_pool2d"}, {"type": "avg_pool2d", "stride": 1}, {"stride": 3}],
    "layers.relu1": [{"type": "leaky_relu", "negative_slope": 0.2}, {"type": "tanh"}],
    "layers.drop1": [{"p": 0.1}, {"type": "relu"}],
    "layers.conv1.weight_init": [{"type": "constant", "value": 0.1}, {"std": 0.1}],
}
"""Right changes of every kind; none gives a layer its own type again, which a file redefines."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted paths of a nested change, and their values."""
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inside in value.items():
        yield from leaves(inside, f"{path}.{key}".lstrip("."))


def nested(changes: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": c}` as `{"a": {"b": c}}`."""
    tree: dict[str, Any] = {}
    for path, value in changes.items():
        *above, last = path.split(".")
        inner = tree
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return tree


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A spec with an option of its own wherever there is one."""
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def changed(base: Path, *texts: str) -> Plan:
    return load_plan(base, [Override.from_text(text) for text in texts])


def in_file(base: Path, text: str) -> Plan:
    path = base.with_name("mine.yaml")
    path.write_text(f"extends: base.yaml\n{text}\n")
    return load_plan(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_command_line_file_and_python_agree(base: Path, data: st.DataObject) -> None:
    slots = data.draw(st.lists(st.sampled_from(sorted(SLOTS)), unique=True, min_size=1))
    changes = {slot: data.draw(st.sampled_from(SLOTS[slot])) for slot in slots}
    expected = in_file(base, "\n".join(f"{k}: {json.dumps(v)}" for k, v in nested(changes).items()))
    whole = [f"{slot}={json.dumps(change)}" for slot, change in changes.items()]
    assert changed(base, *whole) == expected
    each = data.draw(st.permutations([*leaves(nested(changes))]))
    assert changed(base, *(f"{path}={json.dumps(value)}" for path, value in each)) == expected
    assert load_plan(base, overrides(dict(each))) == expected
    assert load_plan(base, overrides(changes)) == expected


def test_a_new_optimizer_takes_nothing_over(base: Path) -> None:
    for text in ("train.optimizer.type=sgd", "train.optimizer=sgd", "train.optimizer={type: sgd}"):
        assert changed(base, text).spec.train.optimizer == SGD()
    assert load_plan("lenet5", [Override.from_text("train.optimizer.type=sgd")]).spec.train == (
        load_plan("lenet5", overrides({"train.optimizer": "sgd"})).spec.train
    )


@pytest.mark.parametrize("lacking", [{}, {"train": {"epochs": 3}}])
def test_a_spec_without_an_optimizer_has_the_default_one(lacking: dict[str, Any]) -> None:
    layers = {"fc1": {"type": "linear", "out_features": 2}}
    spec = {"lenetkit": 1, "name": "a", "input": [4], "layers": layers, **lacking}
    for change in (
        Override.from_text("train.optimizer.lr=0.25"),
        Override.from_text("train={optimizer: {lr: 0.25}}"),
        Override.from_option("--lr", "train.optimizer.lr", 0.25),
    ):
        assert load_plan(spec, [change]).spec.train.optimizer == Adam(lr=0.25)
    assert load_plan(spec, overrides({"loss.label_smoothing": 0.1})).spec.loss == (
        SoftmaxCrossEntropy(label_smoothing=0.1)
    )
    with pytest.raises(SpecError, match=r"train\.optimizer: adam has no option 'momentum'"):
        load_plan(spec, overrides({"train.optimizer.momentum": 0.9}))
    with pytest.raises(SpecError, match=r"train\.optimizer: expected a `type`"):
        load_plan({**spec, "train": {"optimizer": {"lr": 0.25}}}, overrides({"train.epochs": 1}))


def test_options_apply_to_the_new_type_in_any_order(base: Path) -> None:
    texts = ("train.optimizer.lr=0.1", "train.optimizer.type=sgd", "train.optimizer.momentum=0.9")
    for order in itertools.permutations(texts):
        assert changed(base, *order).spec.train.optimizer == SGD(lr=0.1, momentum=0.9)
    both = changed(base, "train.optimizer.lr=0.1", "train.optimizer=sgd")
    assert both.spec.train.optimizer == SGD(lr=0.1)


def test_the_last_type_counts(base: Path) -> None:
    there_and_back = ("train.optimizer.type=sgd", "train.optimizer.type=adam")
    assert changed(base, *there_and_back).spec.train.optimizer == Adam()


@pytest.mark.parametrize(
    "text",
    [
        "train.optimizer.type=adam",
        "train.schedule.type=one_cycle",
        "layers.conv1.type=conv2d",
        "layers.pool1.type=max_pool2d",
        "layers.conv1.weight_init.type=normal",
        "init.type=uniform",
        "data.type=synthetic_digits",
        "data.transforms.1.type=scale",
    ],
)
def test_the_same_type_again_changes_nothing(base: Path, text: str) -> None:
    assert changed(base, text) == load_plan(base)


def test_a_layers_type_that_is_no_name_is_refused(base: Path) -> None:
    with pytest.raises(SpecError, match="expected the name of a layer, found 3"):
        changed(base, "layers.relu1.type=3")


def test_schedules(base: Path) -> None:
    assert changed(base, "train.schedule.type=cosine").spec.train.schedule == Cosine()
    plan = changed(base, "train.schedule.step_size=3", "train.schedule.type=step")
    assert plan.spec.train.schedule == Step(step_size=3)
    same = changed(base, "train.schedule.div_factor=5").spec.train.schedule
    assert same == OneCycle(pct_start=0.5, div_factor=5.0)


def test_initializers_inside_a_layer(base: Path) -> None:
    texts = ("layers.conv1.weight_init.value=1", "layers.conv1.weight_init.type=constant")
    layer: Any = changed(base, *texts).layers[0].layer
    assert layer.weight_init == Constant(value=1.0)
    with pytest.raises(SpecError, match="constant needs the option 'value'"):
        changed(base, "layers.conv1.weight_init.type=constant")


def test_an_item_of_a_list(base: Path) -> None:
    plan = changed(base, "data.transforms.1.type=standardize")
    assert str(plan.spec.data.options.transforms[1]) == "Standardize(mean=None, std=None)"


@pytest.mark.parametrize("text", ["data.type=idx", "data=idx", "data={type: idx}"])
def test_what_all_data_sets_take_stays(base: Path, text: str) -> None:
    plan, before = changed(base, text), load_plan(base)
    assert plan.spec.data.options == before.spec.data.options
    assert plan == in_file(base, "data: idx") == in_file(base, "data: {type: idx}")
    gone = changed(base, text, "data.validation=null", "data.dir=null").spec.data.options
    assert (gone.validation, gone.dir) == (0, None)
    (base.parent / "more.yaml").write_text("extends: mine.yaml\ndata: {validation: null}\n")
    assert load_plan(base.parent / "more.yaml").spec.data.options.validation == 0


def test_a_layer_keeps_only_what_its_new_type_cannot_do_without(base: Path) -> None:
    expected = AvgPool2d(kernel_size=3)
    assert changed(base, "layers.pool1.type=avg_pool2d").layers[2].layer == expected
    assert changed(base, "layers.pool1=avg_pool2d").layers[2].layer == expected
    assert in_file(base, "layers: {pool1: avg_pool2d}").layers[2].layer == expected
    there_and_back = ("layers.pool1.type=avg_pool2d", "layers.pool1.type=max_pool2d")
    assert changed(base, *there_and_back).layers[2].layer == MaxPool2d(kernel_size=3)
    (base.parent / "more.yaml").write_text("extends: mine.yaml\nlayers: {pool1: max_pool2d}\n")
    assert load_plan(base.parent / "more.yaml").layers[2].layer == MaxPool2d(kernel_size=3)


def test_a_new_layers_place_is_set_in_any_order(base: Path) -> None:
    expected = in_file(base, "layers: {x: {type: dropout, p: 0.4, after: relu1}}")
    texts = ("layers.x.p=0.4", "layers.x.type=dropout", "layers.x.after=relu1")
    for order in itertools.permutations(texts):
        assert changed(base, *order) == expected
    assert changed(base, "layers.x.after=relu1", "layers.x={type: dropout, p: 0.4}") == expected
    with pytest.raises(SpecError, match="`after` is for new layers"):
        changed(base, "layers.pool1.type=avg_pool2d", "layers.pool1.after=relu1")
    with pytest.raises(SpecError, match=r"layers\.x: no such layer"):
        changed(base, "layers.x.after=relu1")


def test_an_object_takes_no_options() -> None:
    changes = {"train.optimizer": SGD(lr=0.3), "train.optimizer.lr": 0.2}
    with pytest.raises(SpecError, match="the optimizer is an object, so it takes no 'lr' from"):
        load_plan("lenet5", overrides(changes))
    with pytest.raises(SpecError, match=r"for an object, write SGD\(…\)"):
        load_plan("lenet5", overrides({"train.optimizer": SGD}))
    wrong: Any = {3: 4}
    with pytest.raises(TypeError, match="expected changes such as"):
        overrides(wrong)


def test_new_layers_come_in_the_order_given() -> None:
    texts = ("layers.a.type=relu", "layers.b=tanh", "layers.c.type=leaky_relu")
    plan = load_plan("lenet5", [Override.from_text(text) for text in texts])
    assert [layer.name for layer in plan.layers[-3:]] == ["a", "b", "c"]
