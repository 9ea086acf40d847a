"""A second opinion, if PyTorch is installed: losses, optimizers, schedules step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lenetkit.losses import BinaryCrossEntropy, Huber, Loss, SoftmaxCrossEntropy
from lenetkit.optimizers import Adagrad, Optimizer, RMSprop
from lenetkit.schedules import Cosine, CosineWarmRestarts, Moment, ReduceOnPlateau, Warmup

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is an optional oracle")
F = torch.nn.functional

OUTPUTS = np.random.default_rng(0).normal(0, 3, (6, 4))
CLASSES = np.array([3, 0, 2, 2, 1, 0])
SOFT = np.random.default_rng(1).dirichlet(np.ones(4), 6)
WEIGHT = (0.5, 2.0, 1.0, 0.0)

LOSSES: dict[str, tuple[Loss, Any]] = {
    "label smoothing": (
        SoftmaxCrossEntropy(label_smoothing=0.2),
        lambda z, t: F.cross_entropy(z, t, label_smoothing=0.2),
    ),
    "class weights": (
        SoftmaxCrossEntropy(weight=WEIGHT),
        lambda z, t: F.cross_entropy(z, t, torch.tensor(WEIGHT, dtype=z.dtype)),
    ),
    "both": (
        SoftmaxCrossEntropy(weight=WEIGHT, label_smoothing=0.1),
        lambda z, t: F.cross_entropy(
            z, t, torch.tensor(WEIGHT, dtype=z.dtype), label_smoothing=0.1
        ),
    ),
    "binary": (BinaryCrossEntropy(), F.binary_cross_entropy_with_logits),
    "huber": (Huber(delta=0.7), lambda y, t: F.huber_loss(y, t, delta=0.7)),
}


@pytest.mark.parametrize("rows", [np.eye(4)[CLASSES], SOFT], ids=["one-hot", "soft"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients(name: str, rows: Any) -> None:
    """Of rows, whose mean is over the samples; so is ours for class indices."""
    loss, theirs = LOSSES[name]
    losses, saved = loss.forward(OUTPUTS, rows)
    z = torch.tensor(OUTPUTS, requires_grad=True)
    expected = theirs(z, torch.tensor(rows))
    expected.backward()
    np.testing.assert_allclose(losses.mean(), expected.item(), rtol=1e-12)
    np.testing.assert_allclose(loss.backward(saved), z.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_of_indices_are_divided_by_the_samples(smoothing: float) -> None:
    """PyTorch divides by the sum of the weights: as many times as much as their mean is below 1."""
    loss = SoftmaxCrossEntropy(weight=WEIGHT, label_smoothing=smoothing)
    losses, _ = loss.forward(OUTPUTS, CLASSES)
    weight = torch.tensor(WEIGHT, dtype=torch.float64)
    theirs = F.cross_entropy(
        torch.tensor(OUTPUTS), torch.tensor(CLASSES), weight, label_smoothing=smoothing
    )
    share = np.array(WEIGHT)[CLASSES].mean()
    np.testing.assert_allclose(losses.mean(), theirs.item() * share, rtol=1e-12)


OPTIMIZERS: list[tuple[Optimizer, str]] = [
    (RMSprop(lr=0.02), "RMSprop"),
    (RMSprop(lr=0.02, alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=0.9), "RMSprop"),
    (RMSprop(lr=0.02, alpha=0.9, centered=True), "RMSprop"),
    (Adagrad(lr=0.02), "Adagrad"),
    (Adagrad(lr=0.1, lr_decay=0.2, weight_decay=0.1, eps=1e-3), "Adagrad"),
    (Adagrad(lr=0.1, initial_accumulator_value=0.5), "Adagrad"),
]


@pytest.mark.parametrize(("optimizer", "name"), OPTIMIZERS, ids=repr)
def test_trajectories_of_a_thousand_steps(optimizer: Any, name: str) -> None:
    rng = np.random.default_rng(0)
    params = rng.normal(size=7)
    scales = rng.uniform(0.1, 3, 7)
    leaf = torch.tensor(params, requires_grad=True)
    options = {n: v for n, v in vars(optimizer).items() if not n.startswith("_")}
    theirs = getattr(torch.optim, name)([leaf], **options)
    state = {slot: np.zeros(7) for slot in optimizer.active_slots()}
    for t in range(1, 1001):
        noise = rng.normal(size=7)
        leaf.grad = leaf.detach() * torch.tensor(scales) + torch.tensor(noise)
        optimizer.step(params, params * scales + noise, state, optimizer.lr, t)
        theirs.step()
    np.testing.assert_allclose(params, leaf.detach().numpy(), rtol=1e-9)


def their_rates(scheduler: Any, steps: int) -> list[float]:
    """The rate before each step."""
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def their_optimizer(lr: float) -> Any:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def test_warm_restarts() -> None:
    ours = CosineWarmRestarts(t_0=2, t_mult=2, min_lr=0.01)
    found = [ours.rate(0.5, Moment(step, 5, 14)) for step in range(70)]
    kind = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts
    theirs = kind(their_optimizer(0.5), T_0=10, T_mult=2, eta_min=0.01)
    np.testing.assert_allclose(found, their_rates(theirs, 70), rtol=1e-12)


def test_warm_up() -> None:
    ours = Warmup(epochs=2, start_factor=0.1, then=Cosine(min_lr=0.02))
    found = [ours.rate(0.5, Moment(step, 5, 8)) for step in range(40)]
    kit, optimizer = torch.optim.lr_scheduler, their_optimizer(0.5)
    linear = kit.LinearLR(optimizer, start_factor=0.1, total_iters=10)
    cosine = kit.CosineAnnealingLR(optimizer, T_max=30, eta_min=0.02)
    theirs = kit.SequentialLR(optimizer, [linear, cosine], milestones=[10])
    np.testing.assert_allclose(found, their_rates(theirs, 40), rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [{}, {"patience": 0}, {"patience": 2, "cooldown": 3, "factor": 0.5, "min_lr": 0.01}],
    ids=repr,
)
def test_reduce_on_plateau(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    losses = tuple(np.maximum(2 - 0.1 * np.arange(60), 1) + rng.normal(0, 0.05, 60))
    ours, optimizer = ReduceOnPlateau(**options), their_optimizer(0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options, eps=0)
    for epoch, loss in enumerate(losses):
        found = ours.rate(0.5, Moment(3 * epoch, 3, 60, losses[:epoch]))
        assert found == pytest.approx(theirs.get_last_lr()[0], rel=1e-12)
        theirs.step(loss)
    assert found < 0.5
