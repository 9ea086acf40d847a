"""`extends`: what merges, replaces and removes, and which line an error names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lenetkit.errors import SpecError
from lenetkit.network.plan import Plan, load_plan
from lenetkit.optimizers import SGD, Adam
from lenetkit.schedules import OneCycle
from lenetkit.spec.changes import changes
from tests.support.shipped import CORE

BASE = """\
lenetkit: 1
name: base
input: [1, 12, 12]
layers:
  conv1: {type: conv2d, out_channels: 6, kernel_size: 5}
  relu1: relu
  pool1: {type: max_pool2d, kernel_size: 2}
  fc1: {type: linear, out_features: 10}
train:
  epochs: 3
  seed: 4
  optimizer: {type: adam, lr: 0.5, eps: 1e-3}
  schedule: one_cycle
data:
  type: mnist
  fallback: synthetic_digits
  transforms: [scale, {type: pad, padding: 1}]
"""


@pytest.fixture(autouse=True)
def _base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)


def extend(tmp_path: Path, change: str, *, base: str = "base.yaml") -> Plan:
    """The plan of a spec that extends the base with some lines."""
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {base}\n{change}", encoding="utf-8")
    return load_plan(path)


def problems(tmp_path: Path, change: str, *, base: str = "base.yaml") -> list[str]:
    """The problems of such a spec, without the folder."""
    with pytest.raises(SpecError) as caught:
        extend(tmp_path, change, base=base)
    folder = f"{tmp_path}{os.sep}"
    return [str(problem).replace(folder, "") for problem in caught.value.problems]


def layers(plan: Plan) -> dict[str, str]:
    """Name → type, in order."""
    return {layer.name: layer.type for layer in plan.layers}


def test_nothing_changed_is_the_base(tmp_path: Path) -> None:
    assert extend(tmp_path, "") == load_plan(tmp_path / "base.yaml")


def test_scalars_replace(tmp_path: Path) -> None:
    assert extend(tmp_path, "name: mine\n").spec.name == "mine"


def test_lists_replace(tmp_path: Path) -> None:
    plan = extend(tmp_path, "data: {transforms: [scale]}\n")
    assert len(plan.spec.data.options.transforms) == 1


def test_mappings_merge(tmp_path: Path) -> None:
    train = extend(tmp_path, "train: {epochs: 9}\n").spec.train
    assert (train.epochs, train.seed) == (9, 4)


def test_same_type_merges_its_options(tmp_path: Path) -> None:
    train = extend(tmp_path, "train: {optimizer: {type: adam, lr: 0.25}}\n").spec.train
    assert train.optimizer == Adam(lr=0.25, eps=1e-3)


def test_options_without_a_type_merge(tmp_path: Path) -> None:
    train = extend(tmp_path, "train: {optimizer: {lr: 0.25}}\n").spec.train
    assert train.optimizer == Adam(lr=0.25, eps=1e-3)


def test_options_merge_into_a_short_form(tmp_path: Path) -> None:
    train = extend(tmp_path, "train: {schedule: {pct_start: 0.5}}\n").spec.train
    assert train.schedule == OneCycle(pct_start=0.5)


def test_a_changed_type_drops_the_old_options(tmp_path: Path) -> None:
    """SGD has no `eps`, and takes its own default of `lr` rather than Adam's setting."""
    train = extend(tmp_path, "train: {optimizer: {type: sgd, momentum: 0.9}}\n").spec.train
    assert train.optimizer == SGD(momentum=0.9)


def test_short_form_replaces_type_and_options(tmp_path: Path) -> None:
    assert extend(tmp_path, "train: {optimizer: adam}\n").spec.train.optimizer == Adam()


def test_null_removes(tmp_path: Path) -> None:
    plan = extend(tmp_path, "train: {seed: null}\ndata: {fallback: ~}\n")
    assert plan.spec.train.seed == 0
    assert plan.spec.data.options.fallback is None


def test_null_of_a_whole_section_removes_it(tmp_path: Path) -> None:
    assert extend(tmp_path, "train: null\n").spec.train.epochs == 10


def test_a_layer_given_again_is_replaced_in_place(tmp_path: Path) -> None:
    plan = extend(tmp_path, "layers: {relu1: sigmoid}\n")
    assert list(layers(plan).items())[1] == ("relu1", "sigmoid")
    assert len(plan.layers) == 4


def test_a_layer_given_again_with_a_type_keeps_no_options(tmp_path: Path) -> None:
    """Unlike an optimizer, it loses its old options even if the type is the same."""
    found = problems(tmp_path, "layers:\n  conv1: {type: conv2d, out_channels: 3}\n")
    assert found == [
        "mine.yaml:3:17: layers.conv1: conv2d needs the option 'kernel_size' "
        "(an integer or a list of 2 integers ≥ 1)"
    ]


def test_a_layer_without_a_type_keeps_the_rest(tmp_path: Path) -> None:
    plan = extend(tmp_path, "layers: {conv1: {kernel_size: 3}}\n")
    assert plan.layers[0].out_shape == (6, 10, 10)


def test_options_merge_into_a_layers_short_form(tmp_path: Path) -> None:
    change = "layers: {relu1: leaky_relu}\n"
    (tmp_path / "middle.yaml").write_text(f"extends: base.yaml\n{change}")
    plan = extend(tmp_path, "layers: {relu1: {negative_slope: 0.5}}\n", base="middle.yaml")
    assert plan.spec.layers[1].layer.negative_slope == 0.5  # type: ignore[attr-defined]


def test_null_removes_a_layer(tmp_path: Path) -> None:
    assert list(layers(extend(tmp_path, "layers: {pool1: null}\n"))) == ["conv1", "relu1", "fc1"]


def test_a_new_layer_goes_to_the_end(tmp_path: Path) -> None:
    assert list(layers(extend(tmp_path, "layers: {extra: relu}\n")))[-1] == "extra"


@pytest.mark.parametrize(
    ("after", "order"),
    [
        ("conv1", ["conv1", "extra", "relu1", "pool1", "fc1"]),
        ("fc1", ["conv1", "relu1", "pool1", "fc1", "extra"]),
        ("input", ["extra", "conv1", "relu1", "pool1", "fc1"]),
    ],
)
def test_after_places_a_new_layer(tmp_path: Path, after: str, order: list[str]) -> None:
    plan = extend(tmp_path, f"layers: {{extra: {{type: tanh, after: {after}}}}}\n")
    assert list(layers(plan)) == order


def test_after_may_name_a_layer_that_is_new_too(tmp_path: Path) -> None:
    change = "layers: {a: {type: tanh, after: conv1}, b: {type: relu, after: a}}\n"
    assert list(layers(extend(tmp_path, change)))[:3] == ["conv1", "a", "b"]


def test_removed_and_added_again_is_a_new_layer(tmp_path: Path) -> None:
    (tmp_path / "middle.yaml").write_text("extends: base.yaml\nlayers: {relu1: null}\n")
    plan = extend(tmp_path, "layers: {relu1: tanh}\n", base="middle.yaml")
    assert list(layers(plan)) == ["conv1", "pool1", "fc1", "relu1"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "layers: {x: {type: relu, after: conv7}}",
            "mine.yaml:2:33: layers.x.after: no layer is called 'conv7'; did you mean 'conv1'?",
        ),
        (
            "layers: {x: {type: relu, after: [conv1]}}",
            "mine.yaml:2:33: layers.x.after: expected the name of a layer, or input, "
            "found ['conv1']",
        ),
        (
            "layers: {x: {type: relu, after: null}}",
            "mine.yaml:2:33: layers.x.after: expected the name of a layer, or input, found null",
        ),
        (
            "layers: {relu1: {type: tanh, after: conv1}}",
            "mine.yaml:2:37: layers.relu1: `after` is for new layers; this one keeps its place",
        ),
        (
            "layers: {relu7: null}",
            "mine.yaml:2:10: layers.relu7: no such layer to remove; did you mean 'relu1'?",
        ),
        (
            "layers: null",
            "mine.yaml:2:9: layers: expected a mapping of names to layers, "
            "such as conv1: {type: conv2d, …}",
        ),
    ],
)
def test_wrong_changes_of_layers(tmp_path: Path, change: str, expected: str) -> None:
    assert problems(tmp_path, change) == [expected]


@pytest.mark.parametrize("wrong", ["[sgd]", "{sgd: 1}", "null", "3"])
def test_a_type_that_is_not_a_name(tmp_path: Path, wrong: str) -> None:
    (message,) = problems(tmp_path, f"train: {{optimizer: {{type: {wrong}, lr: 1}}}}\n")
    assert message.startswith(
        "mine.yaml:2:27: train.optimizer: expected the name of an optimizer, found "
    )


def test_a_misplaced_layer_is_not_reported_for_its_shape_too(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, "layers: {x: {type: batch_norm2d, after: conv7}}\n")
    assert "no layer is called 'conv7'" in message


def test_wrong_changes_do_not_hide_other_mistakes(tmp_path: Path) -> None:
    change = "layers: {no1: null, no2: null, x: {type: relu, after: no3}, relu1: rleu}\nloss: 3\n"
    assert [message.split(": ")[0] for message in problems(tmp_path, change)] == [
        "mine.yaml:2:10",
        "mine.yaml:2:21",
        "mine.yaml:2:55",
        "mine.yaml:2:68",
        "mine.yaml:3:7",
    ]


def test_errors_name_the_file_that_holds_the_mistake(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(BASE.replace("seed: 4", "seed: -4"))
    found = problems(tmp_path, "train: {epochs: 0}\n", base="wrong.yaml")
    assert found == [
        "mine.yaml:2:17: train.epochs: expected an integer ≥ 1, found 0",
        "wrong.yaml:11:9: train.seed: expected an integer ≥ 0, found -4",
    ]


def test_what_is_missing_is_missing_in_the_spec_itself(tmp_path: Path) -> None:
    (tmp_path / "partial.yaml").write_text("lenetkit: 1\ninput: [4]\n")
    found = problems(
        tmp_path, "layers: {a: {type: linear, out_features: 1}}\n", base="partial.yaml"
    )
    assert found == ["mine.yaml:1:1: a spec needs the option 'name' (a string)"]


def test_a_change_of_type_is_what_lacks_an_option(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, "layers:\n  relu1:\n    type: linear\n")
    assert message.startswith("mine.yaml:4:11: layers.relu1: linear needs the option")


def test_a_shape_error_names_the_line_of_its_layer(tmp_path: Path) -> None:
    (message,) = problems(tmp_path, "input: [1, 4, 4]\n")
    assert message.startswith(
        "base.yaml:5:3: layers.conv1: kernel 5×5 is larger than its input 4×4"
    )


def test_errors_of_reading_a_base_name_the_base(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("lenetkit: 1\nname: [\n")
    found = problems(tmp_path, "layers: {}\nlayers: {}\n", base="wrong.yaml")
    assert found[0].startswith("mine.yaml:3:1: duplicate key 'layers'")
    assert found[1].startswith("wrong.yaml:3:1: not valid YAML")


def test_three_files_merge_in_turn(tmp_path: Path) -> None:
    (tmp_path / "middle.yaml").write_text(
        "extends: base.yaml\nname: middle\nlayers: {relu1: sigmoid}\ntrain: {seed: 5}\n"
    )
    plan = extend(tmp_path, "layers: {pool1: null}\ntrain: {epochs: 7}\n", base="middle.yaml")
    assert (plan.spec.name, plan.spec.train.seed, plan.spec.train.epochs) == ("middle", 5, 7)
    assert layers(plan) == {"conv1": "conv2d", "relu1": "sigmoid", "fc1": "linear"}


def test_a_base_may_be_a_shipped_spec(tmp_path: Path) -> None:
    plan = extend(tmp_path, "layers: {relu1: sigmoid}\n", base="lenet5")
    assert (plan.count(), plan.layers[1].type) == (44_426, "sigmoid")


def test_a_base_is_relative_to_the_spec_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "base.yaml").write_text("nonsense")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = tmp_path / "sub" / "mine.yaml"
    path.write_text("extends: ../base.yaml\n")
    assert load_plan(path).spec.name == "base"


def test_a_data_folder_starts_from_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text(BASE + "  dir: digits\n")
    monkeypatch.chdir("/")
    plan = extend(tmp_path, "data: {validation: 3}\n", base="sub/base.yaml")
    assert plan.spec.data.options.dir == tmp_path / "sub" / "digits"
    assert plan.spec.data.options.validation == 3


def test_circular_extends_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\nextends: mine.yaml\n")
    assert problems(tmp_path, "", base="a.yaml") == [
        "a.yaml:2:10: extends: circular `extends`: mine.yaml → a.yaml → mine.yaml"
    ]


def test_a_spec_cannot_extend_itself(tmp_path: Path) -> None:
    assert problems(tmp_path, "", base="mine.yaml") == [
        "mine.yaml:1:10: extends: circular `extends`: mine.yaml → mine.yaml"
    ]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("bsae.yaml", "mine.yaml:1:10: extends: 'bsae.yaml': no such spec file; did you mean"),
        ("none/base.yaml", "mine.yaml:1:10: extends: 'none/base.yaml': no such spec file; shipped"),
        ("~nobody-of-that-name/x", "mine.yaml:1:10: extends: '~nobody-of-that-name/x': no such"),
        ("x" * 3000, "mine.yaml:1:10: extends: 'xxx"),
        ('"\\0"', "mine.yaml:1:10: extends: '\\x00': no such spec file"),
        ("3", "mine.yaml:1:10: extends: expected the file name of another spec, found 3"),
        ("", "mine.yaml:1:9: extends: expected the file name of another spec, found null"),
        ("''", "mine.yaml:1:10: extends: expected the file name of another spec, found ''"),
        ("[a]", "mine.yaml:1:10: extends: expected the file name of another spec, found ['a']"),
        (".", "is a folder; expected a spec file"),
    ],
)
def test_bad_bases(tmp_path: Path, base: str, expected: str) -> None:
    (message,) = problems(tmp_path, "", base=base)
    assert expected in message


def test_every_shipped_spec_is_right() -> None:
    assert "lenet5" in CORE
    for name, path in CORE.items():
        assert load_plan(path).spec.name == name


@pytest.mark.parametrize("name", ["lenet5", "lenet5.yaml"])
def test_a_file_may_extend_the_shipped_spec_of_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    own = tmp_path / "lenet5.yaml"
    own.write_text(f"lenetkit: 1\nextends: {name}\nname: mine\ntrain: {{epochs: 2}}\n", "utf-8")
    plan = load_plan(own)
    assert (plan.spec.name, plan.spec.train.epochs, len(plan.layers)) == ("mine", 2, 11)
    monkeypatch.chdir(tmp_path)
    assert load_plan("lenet5.yaml") == plan
    assert changes("lenet5.yaml") == {"train.epochs": "2"}
    (tmp_path / "child.yaml").write_text("lenetkit: 1\nextends: lenet5.yaml\n", "utf-8")
    assert load_plan("child.yaml").spec.train.epochs == 2


def test_a_file_of_another_name_that_extends_itself_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("lenetkit: 1\nextends: mine.yaml\n", "utf-8")
    with pytest.raises(SpecError, match=r"circular `extends`: mine\.yaml → mine\.yaml"):
        load_plan(own)
