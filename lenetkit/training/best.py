"""The weights of the best epoch: what a training ends with where samples are held out."""

from __future__ import annotations

import math

from lenetkit.arrays import Array
from lenetkit.network.network import Network
from lenetkit.training.loop import EpochDone


class Best:
    """Keeps the weights of the epoch with the most merit; those of the last, if none is held out.

    A run keeps them in its model file instead.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._kept: dict[str, Array] = {}
        self._merit = -math.inf

    def see(self, event: EpochDone) -> bool:
        """Whether the epoch is the best so far; its weights are then kept as they are."""
        if event.merit <= self._merit:
            return False
        self._merit = event.merit
        if event.validation:
            self._kept = {name: view.copy() for name, view in self._network.tensors().items()}
        return True

    def restore(self) -> None:
        """Give the network those weights."""
        views = self._network.tensors()
        for name, values in self._kept.items():
            views[name][...] = values
