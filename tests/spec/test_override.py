"""`--set KEY=VALUE` goes through the same reader and the same checks as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.data.transforms import Pad, Scale, Standardize
from lenetkit.errors import SpecError
from lenetkit.layers.pooling import AvgPool2d
from lenetkit.network.plan import Plan, load_plan
from lenetkit.optimizers import SGD, Adam
from lenetkit.spec.merge import Override
from lenetkit.text import printable


def changed(*texts: str) -> Plan:
    """The shipped lenet5 with some changes."""
    return load_plan("lenet5", [Override.from_text(text) for text in texts])


def problems(*texts: str) -> list[str]:
    """The problems of such changes."""
    with pytest.raises(SpecError) as caught:
        changed(*texts)
    return [str(problem) for problem in caught.value.problems]


def names(plan: Plan) -> list[str]:
    return [layer.name for layer in plan.layers]


def test_a_scalar() -> None:
    assert changed("train.epochs=3").spec.train.epochs == 3


def test_values_are_read_by_the_rules_of_a_file() -> None:
    assert changed("train.optimizer.lr=1e-2").spec.train.optimizer.lr == 0.01
    assert changed("name=no").spec.name == "no"


def test_a_value_may_hold_equals_signs_and_spaces() -> None:
    plan = changed("data={type: idx, title: a = b}")
    assert plan.spec.data.source.title == "a = b"  # type: ignore[attr-defined]


def test_a_mapping_merges_as_in_a_file() -> None:
    train = changed("train={epochs: 2}").spec.train
    assert (train.epochs, train.optimizer) == (2, Adam(lr=3e-3, weight_decay=0.1))


def test_options_of_a_plugin_are_kept() -> None:
    optimizer = changed("train.optimizer.eps=0.5").spec.train.optimizer
    assert optimizer == Adam(lr=3e-3, eps=0.5, weight_decay=0.1)


def test_a_short_form_replaces_type_and_options() -> None:
    assert changed("train.optimizer=sgd").spec.train.optimizer == SGD()


def test_a_layers_new_type_keeps_what_it_cannot_do_without() -> None:
    plan = changed("layers.pool1.type=avg_pool2d")
    assert plan.layers[2].layer == AvgPool2d(kernel_size=2)
    assert names(plan)[2] == "pool1"


def test_a_type_set_on_a_short_form() -> None:
    assert changed("layers.relu1.type=tanh").layers[1].type == "tanh"


def test_an_option_set_on_a_short_form() -> None:
    plan = changed("data.transforms.0.low=-1")
    assert plan.spec.data.options.transforms == (Scale(low=-1.0),)


def test_a_list() -> None:
    plan = changed("data.transforms=[{type: pad, padding: 2}, scale]", "input=[1, 32, 32]")
    assert plan.spec.data.options.transforms == (Pad(padding=2), Scale())
    assert plan.spec.input == (1, 32, 32)


def test_an_item_of_a_list() -> None:
    plan = changed("input.1=32", "input.2=32", "data.transforms.0=standardize")
    assert plan.spec.input == (1, 32, 32)
    assert plan.spec.data.options.transforms == (Standardize(),)


def test_a_section_missing_from_the_file() -> None:
    assert changed("kernels.type=numpy") == changed()


def test_null_removes() -> None:
    plan = changed("data.fallback=null", "train.epochs=null")
    assert plan.spec.data.options.fallback is None
    assert plan.spec.train.epochs == 10


def test_a_layer_is_replaced_in_its_place() -> None:
    plan = changed("layers.relu1=tanh")
    assert (plan.layers[1].name, plan.layers[1].type) == ("relu1", "tanh")


def test_a_layer_is_removed() -> None:
    assert "relu1" not in names(changed("layers.relu1=null"))


def test_a_layer_is_added() -> None:
    assert names(changed("layers.drop=dropout"))[-1] == "drop"
    plan = changed("layers.drop={type: dropout, p: 0.2, after: relu3}")
    assert names(plan)[names(plan).index("relu3") + 1] == "drop"


def test_a_layer_is_added_piece_by_piece() -> None:
    plan = changed("layers.leak.type=leaky_relu", "layers.leak.negative_slope=0.2")
    assert plan.layers[-1].layer.negative_slope == 0.2  # type: ignore[attr-defined]


def test_changes_apply_in_turn() -> None:
    assert changed("train.epochs=3", "train.epochs=4").spec.train.epochs == 4


def test_a_data_folder_starts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert changed("data.dir=digits").spec.data.options.dir == tmp_path / "digits"


@pytest.mark.parametrize(
    "text", ["", "a", "=3", ".=3", ".a=3", "a.=3", "a..b=3", f"{'a.' * 5000}a=3"]
)
def test_malformed_changes(text: str) -> None:
    assert problems(text) == [f"--set {text}: expected KEY=VALUE, such as train.optimizer.lr=0.01"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "layers.x={type: relu",
            "not valid YAML: expected ',' or '}', but got the end of the text",
        ),
        ("train.lr=!!float 3", "tag !!float: not allowed in a spec; write the value alone"),
        ("train.seed=.inf", "expected a finite number, found .inf"),
        ("train.seed=\0", "the character U+0000 is not allowed in a spec"),
        ("train.epochs=0", "train.epochs: expected an integer ≥ 1, found 0"),
        ("train.epochs=many", "train.epochs: expected an integer ≥ 1, found 'many'"),
        ("train.epohcs=3", "train: train has no option 'epohcs'; did you mean 'epochs'?"),
        ("train.epochs.x=3", "train.epochs: expected an integer ≥ 1, found a mapping"),
        ("name.x=3", "name: expected a string, found a mapping"),
        (
            "train.optimizer=sdg",
            "train.optimizer: no optimizer is registered as 'sdg'; did you mean 'sgd'?",
        ),
        (
            "layers.conv1.kernal_size=3",
            "layers.conv1: conv2d has no option 'kernal_size'; did you mean 'kernel_size'?",
        ),
        (
            "layers.conv3.kernel_size=3",
            "layers.conv3: no such layer; did you mean 'conv2'?",
        ),
        (
            "layers.relu7=null",
            "layers.relu7: no such layer to remove; did you mean 'relu4'?",
        ),
        (
            "layers.x={type: relu, after: conv7}",
            "layers.x.after: no layer is called 'conv7'; did you mean 'conv2'?",
        ),
        (
            "layers.relu1.type=conv2d",
            None,
        ),
        ("input.3=1", "input.3: '3' is not an index into this list of 3, from 0"),
        ("input.-1=1", "input.-1: '-1' is not an index into this list of 3, from 0"),
        ("input.x=1", "input.x: 'x' is not an index into this list of 3, from 0"),
        (f"input.{'9' * 5000}=1", None),
        ("extends=lenet5-sgd", "extends: only spec files can extend another spec"),
        ("layers=null", None),
    ],
)
def test_wrong_changes_name_the_option(text: str, expected: str | None) -> None:
    for message in problems(text):
        if text != "layers=null":  # then the file lacks something
            assert message.startswith(f"--set {printable(text)}: ")
        assert expected is None or message == f"--set {printable(text)}: {expected}"


def test_shape_errors_of_a_change_name_the_layer() -> None:
    (message,) = problems("layers.conv2.kernel_size=13")
    assert "layers.conv2: kernel 13×13 is larger than its input 12×12" in message


def test_a_wrong_change_does_not_hide_the_next() -> None:
    found = problems("train.epochs=0", "layers.relu7=null", "input.9=1", "train.seed=-1")
    assert [message.split(": ")[0] for message in found] == [
        "--set layers.relu7=null",
        "--set input.9=1",
        "--set train.epochs=0",
        "--set train.seed=-1",
    ]


def test_dedicated_options_name_themselves() -> None:
    with pytest.raises(SpecError) as caught:
        load_plan("lenet5", [Override.from_option("--epochs", "train.epochs", 0)])
    assert str(caught.value) == "--epochs 0: train.epochs: expected an integer ≥ 1, found 0"


def test_the_spec_itself_is_not_changed() -> None:
    changed("train.epochs=3")
    assert load_plan("lenet5").spec.train.epochs == 15


MAPPINGS = [
    "train={epochs: 1}",
    "train={epochs: 1, optimizer: {lr: 0.5}}",
    "train={optimizer: sgd}",
    "train={optimizer: {type: sgd, momentum: 0.5}, schedule: constant}",
    "layers={conv1: {out_channels: 8}, relu1: tanh, relu4: null}",
    "layers={more: {type: relu, after: relu1}}",
    "layers={conv1: {type: conv2d, out_channels: 4, kernel_size: 3}}",
    "data={type: idx, test_share: 0.2}",
    "data={validation: 5, transforms: [scale, {type: pad, padding: 0}]}",
]


@pytest.mark.parametrize("text", MAPPINGS)
def test_a_mapping_merges_as_the_same_text_in_a_file_does(text: str, tmp_path: Path) -> None:
    key, _, value = text.partition("=")
    file = tmp_path / "child.yaml"
    file.write_text(f"lenetkit: 1\nextends: lenet5\n{key}: {value}\n", "utf-8")
    assert changed(text).to_yaml() == load_plan(file).to_yaml()


@pytest.mark.parametrize("reverse", [False, True])
def test_types_come_first_inside_of_mappings_too(reverse: bool) -> None:
    texts = ["train={optimizer: {lr: 0.5}, epochs: 2}", "train.optimizer.type=sgd"]
    train = changed(*reversed(texts) if reverse else texts).spec.train
    assert train.optimizer == SGD(lr=0.5)
    assert train.epochs == 2


def test_of_two_values_for_a_key_the_last_counts() -> None:
    assert changed("train.epochs=3", "train={epochs: 1}").spec.train.epochs == 1
    assert changed("train={epochs: 1}", "train.epochs=3").spec.train.epochs == 3
