"""A network that notes the time at the end of each part of a pass."""

from __future__ import annotations

import time

from lenetkit.arrays import Array
from lenetkit.network.network import Network, Workspace
from lenetkit.network.plan import Plan


class WatchedNetwork(Network):
    """Notes the passes of one kind, training or inference, in the workspace made last."""

    def __init__(self, plan: Plan, *, training: bool) -> None:
        super().__init__(plan, seed=plan.spec.train.seed)
        self.training = training
        self.watched: Workspace | None = None
        self.times: list[float] = []
        """In seconds, one for the end of each part."""

    def note(self) -> None:
        """Note that a part has ended."""
        self.times.append(time.perf_counter())

    def workspace(
        self, *, training: bool, fused: bool = True, input_gradient: bool = False
    ) -> Workspace:
        """As in any network; watched if it is for the right kind of pass."""
        how = {"fused": fused, "input_gradient": input_gradient}
        workspace = super().workspace(training=training, **how)
        if fused and training == self.training:
            self.watched = workspace
        return workspace

    def forward(self, x: Array, workspace: Workspace | None = None) -> Array:
        """As in any network; notes what came before as one part, then each stage."""
        if workspace is None or workspace is not self.watched:
            return super().forward(x, workspace)
        self.note()
        for stage in workspace.stages:
            x = stage.forward(x)
            self.note()
        return x

    def backward(self, dy: Array, workspace: Workspace) -> None:
        """As in any network; notes what came before as one part, then each stage."""
        if workspace is not self.watched:
            super().backward(dy, workspace)
            return
        self.note()
        for stage in reversed(workspace.learning):
            dy = stage.backward(dy, stage.grads)
            self.note()
