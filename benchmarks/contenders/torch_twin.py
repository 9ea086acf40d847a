"""A plan as PyTorch's `nn.Sequential`."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from contenders.base import AbsentError
from lenetkit.layers.activations import ReLU, Sigmoid, Tanh
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.plan import Plan


def torch_twin(plan: Plan) -> Any:
    """The `nn.Sequential` of a plan: the spec's layer names, PyTorch's initial weights.

    Raises AbsentError for layers without an equivalent below.
    """
    import torch

    modules = OrderedDict(pair for layer in plan.layers for pair in _modules(layer))
    return torch.nn.Sequential(modules)


def _modules(planned: LayerPlan) -> Iterator[tuple[str, Any]]:
    """The modules of one layer by name; a linear layer flattens its input first."""
    from torch import nn

    name, layer, in_shape = planned.name, planned.layer, planned.in_shape
    match layer:
        case Conv2d():
            w = layer.window
            yield name, nn.Conv2d(
                in_shape[0], layer.out_channels, w.kernel, w.stride, w.padding, w.dilation,
                layer.groups, layer.bias,
            )  # fmt: skip
        case MaxPool2d():
            w = layer.window
            yield name, nn.MaxPool2d(w.kernel, w.stride, w.padding)
        case AvgPool2d():
            w, pads = layer.window, layer.count_include_pad
            yield name, nn.AvgPool2d(w.kernel, w.stride, w.padding, count_include_pad=pads)
        case Linear():
            if len(in_shape) > 1:
                yield f"flatten_{name}", nn.Flatten()
            yield name, nn.Linear(math.prod(in_shape), layer.out_features, layer.bias)
        case BatchNorm2d():
            yield name, nn.BatchNorm2d(in_shape[0], layer.eps, layer.momentum, layer.affine)
        case ReLU():
            yield name, nn.ReLU()
        case Sigmoid():
            yield name, nn.Sigmoid()
        case Tanh():
            yield name, nn.Tanh()
        case Flatten():
            yield name, nn.Flatten()
        case _:
            raise AbsentError(
                f"layers.{name}: PyTorch's twin of {planned.type} is not known here; known are "
                "conv2d, max_pool2d, avg_pool2d, linear, batch_norm2d, relu, sigmoid, tanh, flatten"
            )
