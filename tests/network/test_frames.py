"""The calls from a network to its matrix products: none of them only forwards."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import lenetkit
from lenetkit.operations import batch_last


def test_no_function_between_network_and_product_only_forwards() -> None:
    network = lenetkit.build("lenet5")
    workspace = network.workspace(training=False, fused=False)
    images = np.zeros((8, 1, 28, 28), np.float32)
    frames: list[str] = []

    def look(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is batch_last.multiply.__code__ and not frames:
            while frame.f_code is not network.forward.__func__.__code__:  # type: ignore[attr-defined]
                frames.append(frame.f_code.co_qualname)
                frame = frame.f_back
            frames.append(frame.f_code.co_qualname)

    sys.setprofile(look)
    try:
        network.forward(images, workspace)
    finally:
        sys.setprofile(None)
    assert frames[::-1] == [
        "Network.forward",
        "Stage.forward",  # holds the layer to its contract
        "Conv2d.forward",
        "forward",  # of lenetkit.operations.convolution: pads, fills the band matrix
        "for_strips",  # cuts the output into strips for a core's cache
        "for_strips.<locals>.share",
        "forward.<locals>.<lambda>",
        "BatchLast.outputs",  # gathers the input of every block
        "multiply",  # cuts products so that BLAS does not copy
    ]
