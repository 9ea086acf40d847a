"""Messages about wrong options: place, path, finding, expectation, fix."""

from __future__ import annotations

import os

import pytest

from lenetkit.errors import SpecError
from lenetkit.network.plan import plan_text

HEAD = "lenetkit: 1\nname: n\ninput: [1, 28, 28]\n"
LAYERS = "layers:\n  fc: {type: linear, out_features: 10}\n"
FIRST = len((HEAD + LAYERS).splitlines()) + 1
"""The line that follows both."""


def problems(text: str) -> list[str]:
    """Every problem of a spec, as printed."""
    with pytest.raises(SpecError) as caught:
        plan_text(text, "specs/my.yaml")
    return [str(problem) for problem in caught.value.problems]


def layer_problems(layer: str) -> list[str]:
    """The problems of a layer named conv1, which stands in line 5; what is said of it begins at
    column 10."""
    return problems(HEAD + f"layers:\n  conv1: {layer}\n  fc: {{type: linear, out_features: 10}}\n")


def test_misspelt_option_names_the_nearest() -> None:
    text = (
        "# a comment\n\nlenetkit: 1\nname: n\ninput: [1, 28, 28]\nlayers:\n"
        "  conv1: {kernal_size: 5, type: conv2d, out_channels: 6}\n"
        "  fc: {type: linear, out_features: 10}\n"
    )
    assert problems(text) == [
        "specs/my.yaml:7:11: layers.conv1: conv2d has no option 'kernal_size'; "
        "did you mean 'kernel_size'?"
    ]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            "{type: conv2d, out_channels: 6}",
            "5:17: layers.conv1: conv2d needs the option 'kernel_size' "
            "(an integer or a list of 2 integers ≥ 1)",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: null}",
            "5:17: layers.conv1: conv2d needs the option 'kernel_size' "
            "(an integer or a list of 2 integers ≥ 1)",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: 5, strides: 2}",
            "5:58: layers.conv1: conv2d has no option 'strides'; did you mean 'stride'?",
        ),
        (
            "{type: conv2d, out_channels: 6.0, kernel_size: 5}",
            "5:39: layers.conv1.out_channels: expected an integer ≥ 1, found 6.0",
        ),
        (
            "{type: conv2d, out_channels: '6', kernel_size: 5}",
            "5:39: layers.conv1.out_channels: expected an integer ≥ 1, found '6'",
        ),
        (
            "{type: conv2d, out_channels: true, kernel_size: 5}",
            "5:39: layers.conv1.out_channels: expected an integer ≥ 1, found true",
        ),
        (
            "{type: conv2d, out_channels: 0, kernel_size: 5}",
            "5:39: layers.conv1.out_channels: expected an integer ≥ 1, found 0",
        ),
        (
            "{type: conv2d, out_channels: {a: 1}, kernel_size: 5}",
            "5:39: layers.conv1.out_channels: expected an integer ≥ 1, found a mapping",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: [5, 5, 5]}",
            "5:55: layers.conv1.kernel_size: expected an integer or a list of 2 integers ≥ 1, "
            "found [5, 5, 5]",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: [5, 0]}",
            "5:55: layers.conv1.kernel_size: expected an integer or a list of 2 integers ≥ 1, "
            "found [5, 0]",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: 5, bias: no}",
            "5:64: layers.conv1.bias: expected true or false, found 'no'; write false",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: 5, groups: 4}",
            "5:66: layers.conv1.groups: must divide out_channels (6), found 4",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: 5, weight_init: he_nomral}",
            "5:71: layers.conv1.weight_init: no initializer is registered as 'he_nomral'; "
            "did you mean 'he_normal'?",
        ),
        (
            "{type: conv2d, out_channels: 6, kernel_size: 5, weight_init: {type: normal, std: -1}}",
            "5:91: layers.conv1.weight_init.std: expected a number ≥ 0, found -1",
        ),
        (
            "{type: dropout, p: 1}",
            "5:29: layers.conv1.p: expected a number ≥ 0 and < 1, found 1",
        ),
        (
            "{type: dropout, p: false}",
            "5:29: layers.conv1.p: expected a number ≥ 0 and < 1, found false",
        ),
        (
            "{type: batch_norm2d, eps: 0}",
            "5:36: layers.conv1.eps: expected a number > 0, found 0",
        ),
        (
            "conv2",
            "5:10: layers.conv1: no layer is registered as 'conv2'; did you mean 'conv2d'?",
        ),
        (
            "{type: Conv2D}",
            "5:17: layers.conv1: no layer is registered as 'Conv2D'; did you mean 'conv2d'?",
        ),
        ("", "5:9: layers.conv1: expected the name of a layer, found null"),
        ("3", "5:10: layers.conv1: expected the name of a layer, found 3"),
        ("[relu]", "5:10: layers.conv1: expected the name of a layer, found ['relu']"),
        ("{type: [relu]}", "5:17: layers.conv1: expected the name of a layer, found ['relu']"),
        ("{type: null}", "5:17: layers.conv1: expected the name of a layer, found null"),
        (
            "{kernel_size: 5}",
            "5:10: layers.conv1: expected a `type`, such as {type: avg_pool2d}",
        ),
        (
            "{type: relu, after: input}",
            "5:23: layers.conv1: `after` is for new layers of a spec that extends another",
        ),
    ],
)
def test_wrong_layer(layer: str, expected: str) -> None:
    assert layer_problems(layer) == [f"specs/my.yaml:{expected}"]


def test_unknown_type_without_a_similar_one_lists_the_valid_ones() -> None:
    (message,) = problems(HEAD + LAYERS + "kernels: mystery\n")
    said, valid = message.split("; valid: ")
    assert said == "specs/my.yaml:6:10: kernels: no kernel set is registered as 'mystery'"
    assert "numpy" in valid.split(", ")  # and those of whatever plugins are installed


def test_misspelt_required_option_is_one_problem() -> None:
    """The intended option is not also reported as missing."""
    (message,) = layer_problems("{type: conv2d, out_chanels: 6, kernel_size: 5}")
    assert "did you mean 'out_channels'?" in message


def test_long_values_are_cut() -> None:
    (message,) = layer_problems("x" * 10_000)
    assert len(message) < 600


def test_control_characters_are_shown_escaped() -> None:
    (message,) = layer_problems('"\\e[31m"')
    assert "\x1b" not in message
    assert "found" in message or r"'\x1b[31m'" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spam: 3", "6:1: a spec has no option 'spam'; valid: "),
        ("epochs: 3", "6:1: a spec has no option 'epochs'; did you mean 'train.epochs'?"),
        ("dir: x", "6:1: a spec has no option 'dir'; did you mean 'data.dir'?"),
        ("extend: x", "6:1: a spec has no option 'extend'; did you mean 'extends'?"),
        ("kernel: numpy", "6:1: a spec has no option 'kernel'; did you mean 'kernels'?"),
        ("extends: lenet5", "6:1: extends: only spec files can extend another spec"),
        ("train: 3", "6:8: train: expected a mapping, found 3"),
        ("train: {epochs: 0}", "6:17: train.epochs: expected an integer ≥ 1, found 0"),
        (
            "train: {epoch: 1}",
            "6:9: train: train has no option 'epoch'; did you mean 'epochs'?",
        ),
        (
            "train: {optimizer: {type: adam, betas: [0.9, 1]}}",
            "6:40: train.optimizer.betas: expected a list of 2 numbers ≥ 0 and < 1, found [0.9, 1]",
        ),
        (
            "train: {optimizer: {lr: 1}}",
            "6:20: train.optimizer: expected a `type`, such as {type: adagrad}",
        ),
        (
            "train: {optimizer: {type: sgd, nesterov: true}}",
            "6:42: train.optimizer.nesterov: needs a momentum above 0, found momentum: 0",
        ),
        ("data: minst", "6:7: data: no data set is registered as 'minst'; did you mean 'mnist'?"),
        ("data: [mnist]", "6:7: data: expected the name of a data set, found ['mnist']"),
        ("data: {dir: x}", "6:7: data: expected a `type`, such as {type: folder}"),
        (
            "data: {type: mnist, validaton: 5}",
            "6:21: data: mnist has no option 'validaton'; did you mean 'validation'?",
        ),
        (
            "data: {type: mnist, transforms: scale}",
            "6:33: data.transforms: expected a list, found 'scale'; write ['scale']",
        ),
        (
            "data: {type: mnist, transforms: [scale, {type: pad, padding: -1}]}",
            "6:62: data.transforms.1.padding: expected an integer or a list of 2 integers ≥ 0, "
            "found -1",
        ),
        (
            "data: {type: mnist, fallback: nothing}",
            "6:31: data.fallback: no data set is registered as 'nothing'; valid: ",
        ),
        (
            'data: {type: mnist, dir: "\\0"}',
            r"6:26: data.dir: expected a path, found '\x00'",
        ),
        pytest.param(
            "data: {type: mnist, dir: ~nobody-of-that-name/x}",
            "6:26: data.dir: expected a path, found '~nobody-of-that-name/x'",
            marks=pytest.mark.skipif(os.name == "nt", reason="Windows makes up a home"),
        ),
        ("data: {type: mnist, dir: 3}", "6:26: data.dir: expected a path, found 3"),
        ("loss: 3", "6:7: loss: expected the name of a loss, found 3"),
    ],
)
def test_wrong_section(text: str, expected: str) -> None:
    (message,) = problems(HEAD + LAYERS + text + "\n")
    assert message.startswith(f"specs/my.yaml:{expected}")
    assert expected.endswith("valid: ") or message.endswith(expected)


@pytest.mark.parametrize("key", ["lenetkit", "name", "input"])
def test_missing_key(key: str) -> None:
    lines = [line for line in HEAD.splitlines(True) if not line.startswith(key)]
    (message,) = problems("".join(lines) + LAYERS)
    assert message.startswith(f"specs/my.yaml:1:1: a spec needs the option '{key}' (")


def test_missing_layers() -> None:
    assert problems(HEAD) == [
        "specs/my.yaml:1:1: layers: expected a mapping of names to layers, "
        "such as conv1: {type: conv2d, …}"
    ]


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ("{}", ""),
        ("", ""),
        ("[relu]", ", found ['relu']; write a name for each layer, without dashes"),
        ("3", ", found 3"),
    ],
)
def test_layers_are_a_mapping(layers: str, found: str) -> None:
    (message,) = problems(HEAD + f"layers: {layers}\n")
    assert message.endswith(f"such as conv1: {{type: conv2d, …}}{found}")
    assert message.startswith("specs/my.yaml:4:")


@pytest.mark.parametrize("shape", ["[]", "[1, 1, 28, 28]"])
def test_input_of_another_rank(shape: str) -> None:
    assert problems(HEAD.replace("[1, 28, 28]", shape) + LAYERS) == [
        "specs/my.yaml:3:8: input: expected [channels, height, width], or [features], "
        f"found {shape}"
    ]


@pytest.mark.parametrize("shape", ["[0, 28, 28]", "[1, -28, 28]", "28", "[1, 28, 28.0]", "a"])
def test_input_that_is_not_a_shape(shape: str) -> None:
    (message,) = problems(HEAD.replace("[1, 28, 28]", shape) + LAYERS)
    assert message.startswith("specs/my.yaml:3:8: input: expected a list of integers ≥ 1, found ")


def test_input_may_be_flat() -> None:
    plan = plan_text(HEAD.replace("[1, 28, 28]", "[7]") + LAYERS, "my.yaml")
    assert plan.count() == 80


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2", "expected format version 1, found 2"),
        ("0", "expected format version 1, found 0"),
        ("1.0", "expected an integer, found 1.0"),
        ("'1'", "expected an integer, found '1'"),
    ],
)
def test_format_version(version: str, message: str) -> None:
    text = HEAD.replace("lenetkit: 1", f"lenetkit: {version}") + LAYERS
    assert problems(text) == [f"specs/my.yaml:1:11: lenetkit: {message}"]


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", "a\\b", "'a '", "a.", "'a:b'", '"a\\nb"', "'-'", "''"]
)
def test_names_unsuitable_for_a_folder(name: str) -> None:
    (message,) = problems(HEAD.replace("name: n", f"name: {name}") + LAYERS)
    assert message.startswith("specs/my.yaml:2:7: name: expected letters, digits, spaces and")


@pytest.mark.parametrize(
    "name", ["lenet5", "a b", "v1.2+x_y-z", "größe", "数字", "अंक", "'007'", "'no'"]
)
def test_good_names(name: str) -> None:
    plan = plan_text(HEAD.replace("name: n", f"name: {name}") + LAYERS, "my.yaml")
    assert plan.spec.name == name.strip("'")


@pytest.mark.parametrize("name", ["1fc", "a.b", "input", "'a b'", "a/b", "-a", "''"])
def test_bad_layer_names(name: str) -> None:
    text = HEAD + f"layers:\n  {name}: relu\n  fc: {{type: linear, out_features: 10}}\n"
    (message,) = problems(text)
    assert message.startswith("specs/my.yaml:5:3: layers.")
    assert message.endswith(
        "expected a name of letters, digits, _ and - that starts with a letter or _, "
        "and is not 'input'"
    )


@pytest.mark.parametrize("name", ["fc_1-a", "畳み込み", "परत", "ชั้น", "e\u0301tage"])
def test_good_layer_names(name: str) -> None:
    plan = plan_text(HEAD + f"layers:\n  {name}: {{type: linear, out_features: 10}}\n", "my.yaml")
    assert [layer.name for layer in plan.layers] == [name]


def test_short_form_is_the_long_form() -> None:
    short = HEAD + "layers:\n  a: relu\n  fc: {type: linear, out_features: 10}\n"
    assert plan_text(short, "a") == plan_text(short.replace("relu", "{type: relu}"), "b")


def test_null_takes_the_default() -> None:
    with_null = HEAD + LAYERS + "loss: null\ndata: ~\ntrain: {optimizer: null, epochs: null}\n"
    assert plan_text(with_null, "a") == plan_text(HEAD + LAYERS, "b")


SEVEN_MISTAKES = """\
lenetkit: 2
name: a/b
input: [1, 28, 28]
layers:
  conv1: {type: conv2d, out_channels: 6, kernel_size: 50}
  relu1: rleu
  fc: {type: linear, out_feature: 10}
loss: 3
train:
  epochs: none
"""


def test_all_mistakes_are_reported_at_once_each_at_its_place_in_order() -> None:
    """Different kinds of them: version, name, shape, type, option, wrong kind, wrong value."""
    assert problems(SEVEN_MISTAKES) == [
        "specs/my.yaml:1:11: lenetkit: expected format version 1, found 2",
        "specs/my.yaml:2:7: name: expected letters, digits, spaces and . + - _ only, because run "
        "folders have this name, found 'a/b'",
        "specs/my.yaml:5:3: layers.conv1: kernel 50×50 is larger than its input 28×28; use a "
        "smaller kernel_size, more padding, or fewer layers that shrink the image\n"
        "    shapes before it: input 1×28×28",
        "specs/my.yaml:6:10: layers.relu1: no layer is registered as 'rleu'; did you mean 'relu'?",
        "specs/my.yaml:7:22: layers.fc: linear has no option 'out_feature'; "
        "did you mean 'out_features'?",
        "specs/my.yaml:8:7: loss: expected the name of a loss, found 3",
        "specs/my.yaml:10:11: train.epochs: expected an integer ≥ 1, found 'none'",
    ]


def test_refused_yaml_does_not_hide_other_mistakes() -> None:
    text = HEAD + LAYERS + "train: {seed: .inf, epochs: 0}\ndata: &a mnist\nname: m\n"
    assert [message.split(": ", 1)[0] for message in problems(text)] == [
        "specs/my.yaml:6:15",
        "specs/my.yaml:6:29",
        "specs/my.yaml:7:7",
        "specs/my.yaml:8:1",
    ]


def test_several_wrong_options_of_one_layer_are_all_reported() -> None:
    found = layer_problems("{type: conv2d, out_channels: 0, kernel_size: a, padding: -1, foo: 1}")
    assert len(found) == 4


def test_a_layer_with_an_unknown_option_is_not_followed() -> None:
    """If the stride is misspelt, conv2 may fit the output that conv1 was meant to have."""
    (message,) = problems(
        HEAD + "layers:\n  conv1: {type: conv2d, out_channels: 1, kernel_size: 5, padd: 2}\n"
        "  conv2: {type: conv2d, out_channels: 1, kernel_size: 26}\n"
    )
    assert message.endswith("conv2d has no option 'padd'; did you mean 'padding'?")


def test_shapes_are_followed_only_to_the_first_wrong_layer() -> None:
    """What follows is unknown, so nothing is reported about it."""
    text = HEAD + (
        "layers:\n  conv1: {type: conv2d}\n  conv2: {type: conv2d, out_channels: 1, "
        "kernel_size: 99}\n"
    )
    assert all("conv2d needs the option" in message for message in problems(text))
