"""The network: memory for a plan, and the passes through its layers.

All trainable parameters lie in one flat vector and their gradients in another; each layer sees
named views of them. Untrained state (running means) lies apart.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from lenetkit.errors import ShapeError
from lenetkit.layer import Array, Call, shape_text
from lenetkit.plan import Plan


class Workspace:
    """Scratch memory and saved state for one stream of batches through a network.

    Training and evaluation each have their own, so that neither overwrites the other's.
    """

    def __init__(self, network: Network, *, training: bool) -> None:
        kernels = network.plan.spec.kernels
        self.calls = [
            Call(kernels=kernels, training=training, needs_input_grad=index > 0)
            for index in range(len(network.plan.layers))
        ]
        self.saved: list[Any] = []

    def reseed(self, *key: int) -> None:
        """Give every layer a generator of its own, determined by `key`."""
        for index, call in enumerate(self.calls):
            call.rng_key = (*key, index)


_MOST_VALUES = 1 << 30
"""Values in one array from which on a spec is taken for a mistake: 4 GiB in float32."""


class Network:
    """A plan with memory. `params` and `grads` are flat; `tensors()` names every piece."""

    def __init__(self, plan: Plan, *, seed: int = 0, dtype: Any = np.float32) -> None:
        _expect_bearable(plan)
        self.plan = plan
        self.dtype = np.dtype(dtype)
        size = plan.count(trainable_only=True)
        self.params = np.zeros(size, dtype)
        self.grads = np.zeros(size, dtype)
        self._grad_views = self._split(self.grads)
        self._views = [
            {
                name: views[name] if spec.trainable else np.zeros(spec.shape, dtype)
                for name, spec in layer.params.items()
            }
            for layer, views in zip(plan.layers, self._split(self.params), strict=True)
        ]
        self.initialize(seed)

    def _split(self, vector: Array) -> list[dict[str, Array]]:
        """A flat vector as named views of the trainable parameters, for each layer."""
        views: list[dict[str, Array]] = []
        offset = 0
        for layer in self.plan.layers:
            views.append({})
            for name, spec in layer.params.items():
                if spec.trainable:
                    end = offset + math.prod(spec.shape)
                    views[-1][name] = vector[offset:end].reshape(spec.shape)
                    offset = end
        return views

    def initialize(self, seed: int) -> None:
        """Set every parameter to its initial value.

        Each draws from a generator seeded by (seed, its name), so that a layer added to a spec
        does not change how the others start.
        """
        for layer, views in zip(self.plan.layers, self._views, strict=True):
            for name, spec in layer.params.items():
                rng = np.random.default_rng([seed, zlib.crc32(f"{layer.name}.{name}".encode())])
                init = spec.init or self.plan.spec.init
                views[name][...] = init.sample(rng, spec.shape, *spec.fans())

    def workspace(self, *, training: bool) -> Workspace:
        """Memory for passes of one kind."""
        return Workspace(self, training=training)

    def forward(self, x: Array, workspace: Workspace) -> Array:
        """The outputs (N, K) for a batch (N, *input). Valid until the workspace's next forward."""
        workspace.saved.clear()
        for layer, params, call in zip(self.plan.layers, self._views, workspace.calls, strict=True):
            x, saved = layer.layer.forward(params, x, call)
            workspace.saved.append(saved)
        return x

    def backward(self, dy: Array, workspace: Workspace) -> None:
        """Write dL/dparams into `grads`, for the workspace's last forward."""
        gradient: Array | None = dy
        for index in reversed(range(len(self.plan.layers))):
            if gradient is None:
                raise RuntimeError(f"{self.plan.layers[index + 1].name} gave no input gradient")
            gradient = self.plan.layers[index].layer.backward(
                self._views[index],
                workspace.saved[index],
                gradient,
                self._grad_views[index],
                workspace.calls[index],
            )

    def second_backward(self, d2y: Array, workspace: Workspace) -> Array:
        """d²L/dparams², Gauss–Newton diagonal, in the order of `params`; see `Layer`.

        For the workspace's last forward, summed over its batch.
        """
        result = np.zeros_like(self.params)
        views = self._split(result)
        for index in reversed(range(len(self.plan.layers))):
            d2y = self.plan.layers[index].layer.second_backward(
                self._views[index],
                workspace.saved[index],
                d2y,
                views[index],
                workspace.calls[index],
            )
        return result

    def tensors(self) -> dict[str, Array]:
        """`LAYER.NAME` → view, trainable and untrained, in the order of the layers."""
        return {
            f"{layer.name}.{name}": view
            for layer, views in zip(self.plan.layers, self._views, strict=True)
            for name, view in views.items()
        }

    def gradients(self) -> dict[str, Array]:
        """`LAYER.NAME` → view of its gradient, trainable parameters only."""
        return {
            f"{layer.name}.{name}": view
            for layer, views in zip(self.plan.layers, self._grad_views, strict=True)
            for name, view in views.items()
        }


def _expect_bearable(plan: Plan) -> None:
    """Raise ShapeError for a network whose arrays no memory holds."""
    for layer in plan.layers:
        shapes = {"output": layer.out_shape}
        shapes |= {name: spec.shape for name, spec in layer.params.items()}
        for name, shape in shapes.items():
            if math.prod(shape) > _MOST_VALUES:
                raise ShapeError(
                    f"layers.{layer.name}: its {name} of {shape_text(shape)} is too large; "
                    f"expected at most {_MOST_VALUES:,} values"
                )
