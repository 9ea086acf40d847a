"""ONNX's own node tests, if onnx is installed: what its operators compute, our layers compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.activations import ELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from lenetkit.layers.base import Layer
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.dropout import Dropout
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.gelu import GELU
from lenetkit.layers.linear import Linear
from lenetkit.layers.normalization import GroupNorm, LayerNorm
from lenetkit.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from lenetkit.layers.softmax import Softmax
from lenetkit.layers.upsample2d import Upsample2d

onnx = pytest.importorskip("onnx", reason="onnx is not installed; its node tests are optional")
node_tests = pytest.importorskip("onnx.backend.test.case.node")

Arrays = list[Any]
Options = dict[str, Any]


class Other(Exception):  # noqa: N818
    """The test is about something that the layer does not have."""


@dataclass
class Twin:
    """A layer that computes what a node does, of its first input."""

    layer: Layer
    params: Arrays
    """In the order of the layer's parameters and state."""
    x: Any
    whole: bool = False
    """Whether the node's first axis is not the batch, so that `x` is a batch of one."""


def window(given: Options, x: Any) -> Options:
    """The options of a sliding window. Raises Other unless it slides over images."""
    if x.ndim != 4:
        raise Other("images of one or three dimensions")
    kernel = tuple(given["kernel_shape"])
    stride, dilation = (tuple(given.get(n, (1, 1))) for n in ("strides", "dilations"))
    top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
    auto = given.get("auto_pad", b"NOTSET").decode()
    if auto.startswith("SAME"):
        sizes = zip(x.shape[2:], kernel, stride, dilation, strict=True)
        total = [max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0) for n, k, s, d in sizes]
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        (top, left), (bottom, right) = (less, more) if auto == "SAME_UPPER" else (more, less)
    padding = (top, bottom), (left, right)
    return {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def conv(given: Options, x: Any, weight: Any, bias: Any = None) -> Twin:
    if x.ndim != 4:
        raise Other("images of one or three dimensions")
    given = {"kernel_shape": weight.shape[2:], **given}
    options = window(given, x) | {"groups": given.get("group", 1), "bias": bias is not None}
    params = [weight] if bias is None else [weight, bias]
    return Twin(Conv2d(out_channels=len(weight), **options), params, x)


def max_pool(given: Options, x: Any) -> Twin:
    options = window(given, x) | {"ceil_mode": bool(given.get("ceil_mode", 0))}
    return Twin(MaxPool2d(**options), [], x.astype(np.float32))


def avg_pool(given: Options, x: Any) -> Twin:
    options = window(given, x) | {"ceil_mode": bool(given.get("ceil_mode", 0))}
    counted = bool(given.get("count_include_pad", 0))
    return Twin(AvgPool2d(**options, count_include_pad=counted), [], x)


def global_avg_pool(given: Options, x: Any) -> Twin:
    return Twin(GlobalAvgPool2d(), [], x)


def softmax(given: Options, x: Any) -> Twin:
    axis = given.get("axis", -1) % x.ndim
    return Twin(Softmax(dim=axis + (axis == 0)), [], x, whole=axis == 0)


def flatten(given: Options, x: Any) -> Twin:
    axis = given.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    if axis > 1:
        raise Other("several axes as the batch")
    return Twin(Flatten(), [], x, whole=axis == 0)


def gemm(given: Options, a: Any, b: Any, c: Any = None) -> Twin:
    x = a.T if given.get("transA") else a
    weight = given.get("alpha", 1) * (b if given.get("transB") else b.T)
    if c is not None and c.ndim == 2 and len(c) > 1:
        raise Other("a bias for each sample")
    bias = [] if c is None else [np.broadcast_to(given.get("beta", 1) * c, (1, len(weight)))[0]]
    return Twin(Linear(out_features=len(weight), bias=c is not None), [weight, *bias], x)


def batch_norm(given: Options, x: Any, *params: Any) -> Twin:
    if given.get("training_mode"):
        raise Other("running statistics in training, weighted the other way round")
    return Twin(BatchNorm2d(eps=given.get("epsilon", 1e-5)), [*params], x)


def layer_norm(given: Options, x: Any, *params: Any) -> Twin:
    axis, eps = given.get("axis", -1) % x.ndim, given.get("epsilon", 1e-5)
    layer = LayerNorm(normalized_shape=x.shape[axis:], eps=eps, bias=len(params) > 1)
    return Twin(layer, [*params], x, whole=axis == 0)


def group_norm(given: Options, x: Any, *params: Any) -> Twin:
    layer = GroupNorm(num_groups=given["num_groups"], eps=given.get("epsilon", 1e-5))
    return Twin(layer, [*params], x)


def dropout(given: Options, x: Any, ratio: Any = None, training: Any = False) -> Twin:
    if training:
        raise Other("random numbers of another generator")
    return Twin(Dropout(), [], x)


def resize(given: Options, x: Any, *others: Any) -> Twin:
    mode = {"nearest": "nearest", "linear": "bilinear"}.get(given.get("mode", b"nearest").decode())
    scales = [v for v in others if v.dtype == np.float32 and v.size == 4]
    plain = not given.keys() - {"mode"}
    if mode is None or not scales or not plain or x.ndim != 4:
        raise Other("other ways to resize")
    factors = scales[0][2:]
    if (factors < 1).any() or (factors % 1).any():
        raise Other("other ways to resize")
    factor = int(factors[0]), int(factors[1])
    return Twin(Upsample2d(scale_factor=factor, mode=mode), [], x)  # type: ignore[arg-type]


def swish(given: Options, x: Any) -> Twin:
    if given.get("alpha", 1) != 1:
        raise Other("a factor on x")
    return Twin(SiLU(), [], x)


TWINS: dict[str, Callable[..., Twin]] = {
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": avg_pool,
    "GlobalAveragePool": global_avg_pool,
    "Relu": lambda given, x: Twin(ReLU(), [], x),
    "LeakyRelu": lambda given, x: Twin(LeakyReLU(negative_slope=given.get("alpha", 0.01)), [], x),
    "Elu": lambda given, x: Twin(ELU(alpha=given.get("alpha", 1.0)), [], x),
    "Gelu": lambda given, x: Twin(
        GELU(approximate=given.get("approximate", b"none").decode()), [], x
    ),
    "Swish": swish,
    "Softplus": lambda given, x: Twin(Softplus(), [], x),
    "Sigmoid": lambda given, x: Twin(Sigmoid(), [], x),
    "Tanh": lambda given, x: Twin(Tanh(), [], x),
    "Softmax": softmax,
    "Flatten": flatten,
    "Gemm": gemm,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "Dropout": dropout,
    "Resize": resize,
    "Upsample": resize,
}


def found() -> tuple[dict[str, tuple[Twin, Any, Any]], dict[str, str]]:
    """The tests that are about our layers, and why each other one is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tests of other operators
        cases = node_tests.collect_testcases()
    ours, others = {}, {}
    for case in cases:
        node, *more = case.model.graph.node
        if more or node.op_type not in TWINS:
            continue  # the same, written out in smaller operators
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        inputs, outputs = case.data_sets[0]
        try:
            if len(outputs) > 1 and node.op_type in ("MaxPool", "Dropout"):
                raise Other("positions or a mask as a second output")
            twin = TWINS[node.op_type](given, *inputs)
            ours[case.name] = twin, outputs[0], case
        except Other as reason:
            others[case.name] = str(reason)
    return ours, others


OURS, OTHERS = found()


@pytest.mark.parametrize("name", OURS)
def test_layers_compute_what_onnx_does(name: str) -> None:
    twin, expected, case = OURS[name]
    layer, x = twin.layer, twin.x[None] if twin.whole else twin.x
    in_shape = x.shape[1:]
    names = [*layer.param_specs(in_shape), *layer.state_specs(in_shape)]
    arrays = dict(zip(names, twin.params, strict=True))
    y, _ = layer.forward(arrays, x, Call(operations=NumpyKernels(), state=arrays))
    assert y.shape[1:] == layer.output_shape(in_shape)
    y = y[0] if twin.whole and not isinstance(layer, Flatten) else y
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=case.rtol, atol=case.atol)


def test_most_node_tests_are_ours() -> None:
    assert len(OURS) >= 100
    assert set(OTHERS.values()) <= {
        "images of one or three dimensions",
        "positions or a mask as a second output",
        "several axes as the batch",
        "a bias for each sample",
        "running statistics in training, weighted the other way round",
        "random numbers of another generator",
        "other ways to resize",
        "a factor on x",
    }
