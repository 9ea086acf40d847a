"""A network that notes the time at the end of each part of a pass."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from lenetkit.arrays import Array, Shape
from lenetkit.layers.base import Layer, Params
from lenetkit.layers.call import Call
from lenetkit.network.network import Network, Workspace
from lenetkit.network.plan import Plan
from lenetkit.options import option


class Laps(list[float]):
    """Times in seconds, one for the end of each part."""

    def note(self) -> None:
        """Note that a part has ended."""
        self.append(time.perf_counter())


@dataclass(frozen=True, kw_only=True)
class WatchedLayer(Layer):
    """A layer that notes the end of each pass of another."""

    layer: Layer = option(doc="The layer that does the work.")
    laps: Laps = option(doc="Where the times are noted.")

    def output_shape(self, in_shape: Shape) -> Shape:
        return self.layer.output_shape(in_shape)

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        result = self.layer.forward(params, x, call)
        self.laps.note()
        return result

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Array | None:
        dx = self.layer.backward(params, saved, dy, grads, call)
        self.laps.note()
        return dx


class WatchedNetwork(Network):
    """Notes the passes of one kind, training or inference, in the workspace made last."""

    def __init__(self, plan: Plan, *, training: bool) -> None:
        super().__init__(plan, seed=plan.spec.train.seed)
        self.training = training
        self.laps = Laps()
        self.watched: Workspace | None = None
        self.layers: list[Layer] = []
        """The layers that do the work in the watched workspace's stages."""

    def workspace(self, *, training: bool, fused: bool = True) -> Workspace:
        """As in any network; watched if it is for the right kind of pass."""
        workspace = super().workspace(training=training, fused=fused)
        if fused and training == self.training:
            self.watched = workspace
            self.layers = [stage.layer for stage in workspace.stages]
            for stage in workspace.stages:
                stage.layer = WatchedLayer(layer=stage.layer, laps=self.laps)
        return workspace

    def forward(self, x: Array, workspace: Workspace) -> Array:
        """As in any network; everything before it is noted as one part."""
        if workspace is self.watched:
            self.laps.note()
        return super().forward(x, workspace)

    def backward(self, dy: Array, workspace: Workspace) -> None:
        """As in any network; everything before it is noted as one part."""
        if workspace is self.watched:
            self.laps.note()
        super().backward(dy, workspace)
