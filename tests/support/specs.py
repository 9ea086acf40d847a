"""The small spec that tests train, and its plan with changes."""

from __future__ import annotations

from typing import Any

from lenetkit.network.plan import Plan, load_plan, plan_text
from lenetkit.spec.merge import Override

SMALL = """\
lenetkit: 1
name: small
input: [1, 8, 8]
layers:
  conv1: {type: conv2d, out_channels: 2, kernel_size: 3}
  relu1: relu
  pool1: {type: max_pool2d, kernel_size: 2}
  drop1: {type: dropout, p: 0.2}
  fc1: {type: linear, out_features: 3}
data: {type: idx, title: stripes}
train: {epochs: 2, batch_size: 5, optimizer: {type: adam, lr: 0.01}, schedule: one_cycle}
"""
"""Fits the data of the `make_idx` fixture: three steps an epoch, the last of two images."""


def small_plan(*changes: str) -> Plan:
    """The plan of `SMALL` with changes written as for `--set`: `small_plan("train.epochs=3")`."""
    return plan_text(SMALL, "small", [Override.from_text(change) for change in changes])


def plan_of(layers: dict[str, Any], size: tuple[int, ...]) -> Plan:
    """The plan of these layers, as in a spec, for inputs of this shape."""
    return load_plan({"lenetkit": 1, "name": "n", "input": list(size), "layers": layers})
