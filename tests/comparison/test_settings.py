"""How specs differ: one difference for each key that was set, and none for what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from lenetkit.comparison.settings import Settings, differences, settings
from lenetkit.errors import SpecError
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import overrides

CHOICES: dict[str, list[dict[str, Any]]] = {
    "conv1": [{"layers.conv1.out_channels": 8}, {"layers.conv1.bias_init": "normal"}],
    "conv2": [{"layers.conv2.padding": 1}, {"layers.conv2.trainable": False}],
    "relu1": [{"layers.relu1": "tanh"}, {"layers.relu1": {"type": "leaky_relu"}}],
    "pool1": [{"layers.pool1.type": "avg_pool2d"}, {"layers.pool1.kernel_size": 3}],
    "relu3": [{"layers.relu3": None}],
    "drop1": [{"layers.drop1": {"type": "dropout", "p": 0.3, "after": "relu4"}}],
    "fc1": [{"layers.fc1.out_features": 50}],
    "loss": [{"loss": "mean_squared_error"}, {"loss.label_smoothing": 0.1}],
    "init": [{"init": "xavier_uniform"}, {"init": {"type": "normal", "std": 0.01}}],
    "optimizer": [{"train.optimizer": "sgd"}, {"train.optimizer.lr": 0.01}],
    "momentum": [{"train.optimizer.eps": 1e-7}],
    "schedule": [{"train.schedule": "constant"}, {"train.schedule.pct_start": 0.5}],
    "epochs": [{"train.epochs": 3}],
    "seed": [{"train.seed": 7}],
    "clip": [{"train.clip_norm": 1.0}],
    "validation": [{"data.validation": 0.1}],
    "limit": [{"data.limit": 100}],
    "data": [{"data.fallback.seed": 3}, {"data.fallback": None}],
    "transforms": [{"data.transforms": ["standardize"]}],
}


def of(*changes: dict[str, Any]) -> Settings:
    merged = {key: value for change in changes for key, value in change.items()}
    return settings(load_plan("lenet5", overrides(merged)).to_yaml())


def keys(*specs: Settings) -> list[str]:
    return [difference.key for difference in differences(specs)]


@trials(max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(CHOICES)), st.integers(0, 1), max_size=6))
def test_specs_that_differ_in_k_keys_have_k_differences(chosen: dict[str, int]) -> None:
    if CHOICES["optimizer"][0] in [CHOICES[k][i % len(CHOICES[k])] for k, i in chosen.items()]:
        chosen.pop("momentum", None)  # which SGD does not have
    changes = [CHOICES[key][i % len(CHOICES[key])] for key, i in chosen.items()]
    found = keys(of(), of(*changes))
    expected = {key.removesuffix(".type") for change in changes for key in change}
    assert set(found) == expected
    assert len(found) == len(changes)


@trials(max_examples=15)
@given(st.lists(st.sampled_from(sorted(CHOICES)), min_size=2, max_size=4, unique=True))
def test_each_of_several_specs_has_its_value(chosen: list[str]) -> None:
    specs = [of(CHOICES[key][0]) for key in chosen]
    for difference in differences(specs):
        assert len(difference.values) == len(specs)
        alone = [repr(v) for v in difference.values]
        assert sum(alone.count(value) == 1 for value in alone) in (
            1,
            2,
        )  # the others have the base's


def test_a_change_of_type_shows_the_options_that_say_something() -> None:
    sgd = {"train.optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9}}
    (found,) = differences([of(), of(sgd)])
    assert found.key == "train.optimizer"
    adam = {"type": "adam", "lr": 0.003, "weight_decay": 0.1}
    assert found.values == (adam, {"type": "sgd", "lr": 0.05, "momentum": 0.9})


def test_a_layer_that_others_lack_says_where_it_is() -> None:
    (found,) = differences([of(), of(CHOICES["drop1"][0])])
    assert found.values == (None, {"type": "dropout", "p": 0.3, "after": "relu4"})


def test_the_order_of_layers_is_one_difference() -> None:
    swapped = {"lenetkit": 1, "name": "a", "input": [1, 8, 8], "layers": {}}
    layers = {"relu": "relu", "pool": {"type": "max_pool2d", "kernel_size": 2}, "fc": FC}
    texts = [
        load_plan({**swapped, "layers": {name: layers[name] for name in order}}).to_yaml()
        for order in (("relu", "pool", "fc"), ("pool", "relu", "fc"))
    ]
    (found,) = differences([settings(text) for text in texts])
    assert found.key == "layers"
    assert found.values == (["relu", "pool", "fc"], ["pool", "relu", "fc"])


FC = {"type": "linear", "out_features": 3}


def test_extends_paths_names_and_unwritten_defaults_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"lenetkit: 1\nname: 我的\nextends: lenet5.yaml\ndata: {{dir: {tmp_path.name}}}\n", "utf-8"
    )
    text = load_plan(tmp_path / "mine.yaml").to_yaml()
    assert str(tmp_path) in text or tmp_path.name in text
    older = text.replace(", bias_init: zeros", "").replace("  shuffle: true\n", "")
    assert older != text
    assert keys(of(), settings(text), settings(older)) == []


def test_a_spec_whose_plugin_is_missing_is_compared_as_it_stands() -> None:
    text = load_plan("lenet5").to_yaml()
    lost = text.replace("relu1: relu", "relu1: {type: gone, slope: 2}")
    (found,) = differences([settings(text), settings(lost)])
    assert found.key == "layers.relu1"
    assert found.values == ("relu", {"type": "gone", "slope": 2})


def test_what_is_no_spec_is_refused() -> None:
    for text in ("- a\n", "a: [", "a: &b c\n", "\0"):
        with pytest.raises(SpecError):
            settings(text)
