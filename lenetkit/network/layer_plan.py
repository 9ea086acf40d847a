"""One layer of a plan: its shapes, parameters and cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lenetkit.arrays import Shape
from lenetkit.layers.base import Cost, Layer, ParamSpec
from lenetkit.registry.catalog import Provider


@dataclass(frozen=True)
class LayerPlan:
    """One layer with its shapes (batch excluded), parameters and cost per image."""

    name: str
    layer: Layer
    type: str
    provider: Provider | None
    in_shape: Shape
    out_shape: Shape
    params: dict[str, ParamSpec]
    state: dict[str, ParamSpec]
    cost: Cost
    trainable: bool = True
    """False if training leaves its parameters as they are."""

    @property
    def tensors(self) -> dict[str, ParamSpec]:
        """Parameters, then state."""
        return {**self.params, **self.state}

    @property
    def trained(self) -> dict[str, ParamSpec]:
        """The parameters that training changes."""
        return self.params if self.trainable else {}

    @property
    def frozen(self) -> dict[str, ParamSpec]:
        """The parameters that it does not."""
        return {} if self.trainable else self.params

    def count(self, *, trainable_only: bool = False) -> int:
        """The number of parameters; without `trainable_only` also of frozen ones and of state."""
        specs = self.trained if trainable_only else self.tensors
        return sum(math.prod(spec.shape) for spec in specs.values())
