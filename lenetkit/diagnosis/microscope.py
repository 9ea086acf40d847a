"""One pass under the microscope: activations, slopes and gradients, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Array
from lenetkit.diagnosis.functions import Activation
from lenetkit.diagnosis.subject import Subject, spread_rows
from lenetkit.network.network import Network
from lenetkit.network.observer import Observer
from lenetkit.network.stage import Stage
from lenetkit.training.draws import Draws

_IMAGES = 32
_FLAT = 0.05
"""A slope below this share of the activation's steepest is flat."""


@dataclass(frozen=True)
class LayerLook:
    """One layer in one pass over the probe images."""

    mean: float
    """Of its output."""
    deviation: float
    variation: float
    """Root mean square of how its output differs from image to image."""
    gradient: float = np.nan
    """‖dL/dy‖ of its output y; NaN where no gradient passes."""
    dead: float = np.nan
    """Of an activation: the share of its units whose slope is 0 for every image."""
    flat: float = np.nan
    """Of an activation: the share of values where its slope is nearly 0."""
    weights: float = np.nan
    """‖w‖ of its trained weights; NaN where there are none."""
    weight_gradient: float = np.nan
    """‖dL/dw‖."""
    update: float = np.nan
    """‖Δw‖ / ‖w‖ of the step before; NaN before the first."""


class Microscope(Observer):
    """Looks at copies of a network's weights, so that the network itself stays as it is."""

    def __init__(self, subject: Subject, activations: Mapping[str, Activation]) -> None:
        plan, data = subject.plan, subject.data
        some = spread_rows(data.train, _IMAGES)
        self._seed = plan.spec.train.seed
        self._loss = plan.spec.loss
        self._copy = Network(plan, seed=self._seed)
        self._images = data.pipeline.images(some.images, self._copy.dtype)
        self._targets = data.pipeline.labels(some.labels)
        self._activations = activations
        self._workspace = self._copy.workspace(training=True, fused=False, observer=self)
        self._signs: dict[str, Array] = {}
        self._outputs: list[Array] = []
        self._looks: dict[str, LayerLook] = {}

    def look(self, network: Network, before: Array | None = None) -> dict[str, LayerLook]:
        """Each layer by name; `before` is the network's `params` before its last step."""
        for name, view in self._copy.tensors().items():
            view[...] = network.tensors()[name]
        self._workspace.reseed(self._seed, Draws.LAYERS, 0)
        self._looks = {}
        with network.limited(), np.errstate(all="ignore"):
            outputs = self._copy.forward(self._images, self._workspace)
            _, saved = self._loss.forward(outputs, self._targets)
            self._copy.backward(self._loss.backward(saved), self._workspace)
            for stage in self._workspace.stages:
                self._weigh(stage)
                if stage.name in self._activations:
                    self._slopes(stage)
            if before is not None:
                self._updates(network.params - before)
        return self._looks

    @property
    def stages(self) -> list[Stage]:
        """The layers, each by itself, with the weights of the last look."""
        return self._workspace.stages

    def forward_begins(self, x: Array) -> None:
        self._outputs = [x]

    def forward_done(self, stage: Stage, y: Array) -> None:
        self._outputs.append(y)
        varied = y - y.mean(axis=0)
        self._looks[stage.name] = LayerLook(
            float(y.mean()), float(y.std()), float(np.sqrt(np.mean(varied * varied)))
        )

    def backward_begins(self, dy: Array) -> None:
        self._gradient(len(self._workspace.stages) - 1, dy)

    def backward_done(self, stage: Stage, dx: Array | None) -> None:
        if dx is not None and stage.first:
            self._gradient(stage.first - 1, dx)

    def _gradient(self, index: int, dy: Array) -> None:
        name = self._workspace.stages[index].name
        self._looks[name] = replace(self._looks[name], gradient=_norm(dy))

    def _weigh(self, stage: Stage) -> None:
        if stage.trained and stage.params:
            self._looks[stage.name] = replace(
                self._looks[stage.name],
                weights=_total(stage.params),
                weight_gradient=_total(stage.grads),
            )

    def _slopes(self, stage: Stage) -> None:
        """Measure an activation's slopes by what its backward makes of random signs."""
        y = stage.forward(self._outputs[stage.first])
        if stage.name not in self._signs:
            signs = self._signs[stage.name] = np.empty_like(y)
            signs[...] = 2 * np.random.default_rng(0).integers(0, 2, y.shape, np.int8) - 1
        signs = self._signs[stage.name].copy(order="K")
        slopes = np.abs(stage.backward(signs, stage.grads))
        within = tuple(axis for axis in range(slopes.ndim) if axis != 1)
        self._looks[stage.name] = replace(
            self._looks[stage.name],
            dead=float(np.mean(slopes.max(axis=within) == 0)),
            flat=float(np.mean(slopes < _FLAT * self._activations[stage.name].steepest)),
        )

    def _updates(self, change: NDArray[np.floating]) -> None:
        start = 0
        for stage in self._workspace.stages:
            if stage.trained and stage.params:
                size = sum(view.size for view in stage.params.values())
                moved = _norm(change[start : start + size])
                start += size
                look = self._looks[stage.name]
                ratio = moved / look.weights if look.weights else np.inf if moved else 0.0
                self._looks[stage.name] = replace(look, update=ratio)


def _norm(values: Array) -> float:
    flat = values.ravel(order="K")
    largest = float(np.abs(flat).max(initial=0))
    if not 1e-15 < largest < 1e15:  # squares would leave float32
        flat = flat.astype(np.float64)
    return float(np.sqrt(flat @ flat))


def _total(arrays: Mapping[str, Array]) -> float:
    return float(np.sqrt(sum(_norm(view) ** 2 for view in arrays.values())))
