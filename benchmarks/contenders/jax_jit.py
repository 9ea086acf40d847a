"""JAX: a plan as a function, with the whole training step under `jit`."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any, ClassVar

from contenders.base import LEARNING_RATE, AbsentError, Batches, Contender, Task
from lenetkit.layers.activations import ReLU, Sigmoid, Tanh
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.flatten import Flatten
from lenetkit.layers.linear import Linear
from lenetkit.layers.pooling import AvgPool2d, MaxPool2d
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan

Function = Callable[[dict[str, Any], Any], Any]


def jax_twin(plan: Plan) -> Function:
    """`outputs(tensors, images)`. Raises AbsentError for layers without an equivalent below."""
    functions = [_function(layer) for layer in plan.layers]

    def outputs(tensors: dict[str, Any], x: Any) -> Any:
        for function in functions:
            x = function(tensors, x)
        return x

    return outputs


def _function(planned: LayerPlan) -> Function:
    import jax
    from jax import lax
    from jax import numpy as jnp

    name, layer = planned.name, planned.layer

    def with_bias(tensors: dict[str, Any], y: Any, ndim: int) -> Any:
        bias = tensors.get(f"{name}.bias")
        return y if bias is None else y + bias.reshape(-1, *[1] * (ndim - 2))

    def convolve(tensors: dict[str, Any], x: Any) -> Any:
        w = layer.window  # type: ignore[attr-defined]
        y = lax.conv_general_dilated(
            x, tensors[f"{name}.weight"], w.stride, [(p, p) for p in w.padding],
            rhs_dilation=w.dilation, feature_group_count=layer.groups,  # type: ignore[attr-defined]
        )  # fmt: skip
        return with_bias(tensors, y, 4)

    def reduce(x: Any, start: float, join: Any) -> Any:
        w = layer.window  # type: ignore[attr-defined]
        padding = [(0, 0), (0, 0), *((p, p) for p in w.padding)]
        return lax.reduce_window(x, start, join, (1, 1, *w.kernel), (1, 1, *w.stride), padding)

    match layer:
        case Conv2d():
            return convolve
        case MaxPool2d():
            return lambda tensors, x: reduce(x, -jnp.inf, lax.max)
        case AvgPool2d() if layer.count_include_pad:
            kh, kw = layer.window.kernel
            return lambda tensors, x: reduce(x, 0.0, lax.add) / (kh * kw)
        case Linear():
            return lambda tensors, x: with_bias(
                tensors, x.reshape(len(x), -1) @ tensors[f"{name}.weight"].T, 2
            )
        case ReLU():
            return lambda tensors, x: jax.nn.relu(x)
        case Sigmoid():
            return lambda tensors, x: jax.nn.sigmoid(x)
        case Tanh():
            return lambda tensors, x: jnp.tanh(x)
        case Flatten():
            return lambda tensors, x: x.reshape(len(x), -1)
    raise AbsentError(
        f"layers.{name}: JAX's twin of {planned.type} with these options is not known here; known "
        "are conv2d, max_pool2d, avg_pool2d, linear, relu, sigmoid, tanh, flatten"
    )


class JaxContender(Contender):
    """The step is one compiled function that is passed its state; Adam is written out."""

    name: ClassVar[str] = "jax jit"
    what: ClassVar[str] = "float arrays, the step under jit"

    def __init__(self, task: Task) -> None:
        if importlib.util.find_spec("jax") is None:
            raise AbsentError("JAX is not installed: pip install jax")
        if task.threads == 1:  # XLA uses either 1 or all
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            os.environ.setdefault("XLA_FLAGS", flags)
        import jax
        from jax import numpy as jnp

        self.task, self.jax = task, jax
        self.outputs = jax.jit(jax_twin(task.plan))
        self.tensors = {name: jnp.array(v) for name, v in Network(task.plan).tensors().items()}
        zeros = {name: jnp.zeros_like(v) for name, v in self.tensors.items()}
        self.state = (zeros, {name: v.copy() for name, v in zeros.items()}, jnp.zeros((), "int32"))
        images, labels = task.floats()
        self.images, self.labels = jnp.array(images), jnp.array(labels)
        self.batches = Batches(len(images), task.batch)
        self.step = jax.jit(functools.partial(_step, jax_twin(task.plan)), donate_argnums=(0, 1))

    def train(self, steps: int) -> None:
        loss = None
        for _ in range(steps):
            self.tensors, self.state, loss = self.step(
                self.tensors, self.state, self.images, self.labels, self.batches.next()
            )
        self.jax.block_until_ready((loss, self.tensors))

    def infer(self, steps: int) -> None:
        images = self.images[: self.task.batch]
        for _ in range(steps):
            self.outputs(self.tensors, images).block_until_ready()


def _step(
    outputs: Function, tensors: Any, state: Any, images: Any, labels: Any, rows: Any
) -> tuple[Any, Any, Any]:
    """One step of Adam on the mean cross-entropy."""
    import jax
    from jax import numpy as jnp

    x, y = images[rows], labels[rows]

    def loss_of(tensors: Any) -> Any:
        log_p = jax.nn.log_softmax(outputs(tensors, x))
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    loss, grads = jax.value_and_grad(loss_of)(tensors)
    means, squares, t = state
    t = t + 1
    tree = jax.tree_util.tree_map
    means = tree(lambda m, g: 0.9 * m + 0.1 * g, means, grads)
    squares = tree(lambda v, g: 0.999 * v + 0.001 * g * g, squares, grads)

    def moved(p: Any, m: Any, v: Any) -> Any:
        return p - LEARNING_RATE * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

    return tree(moved, tensors, means, squares), (means, squares, t), loss
