"""Which cause is named, that its cure cures, and that nothing healthy is accused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from lenetkit import optimizers
from lenetkit.diagnosis.telling import Diagnosis
from lenetkit.diagnosis.verdict import diagnose
from lenetkit.diagnosis.verdict import facts as facts_of
from lenetkit.layers.base import Elementwise, Layer, ParamSpec
from lenetkit.layers.linear import Linear
from lenetkit.options import option
from tests.support.ill import CLASSES, SGD, SIGMOID, SPEC, TANH, samples, subject

CONV = {
    **SPEC,
    "layers": {
        "conv1": {"type": "conv2d", "out_channels": 4, "kernel_size": 3},
        "relu1": "relu",
        "pool1": {"type": "max_pool2d", "kernel_size": 2},
        "fc1": {"type": "linear", "out_features": 16},
        "relu2": "relu",
        "fc2": {"type": "linear", "out_features": CLASSES},
    },
}


@pytest.mark.parametrize(
    "changes",
    [
        (),
        SGD,
        TANH,
        (*SIGMOID, "train.optimizer.lr=0.01"),
        ("train.batch_size=1", "train.optimizer.lr=1e-3"),
        ("train.batch_size=800",),
        ("loss=mean_squared_error",),
        ("loss=binary_cross_entropy",),
        ("layers.drop={type: dropout, after: act1, p: 0.5}",),
        ("data.transforms=[standardize]",),
        ("train.shuffle=false",),
        ("layers.fc1.trainable=false",),
        ("layers.fc1=null", "layers.act1=null", "layers.fc2=null", "layers.act2=null"),
        ("layers.act1=gelu", "layers.act2=elu"),
        ("train.schedule=one_cycle", "train.optimizer.lr=0.02"),
        ("train.optimizer={type: sgd, lr: 0.02, momentum: 0.9, weight_decay: 1e-4}",),
        ("init={type: normal, std: 0.02}",),
    ],
)
def test_healthy_ones_are_left_in_peace(changes: tuple[str, ...]) -> None:
    found = diagnose(subject(*changes))
    assert (found.healthy, found.findings) == (True, [])


def test_a_convolutional_network_is_healthy() -> None:
    norm = "layers.norm={type: batch_norm2d, after: conv1}"
    for changes in ((), (norm,)):
        assert diagnose(subject(*changes, spec=CONV)).healthy


def test_a_regression_is_judged_by_its_loss() -> None:
    real = samples(800, 0, regression=True)
    loss = "loss=mean_squared_error"
    assert diagnose(subject(loss, train=real)).healthy
    stuck = subject(loss, "train.optimizer={type: sgd, lr: 1e-7}", train=real)
    assert cause_of(diagnose(stuck)) == "rate_too_low"


def test_a_network_without_weight_matrices_has_a_verdict() -> None:
    layers = {"norm": "batch_norm2d", "pool": {"type": "avg_pool2d", "kernel_size": 2}}
    found = diagnose(subject(spec={**SPEC, "layers": {**layers, "flat": "flatten"}}))
    assert isinstance(facts_of(found)["healthy"], bool)


def test_updates_count_where_the_first_layer_has_no_weights() -> None:
    flat, hot = "layers.flat={type: flatten, after: input}", "train.optimizer={type: adam, lr: 1}"
    found = diagnose(subject(flat, hot))
    assert cause_of(found) == "rate_too_high"
    assert "weights by 0 of their size" not in found.findings[0].evidence
    assert "of their size" in found.findings[0].evidence


ILL: dict[str, list[tuple[str, ...]]] = {
    "vanishing_gradient": [
        ("init={type: normal, std: 1e-3}", *SGD),
        (*SIGMOID, "init={type: normal, std: 1e-3}", *SGD),
    ],
    "exploding_gradient": [("init={type: normal, std: 4}", *SGD)],
    "rate_too_high": [
        ("train.optimizer={type: sgd, lr: 50}",),
        (*TANH, "train.optimizer.lr=3"),
    ],
    "rate_too_low": [
        ("train.optimizer.lr=1e-7",),
        ("train.optimizer={type: sgd, lr: 0}",),
        (*SGD, "train.clip_norm=1e-6"),
    ],
    "dead_units": [
        ("layers.fc2.bias_init={type: constant, value: -50}",),
        ("layers.fc1.bias_init={type: constant, value: -50}", *SGD),
    ],
    "saturated_units": [(*TANH, "init={type: normal, std: 5}", *SGD)],
    "unscaled_input": [("data.transforms=[]", *SGD), ("data.transforms=[]", *TANH, *SGD)],
    "symmetric_start": [
        ("init={type: constant, value: 0.05}",),
        ("init=zeros",),
        (*TANH, "init={type: constant, value: 0.1}", *SGD),
    ],
    "no_nonlinearity": [("layers.act1=null",), ("layers.act1=null", "layers.act2=null", *SGD)],
    "too_much_regularization": [
        ("train.optimizer={type: sgd, lr: 0.1, weight_decay: 2}",),
        ("train.optimizer.weight_decay=100",),
        ("loss={type: softmax_cross_entropy, label_smoothing: 1}",),
    ],
    "activation_before_loss": [
        ("layers.last={type: softmax, after: fc3}",),
        ("layers.last={type: tanh, after: fc3}", *SGD),
    ],
    "bottleneck": [("layers.fc2.out_features=1",), ("layers.fc1.out_features=1", *TANH)],
}


@pytest.mark.parametrize(
    ("cause", "changes"), [(cause, each) for cause, cases in ILL.items() for each in cases]
)
def test_the_cause_is_named_and_its_cure_cures(cause: str, changes: tuple[str, ...]) -> None:
    found = diagnose(subject(*changes))
    assert cause_of(found) == cause
    cured = diagnose(subject(*changes, *found.findings[0].set))
    assert cured.healthy
    assert cured.case.watch.end.gain > found.case.watch.end.gain - 0.1


def test_the_first_cure_of_a_vanishing_gradient_is_he() -> None:
    found = diagnose(subject("init={type: normal, std: 1e-3}", *SGD))
    assert found.findings[0].set == ("init=he_normal",)
    assert found.findings[0].layers == ("fc1", "fc2")


def test_of_one_layer_that_starts_wrong_only_that_one_is_changed() -> None:
    found = diagnose(subject("layers.fc2.weight_init={type: normal, std: 50}", *SGD))
    assert cause_of(found) == "exploding_gradient"
    assert found.findings[0].set == ("layers.fc2.weight_init=he_normal",)
    bias = "layers.fc1.bias_init={type: constant, value: 30}"
    saturated = diagnose(subject(*TANH, bias, *SGD))
    assert saturated.findings[0].set == ("layers.fc1.bias_init=zeros",)


def test_layers_with_their_own_initializer_are_named_in_the_cure() -> None:
    small = "{type: normal, std: 1e-4}"
    own = [f"layers.{name}.weight_init={small}" for name in ("fc1", "fc2", "fc3")]
    found = diagnose(subject(*own, *SGD))
    assert cause_of(found) == "vanishing_gradient"
    assert set(found.findings[0].set) == {
        f"layers.{name}.weight_init=he_normal" for name in ("fc1", "fc2", "fc3")
    }


def test_data_can_be_at_fault() -> None:
    good = samples(800, 0)
    order = np.argsort(good.labels, kind="stable")
    unordered = diagnose(subject("train.shuffle=false", train=good.take(order)))
    assert cause_of(unordered) == "unshuffled_data"
    assert unordered.findings[0].set == ("train.shuffle=true",)
    drawn = np.random.default_rng(5).permutation(good.labels)
    senseless = diagnose(subject(train=replace(good, labels=drawn)))
    assert cause_of(senseless) == "labels_without_signal"
    alike = replace(good, images=np.repeat(good.images[:1], len(good), axis=0))
    constant = diagnose(subject(train=alike))
    assert cause_of(constant) == "constant_input"
    assert senseless.findings[0].set == constant.findings[0].set == ()
    assert cause_of(diagnose(subject("data.transforms=[{type: scale, high: 0}]"))) == (
        "constant_input"
    )


@dataclass(frozen=True, kw_only=True)
class Lazy(Layer):
    """A matrix whose backward forgets its own gradient."""

    def output_shape(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        return in_shape

    def param_specs(self, in_shape: tuple[int, ...]) -> dict[str, ParamSpec]:
        return {"weight": ParamSpec((in_shape[0], in_shape[0]))}

    def forward(self, params: Any, x: Any, call: Any) -> tuple[Any, Any]:
        return x @ params["weight"], None

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        grads["weight"][...] = 0
        return dy @ params["weight"].T


@dataclass(frozen=True, kw_only=True)
class OnlyBias(Linear):
    """A linear layer whose backward forgets the matrix's gradient, not that of the bias."""

    def backward(self, params: Any, saved: Any, dy: Any, grads: Any, call: Any) -> Any:
        dx = super().backward(params, saved, dy, grads, call)
        grads["weight"][...] = 0
        return dx


@dataclass(frozen=True, kw_only=True)
class Blocked(Elementwise):
    """The identity, through which no gradient passes."""

    def function(self, x: Any, out: Any) -> Any:
        np.copyto(out, x)
        return out

    def derivative(self, x: Any, y: Any) -> Any:
        return np.zeros_like(x)


@pytest.mark.parametrize(
    ("name", "layer", "frozen"),
    [
        ("lazy", Lazy(), ("lazy",)),
        ("blocked", Blocked(), ("fc1",)),
        ("half", OnlyBias(out_features=20), ("half",)),
    ],
)
def test_layers_without_a_gradient_are_frozen(
    name: str, layer: Layer, frozen: tuple[str, ...]
) -> None:
    layers = dict(SPEC["layers"])
    behind = {k: layers.pop(k) for k in ("fc2", "act2", "fc3")}
    layers |= {name: layer, "tanh": "tanh", **behind}
    found = diagnose(subject(spec={**SPEC, "layers": layers}))
    assert cause_of(found) == "frozen_layer"
    assert (found.findings[0].layers, found.findings[0].set) == (frozen, ())


@dataclass(frozen=True, kw_only=True)
class Partial(optimizers.SGD):
    """SGD that leaves out the first parameters."""

    skip: int = option(minimum=0, doc="How many.")

    def step(self, params: Any, grads: Any, state: Any, lr: float, t: int) -> None:
        params[self.skip :] -= lr * grads[self.skip :]


def test_a_layer_that_the_optimizer_leaves_out_is_frozen() -> None:
    train = {**SPEC["train"], "optimizer": Partial(lr=0.1, skip=8 * 8 * 24 + 24)}
    found = diagnose(subject(spec={**SPEC, "train": train}))
    assert (cause_of(found), found.findings[0].layers) == ("frozen_layer", ("fc1",))
    assert "but the optimizer leaves them out" in found.findings[0].evidence


def test_weights_that_a_small_rate_does_not_change_by_a_bit_are_not_frozen() -> None:
    assert cause_of(diagnose(subject("train.optimizer={type: sgd, lr: 1e-9}"))) == "rate_too_low"


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        (("layers.fc1.bias_init={type: constant, value: -50}", *SGD), ("fc1", "act1")),
        (("layers.fc2.bias_init={type: constant, value: -50}", *SGD), ("fc2", "act2")),
        ((*TANH, "layers.fc1.bias_init={type: constant, value: 30}", *SGD), ("fc1", "act1")),
        (("layers.fc2.weight_init={type: normal, std: 50}", *SGD), ("fc2",)),
    ],
)
def test_the_layer_where_it_begins_is_named(
    changes: tuple[str, ...], layers: tuple[str, ...]
) -> None:
    assert diagnose(subject(*changes), time_limit=0).findings[0].layers == layers


def test_without_time_no_experiment_is_made_and_the_verdict_says_so() -> None:
    found = diagnose(subject("init={type: normal, std: 1e-3}", *SGD), time_limit=0)
    facts = facts_of(found)
    assert facts["left_out"][0] == ["init=he_normal"]
    assert facts["tried"] == []
    assert facts["findings"][0]["probable_only"]
    assert facts["findings"][0]["cause"] == "vanishing_gradient"


def test_the_series_has_every_layer_at_every_look() -> None:
    series = facts_of(diagnose(subject(), steps=40))["series"]
    assert len(series["loss"]) == 40
    assert (series["looks"][0], series["looks"][-1]) == (0, 40)
    assert list(series["layers"]) == list(SPEC["layers"])
    for figures in series["layers"].values():
        assert {len(values) for values in figures.values()} == {len(series["looks"])}
    assert max(series["layers"]["act1"]["dead"]) <= 1


def cause_of(found: Diagnosis) -> str:
    """The cause named first; the trials, if there is none."""
    assert found.findings, [(t.lines, t.end.gain) for t in found.trials]
    return found.findings[0].cause
