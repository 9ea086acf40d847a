"""The plan: shapes, parameters and costs of each layer, and layers that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lenetkit
from lenetkit.errors import LenetkitWarning, PluginError, SpecError
from lenetkit.layers.linear import Linear
from lenetkit.model.model import Model
from lenetkit.network.plan import Plan, load_plan, plan_text
from tests.support.specs import small_plan


def plan(layers: str, shape: str = "[1, 28, 28]") -> Plan:
    """The plan of some layers, written one per line."""
    lines = "".join(f"  {line.strip()}\n" for line in layers.strip().splitlines())
    text = f"lenetkit: 1\nname: n\ninput: {shape}\nlayers:\n{lines}"
    return plan_text(text, "spec.yaml")


def problems(layers: str, shape: str = "[1, 28, 28]") -> list[str]:
    with pytest.raises(SpecError) as caught:
        plan(layers, shape)
    return [str(problem) for problem in caught.value.problems]


def only_shapes(layers: str, shape: str = "[1, 28, 28]") -> list[tuple[int, ...]]:
    """The output shape of each layer, without the linear layer that is added at the end."""
    made = plan(f"{layers}\nlast: {{type: linear, out_features: 2}}", shape)
    return [layer.out_shape for layer in made.layers[:-1]]


LENET5 = [
    # name, output shape, parameters, MACs, connections
    ("conv1", (6, 24, 24), 156, 86_400, 89_856),
    ("relu1", (6, 24, 24), 0, 0, 0),
    ("pool1", (6, 12, 12), 0, 0, 3_456),
    ("conv2", (16, 8, 8), 2_416, 153_600, 154_624),
    ("relu2", (16, 8, 8), 0, 0, 0),
    ("pool2", (16, 4, 4), 0, 0, 1_024),
    ("fc1", (120,), 30_840, 30_720, 30_840),
    ("relu3", (120,), 0, 0, 0),
    ("fc2", (84,), 10_164, 10_080, 10_164),
    ("relu4", (84,), 0, 0, 0),
    ("fc3", (10,), 850, 840, 850),
]


def test_lenet5_layer_by_layer() -> None:
    found = [
        (p.name, p.out_shape, p.count(), p.cost.macs, p.cost.connections)
        for p in load_plan("lenet5").layers
    ]
    assert found == LENET5


def test_lenet5_totals() -> None:
    lenet5 = load_plan("lenet5")
    assert lenet5.count() == 44_426
    assert lenet5.count(trainable_only=True) == 44_426
    assert lenet5.cost.macs == 281_640
    assert lenet5.cost.connections == sum(row[-1] for row in LENET5)
    assert (lenet5.classes, lenet5.out_shape) == (10, (10,))


def test_each_input_shape_is_the_previous_output_shape() -> None:
    layers = load_plan("lenet5").layers
    assert layers[0].in_shape == (1, 28, 28)
    assert [p.in_shape for p in layers[1:]] == [p.out_shape for p in layers[:-1]]


def test_first_convolution_of_the_1998_paper() -> None:
    """C1: 6 maps of 28×28, 156 trainable parameters, 122,304 connections; LeCun et al., II.B."""
    c1 = load_plan("lenet5-32x32").layers[0]
    assert (c1.out_shape, c1.count(), c1.cost.connections) == ((6, 28, 28), 156, 122_304)


def test_parameters_have_pytorchs_shapes() -> None:
    layers = {p.name: {k: v.shape for k, v in p.params.items()} for p in load_plan("lenet5").layers}
    assert layers["conv2"] == {"weight": (16, 6, 5, 5), "bias": (16,)}
    assert layers["fc1"] == {"weight": (120, 256), "bias": (120,)}
    assert layers["relu1"] == {}


def test_providers_are_named() -> None:
    provider = load_plan("lenet5").layers[0].provider
    assert provider is not None
    assert provider.distribution == "lenetkit"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("{type: conv2d, out_channels: 3, kernel_size: [3, 5]}", (3, 26, 24)),
        ("{type: conv2d, out_channels: 3, kernel_size: 5, padding: 2}", (3, 28, 28)),
        ("{type: conv2d, out_channels: 3, kernel_size: 5, stride: 2}", (3, 12, 12)),
        ("{type: conv2d, out_channels: 3, kernel_size: 5, dilation: 2}", (3, 20, 20)),
        ("{type: conv2d, out_channels: 3, kernel_size: 28}", (3, 1, 1)),
        ("{type: max_pool2d, kernel_size: 3}", (1, 9, 9)),
        ("{type: avg_pool2d, kernel_size: 3, stride: 2, padding: 1}", (1, 14, 14)),
        ("flatten", (784,)),
        ("{type: dropout, p: 0.2}", (1, 28, 28)),
        ("batch_norm2d", (1, 28, 28)),
    ],
)
def test_output_shapes(layer: str, shape: tuple[int, ...]) -> None:
    assert only_shapes(f"layer: {layer}") == [shape]


def test_convolution_without_bias_and_in_groups() -> None:
    layer = plan(
        """
        conv: {type: conv2d, out_channels: 6, kernel_size: 3, groups: 2, bias: false}
        last: {type: linear, out_features: 2}
        """,
        "[4, 5, 5]",
    ).layers[0]
    assert (layer.count(), layer.cost.macs, layer.cost.connections) == (108, 972, 972)


def test_running_statistics_are_counted_as_untrained() -> None:
    made = plan("norm: batch_norm2d\nlast: {type: linear, out_features: 1}", "[3, 2, 2]")
    assert made.layers[0].count() == 12
    assert made.layers[0].count(trainable_only=True) == 6
    assert made.count() - made.count(trainable_only=True) == 6


def test_inferred_options_are_filled_in() -> None:
    spec = load_plan("lenet5").spec
    inputs = {
        named.name: getattr(named.layer, "in_channels", getattr(named.layer, "in_features", None))
        for named in spec.layers
    }
    assert inputs["conv1"] == 1
    assert inputs["conv2"] == 6
    assert inputs["fc1"] == 256
    assert inputs["fc3"] == 84


def test_inferred_options_may_be_given() -> None:
    written = plan("fc: {type: linear, out_features: 2, in_features: 784}")
    assert written == plan("fc: {type: linear, out_features: 2}")


def test_wrong_inferred_options_are_reported_for_all_layers() -> None:
    found = problems(
        """
        conv: {type: conv2d, out_channels: 3, kernel_size: 5, in_channels: 2}
        norm: {type: batch_norm2d, num_features: 4}
        fc: {type: linear, out_features: 2, in_features: 784}
        """
    )
    assert found == [
        "spec.yaml:5:3: layers.conv.in_channels: expected 1, as the input is 1×28×28, found 2; "
        "fix it or leave it out",
        "spec.yaml:6:3: layers.norm.num_features: expected 3, as the input is 3×24×24, found 4; "
        "fix it or leave it out",
        "spec.yaml:7:3: layers.fc.in_features: expected 1728, as the input is 3×24×24, found 784; "
        "fix it or leave it out",
    ]


def test_kernel_larger_than_its_input_names_layer_and_previous_shapes() -> None:
    found = problems(
        """
        conv: {type: conv2d, out_channels: 3, kernel_size: 5}
        pool: {type: max_pool2d, kernel_size: 12}
        wide: {type: conv2d, out_channels: 3, kernel_size: 3}
        fc: {type: linear, out_features: 2}
        """
    )
    assert found == [
        "spec.yaml:7:3: layers.wide: kernel 3×3 is larger than its input 2×2; use a smaller "
        "kernel_size, more padding, or fewer layers that shrink the image\n"
        "    shapes before it: input 1×28×28 → conv 3×24×24 → pool 3×2×2"
    ]


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("{type: conv2d, out_channels: 2, kernel_size: 30}", "kernel 30×30 is larger"),
        ("{type: conv2d, out_channels: 2, kernel_size: [1, 29]}", "kernel 1×29 is larger"),
        ("{type: conv2d, out_channels: 2, kernel_size: 15, dilation: 2}", "29×29 (dilated) is"),
        ("{type: conv2d, out_channels: 2, kernel_size: 31, padding: 1}", "input 30×30 with its"),
        ("{type: max_pool2d, kernel_size: 29}", "kernel 29×29 is larger"),
        ("{type: conv2d, out_channels: 2, kernel_size: 1, groups: 2}", "groups must divide"),
    ],
)
def test_layers_that_cannot_take_their_input(layer: str, reason: str) -> None:
    (message,) = problems(f"layer: {layer}\nfc: {{type: linear, out_features: 2}}")
    assert message.startswith("spec.yaml:5:3: layers.layer: ")
    assert reason in message
    assert message.endswith("shapes before it: input 1×28×28")


@pytest.mark.parametrize(
    "layer",
    ["{type: conv2d, out_channels: 2, kernel_size: 1}", "{type: avg_pool2d, kernel_size: 1}"],
)
def test_image_layers_after_a_linear_one(layer: str) -> None:
    (message,) = problems(f"fc: {{type: linear, out_features: 2}}\nlayer: {layer}")
    assert message == (
        "spec.yaml:6:3: layers.layer: expected an image (channels × height × width), found 2\n"
        "    shapes before it: input 1×28×28 → fc 2"
    )


def test_last_layer_must_be_flat() -> None:
    assert problems("conv: {type: conv2d, out_channels: 10, kernel_size: 28}") == [
        "spec.yaml:5:3: layers.conv: the last layer gives 10×1×1; expected one value per class: "
        "end with a linear layer, or with flatten"
    ]


def test_last_layer_may_be_flatten() -> None:
    made = plan("conv: {type: conv2d, out_channels: 10, kernel_size: 28}\nflat: flatten")
    assert made.classes == 10


def test_shapes_too_large_for_memory_can_be_planned() -> None:
    huge = 10**30
    made = plan(f"fc: {{type: linear, out_features: {huge}}}", f"[1, {huge}, {huge}]")
    assert made.cost.macs == huge**3


def test_a_plan_creates_no_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a plan made an array")

    load_plan("lenet5")  # arrays made by imports do not count
    monkeypatch.setattr(np.random, "default_rng", refuse)
    for name in ("array", "asarray", "empty", "zeros", "ones", "full", "arange"):
        monkeypatch.setattr(np, name, refuse)
    assert load_plan("lenet5").count() == 44_426


@pytest.mark.parametrize("method", ["inferred", "output_shape", "param_specs", "cost"])
def test_a_layers_errors_are_blamed_on_it(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Linear, in_shape: tuple[int, ...]) -> None:
        raise KeyError(str(in_shape))

    monkeypatch.setattr(Linear, method, fails)
    message = r"^layers\.fc: linear of lenetkit [\d.]+: KeyError: '\(1, 28, 28\)'$"
    with pytest.raises(PluginError, match=message):
        plan("fc: {type: linear, out_features: 3}")


def test_a_name_is_a_parameter_or_state_and_not_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linear, "state_specs", Linear.param_specs)
    with pytest.raises(PluginError, match="'bias' is in both param_specs and state_specs; expec"):
        load_plan("lenet5")


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_probabilities_before_a_loss_that_takes_logits_are_warned_of(last: str, loss: str) -> None:
    changes = {"layers.out": f"{{type: {last}, after: fc3}}", "loss": loss}
    with pytest.warns(LenetkitWarning) as caught:
        lenetkit.build("lenet5", changes)
    assert str(caught[0].message) == (
        f"layers.out: {last} comes before the loss {loss}, which turns outputs into probabilities "
        "itself; done twice, gradients are small and training is slow\n"
        "  leave the layer out: --set layers.out=null; predictions are probabilities all the same"
    )
    assert caught[0].filename == __file__


def test_a_forgotten_scale_is_warned_of() -> None:
    change = {"data.transforms": "[{type: normalize, mean: [0.13], std: [0.31]}]"}
    with pytest.warns(LenetkitWarning) as caught:
        lenetkit.build("lenet5", change)
    assert str(caught[0].message) == (
        "data.transforms: normalize comes before any scale, so that it takes bytes, 0 to 255, and "
        "makes up to 823 of them\n"
        "  put scale before it: transforms: [scale, {type: normalize, …}]"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"data.transforms": "[scale, {type: normalize, mean: [0.13], std: [0.31]}]"},
        {"data.transforms": "[{type: normalize, mean: [33.3], std: [78.6]}]"},
        {"layers.out": "{type: tanh, after: fc3}"},
        {"layers.out": "{type: softmax, after: fc3}", "loss": "mean_squared_error"},
        {"layers.relu4": "sigmoid"},
    ],
    ids=repr,
)
def test_what_is_meant_is_not_warned_of(changes: dict[str, str]) -> None:
    assert lenetkit.build("lenet5", changes).plan.warnings == []


def problem_of(**changes: str) -> str:
    with pytest.raises(SpecError) as caught:
        lenetkit.build("lenet5", {key.replace("__", "."): value for key, value in changes.items()})
    (problem,) = caught.value.problems
    return f"{problem.path}: {problem.message}"


def test_weights_are_counted_before_anything_is_loaded() -> None:
    found = problem_of(loss="{type: softmax_cross_entropy, weight: [1, 2]}")
    assert found == "loss.weight: expected 10 numbers, one per output, found 2"


def test_a_schedule_that_judges_needs_held_out_samples() -> None:
    plateau = "{type: warmup, then: reduce_on_plateau}"
    assert problem_of(train__schedule=plateau) == (
        "train.schedule: warmup judges held-out samples, and there are none; hold some out, such "
        "as data.validation: 0.1"
    )
    lenetkit.build("lenet5", {"train.schedule": plateau, "data.validation": 0.1})


def test_so_does_one_that_is_set_for_the_training(make_idx: Callable[..., Path]) -> None:
    network = Model(small_plan())
    events = lenetkit.train(network, data_dir=make_idx(), schedule="reduce_on_plateau")
    with pytest.raises(SpecError, match="reduce_on_plateau judges held-out samples"):
        next(events)
