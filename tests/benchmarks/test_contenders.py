"""Comparisons are fair: every contender runs the same network, on the same images, to the end."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import contenders
from contenders import CONTENDERS, chosen, count, enter
from contenders.base import LEARNING_RATE, AbsentError, Batches, Contender, Task
from contenders.ours import LenetkitContender
from contenders.plain import PlainContender
from contenders.plain_numpy import PlainAdam, PlainNetwork
from lenetkit.losses import SoftmaxCrossEntropy
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, load_plan
from lenetkit.optimizers import Adam
from lenetkit.spec.merge import Override
from lenetkit.training.loop import start

SPECS = ("lenet5", "lenet5-sigmoid", "lenet5-avgpool", "lenet5-32x32")
WINDOWS = (
    "layers.conv1={type: conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}",
    "layers.pool1={type: max_pool2d, kernel_size: 3, stride: 2, padding: 1}",
    "layers.conv2={type: conv2d, out_channels: 3, kernel_size: 2, bias: false}",
    "layers.relu2=tanh",
    "layers.pool2={type: avg_pool2d, kernel_size: 2, padding: 1}",
    "layers.flat={type: flatten, after: pool2}",
)


def plans() -> list[Plan]:
    return [
        *map(load_plan, SPECS),
        load_plan("lenet5", [Override.from_text(change) for change in WINDOWS]),
    ]


def small_task(spec: str = "lenet5", batch: int = 4) -> Task:
    task = Task.of(spec, batch, 1)
    return replace(task, data=replace(task.data, train=task.data.train.take(slice(0, 3 * batch))))


def lenetkit_results(plan: Plan, dtype: Any = np.float64) -> tuple[Network, Any, Any, Any]:
    """A network after both passes, its input, its outputs and their gradient."""
    network = Network(plan, seed=1, dtype=dtype)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, *plan.spec.input)).astype(dtype)
    workspace = network.workspace(training=True)
    y = network.forward(x, workspace).copy()
    dy = rng.normal(size=y.shape).astype(dtype)
    network.backward(dy.copy(), workspace)
    return network, x, y, dy


@pytest.mark.parametrize("plan", plans(), ids=(*SPECS, "windows"))
def test_the_plain_network_computes_what_lenetkit_does(plan: Plan) -> None:
    network, x, y, dy = lenetkit_results(plan)
    plain = PlainNetwork(network)
    np.testing.assert_allclose(plain.forward(x), y, rtol=1e-9, atol=1e-10)
    plain.backward(dy)
    flat = np.concatenate([g.ravel() for module in plain.trained for g in module.grads])
    np.testing.assert_allclose(flat, network.grads, rtol=1e-9, atol=1e-10)


def test_the_plain_optimizer_is_adam() -> None:
    network = Network(load_plan("lenet5"), dtype=np.float64)
    plain = PlainNetwork(network)
    adam = PlainAdam(plain)
    ours = Adam(lr=LEARNING_RATE)
    state = start(network, replace(network.plan.spec.train, optimizer=ours)).slots
    rng = np.random.default_rng(0)
    for t in (1, 2, 3):
        network.grads[:] = rng.normal(size=network.grads.shape)
        ends = np.cumsum([g.size for _, g in adam.pairs])
        for (_, g), part in zip(adam.pairs, np.split(network.grads, ends[:-1]), strict=True):
            g[...] = part.reshape(g.shape)
        adam.step()
        ours.step(network.params, network.grads, state, LEARNING_RATE, t)
    flat = np.concatenate([p.ravel() for p, _ in adam.pairs])
    np.testing.assert_allclose(flat, network.params, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("plan", plans(), ids=(*SPECS, "windows"))
def test_the_torch_twin_computes_what_lenetkit_does(plan: Plan) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from contenders.torch_twin import torch_twin

    network, x, y, dy = lenetkit_results(plan)
    twin = torch_twin(plan).double()
    twin.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in network.tensors().items()})
    outputs = twin(torch.from_numpy(x))
    np.testing.assert_allclose(outputs.detach().numpy(), y, rtol=1e-9, atol=1e-10)
    outputs.backward(torch.from_numpy(dy))
    for name, gradient in network.gradients().items():
        found = twin.get_parameter(name).grad.numpy()
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("plan", plans(), ids=(*SPECS, "windows"))
def test_the_jax_twin_computes_what_lenetkit_does(plan: Plan) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    from contenders.jax_jit import jax_twin

    network, x, y, dy = lenetkit_results(plan, np.float32)
    outputs, pull_back = jax.vjp(lambda t: jax_twin(plan)(t, x), network.tensors())
    np.testing.assert_allclose(outputs, y, rtol=0, atol=2e-5)
    (gradients,) = pull_back(dy)
    for name, gradient in network.gradients().items():
        scale = np.abs(gradient).max() or 1
        np.testing.assert_allclose(gradients[name] / scale, gradient / scale, rtol=0, atol=2e-5)


def tensors_of(contender: Any) -> dict[str, Any]:
    """A contender's weights by name."""
    if isinstance(contender, LenetkitContender):
        return contender.network.tensors()
    if isinstance(contender, PlainContender):
        return dict(
            zip(
                contender.source.tensors(),
                (p for module in contender.network.trained for p in module.params),
                strict=True,
            )
        )
    if hasattr(contender, "model"):
        return {n: p.detach().numpy() for n, p in contender.model.named_parameters()}
    return {name: np.asarray(value) for name, value in contender.tensors.items()}


@pytest.mark.parametrize("name", [name for name in CONTENDERS if name != "compiled"])
def test_everyone_ends_with_the_same_weights(name: str) -> None:
    """All images are the same, so that their order does not matter."""
    task = small_task(batch=8)
    same = task.data.train
    same = replace(same, images=same.images[[0] * 24], labels=same.labels[[0] * 24])
    task = replace(task, data=replace(task.data, train=same))
    try:
        contender = CONTENDERS[name](task)
    except AbsentError as reason:
        pytest.skip(str(reason))
    expected = LenetkitContender(task)
    with contender.limited():
        contender.train(3)
        contender.infer(2)
    expected.train(3)
    found = tensors_of(contender)
    start_of = Network(task.plan).tensors()
    for tensor, values in expected.network.tensors().items():
        assert np.abs(values - start_of[tensor]).max() > LEARNING_RATE
        np.testing.assert_allclose(found[tensor], values, rtol=0, atol=2e-4)


def test_lenetkit_continues_after_the_last_image() -> None:
    contender = LenetkitContender(small_task())
    contender.train(10)
    assert contender.progress.epoch == 0
    assert contender.progress.step == 1


def test_every_contender_has_the_same_loss_and_optimizer_for_any_spec(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    text = "lenetkit: 1\nname: other\nextends: lenet5-sgd\nloss: mean_squared_error\n"
    path.write_text(text, "utf-8")
    spec = Task.of(path, 32, 1).plan.spec
    assert spec.loss == SoftmaxCrossEntropy()
    train = spec.train
    assert train.optimizer == Adam(lr=LEARNING_RATE)
    assert train.batch_size == 32
    assert train.schedule.rate(LEARNING_RATE, None) == LEARNING_RATE  # type: ignore[arg-type]


def test_batches_are_shuffled_and_leave_no_image_out() -> None:
    batches = Batches(12, 4)
    epochs = [np.concatenate([batches.next() for _ in range(3)]).tolist() for _ in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]
    assert len(Batches(5, 5).next()) == 5


def test_a_layer_without_a_counterpart_is_named() -> None:
    task = Task.of("lenet5", 4, 1)
    dropped = load_plan("lenet5", [Override.from_text("layers.d={type: dropout, after: fc1}")])
    with pytest.raises(AbsentError, match=r"^plain NumPy has no twin of d, Dropout\(p=0\.5\)$"):
        PlainContender(replace(task, plan=dropped))
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from contenders.torch_twin import torch_twin

    message = r"^layers\.d: PyTorch's twin of dropout is not known here; known are conv2d, max_"
    with pytest.raises(AbsentError, match=message):
        torch_twin(dropped)


def test_missing_contenders_are_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Missing(LenetkitContender):
        name, kernels = "lenetkit none", "none"

    monkeypatch.setitem(contenders.CONTENDERS, "none", Missing)
    ready = enter(["none", "plain"], small_task())
    assert [contender.name for contender in ready] == ["plain NumPy"]
    said = capsys.readouterr().err
    assert said == "without none: no kernel set 'none' is installed; plugins/ may have it\n"


def test_missing_frameworks_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in (("eager", "torch"), ("best", "torch"), ("jax", "jax")):
        with pytest.raises(AbsentError, match=rf"is not installed: pip install {package}$"):
            CONTENDERS[name](small_task())


def test_names_of_contenders_are_checked() -> None:
    assert chosen("numpy, plain") == ["numpy", "plain"]
    with pytest.raises(ArgumentTypeError, match=r"^'nunpy' is unknown; did you mean 'numpy'\?$"):
        chosen("nunpy,plain")
    with pytest.raises(ArgumentTypeError, match=r"^expected each name once, found 'jax,jax'$"):
        chosen("jax,jax")


def test_counts_are_checked() -> None:
    assert count("12") == 12
    for text in ("0", "-1", "x", "1.5", ""):
        with pytest.raises(ArgumentTypeError, match=rf"^expected an integer ≥ 1, found '{text}'$"):
            count(text)


def test_contenders_have_distinct_names() -> None:
    names = {kind.name for kind in CONTENDERS.values()}
    assert len(names) == len(CONTENDERS)
    assert all(issubclass(kind, Contender) for kind in CONTENDERS.values())
