"""The network: memory for a plan, and the passes through its layers.

All trainable parameters are one flat vector and their gradients another; each layer sees named
views of them. Untrained state (running means) is separate.
"""

from __future__ import annotations

import functools
import itertools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Views, shape_text
from lenetkit.errors import PluginError, ShapeError, memory_for
from lenetkit.layers.base import ParamSpec
from lenetkit.layers.call import Call
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.observer import Observer
from lenetkit.network.plan import Plan
from lenetkit.network.stage import Stage
from lenetkit.registry.catalog import installed
from lenetkit.registry.given import PluginFiles, know, named_classes
from lenetkit.spec.dump import to_plain


class Workspace:
    """The stages of a pass, with scratch memory and saved values for one stream of batches.

    Training and evaluation each have their own, so that neither overwrites the other's.
    """

    def __init__(
        self,
        network: Network,
        training: bool,
        fused: bool,
        input_gradient: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self.network, self.training, self.fused = network, training, fused
        self.input_gradient = input_gradient
        self.observer = observer or Observer()
        _ = self.stages  # an invalid fusion is an error now

    @functools.cached_property
    def stages(self) -> list[Stage]:
        """The layers at work, in order."""
        return list(_stages(self))

    def __getstate__(self) -> dict[str, Any]:
        """Without the stages: those of a copy work on the copied network."""
        made = ("stages", "learning")
        return {name: value for name, value in vars(self).items() if name not in made}

    @functools.cached_property
    def learning(self) -> list[Stage]:
        """The stages that a gradient passes, in order: the first that is trained and all after."""
        first = next((i for i, stage in enumerate(self.stages) if stage.trained), len(self.stages))
        return self.stages[first:]

    def reseed(self, *key: int) -> None:
        """Give every layer a generator of its own, determined by `key`."""
        for stage in self.stages:
            stage.call.rng_key = (*key, stage.first)


_limited = ContextVar("_limited", default=False)
"""Whether a block of `Network.limited` is open, so that blocks within keep its choice."""

_FEWER = "use smaller layers; lenetkit summary shows where the parameters are"

MAX_VALUES = 1 << 30
"""Most values in one array; more is taken for a mistake in the spec. 4 GiB in float32."""


class Network:
    """A plan with memory. `params` and `grads` are flat; `tensors()` are named views.

    A deep copy, or one sent to another process, shares no memory with the original and trains to
    the same bits.
    """

    def __init__(self, plan: Plan, *, seed: int = 0, dtype: Any = np.float32) -> None:
        _check_sizes(plan)
        self.plan = plan
        self.dtype = np.dtype(dtype)
        size = plan.count(trainable_only=True)
        with memory_for(f"for {plan.count():,} parameters and their gradients", _FEWER):
            self.params = np.zeros(size, dtype)
            self.grads = np.zeros(size, dtype)
            self._state = [_zeros(layer.state, dtype) for layer in plan.layers]
            self._frozen = [_zeros(layer.frozen, dtype) for layer in plan.layers]
            self._view()
            self.initialize(seed)

    def _view(self) -> None:
        """Make the named views of the flat vectors."""
        self._unused = [_zeros(layer.frozen, self.dtype) for layer in self.plan.layers]
        self._param_views = self._split(self.params, self._frozen)
        self._grad_views = self._split(self.grads, self._unused)

    def __getstate__(self) -> dict[str, Any]:
        # copied, each of these views would be an array of its own
        views = ("_param_views", "_grad_views", "_unused")
        own = {name: value for name, value in vars(self).items() if name not in views}
        things = [*self.plan.spec.things()]
        return {"plugins": (PluginFiles.of(things), named_classes(things)), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _, classes = state["plugins"]
        know(classes)
        vars(self).update({k: v for k, v in state.items() if k != "plugins"})
        self._view()

    def __repr__(self) -> str:
        spec, count = self.plan.spec, self.plan.count()
        return (
            f"<{type(self).__name__} {spec.name}: input {shape_text(spec.input)}, "
            f"{count:,} parameters, {self.dtype}>"
        )

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render  # Jinja2 takes a while to import

        return render("plan.html", plan=self.plan, facts=self._facts())

    def _facts(self) -> list[str]:
        """What a notebook says below the summary."""
        return [] if self.dtype == np.float32 else [f"Computes in {self.dtype}."]

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as a dict, everything resolved; `build` makes the same network of it.

        Objects without a registered name are in it as they are.
        """
        return to_plain(self.plan.spec, installed(), objects=True)

    def _split(self, vector: Array, frozen: Sequence[Views]) -> list[Views]:
        """A flat vector as named views, a mapping per layer; `frozen` has those of frozen ones."""
        ends = list(
            itertools.accumulate(
                math.prod(s.shape) for layer in self.plan.layers for s in layer.trained.values()
            )
        )
        pieces = iter(np.split(vector, ends))
        return [
            Views({name: next(pieces).reshape(s.shape) for name, s in layer.trained.items()}) or own
            for layer, own in zip(self.plan.layers, frozen, strict=True)
        ]

    def initialize(self, seed: int) -> None:
        """Set every parameter to its initial value.

        Each draws from a generator seeded by (seed, its name), so that adding a layer to a spec
        does not change the others.
        """
        self._seed = int(seed)
        views = self.tensors()
        for layer in self.plan.layers:
            for name in layer.tensors:
                self._draw(layer, name, views[f"{layer.name}.{name}"])

    def is_initial(self, layer: LayerPlan, name: str) -> bool:
        """Whether a layer's tensor has the values that `initialize` gave it."""
        now = self.tensors()[f"{layer.name}.{name}"]
        drawn = np.empty_like(now)
        self._draw(layer, name, drawn)
        return np.array_equal(now, drawn, equal_nan=True)

    def _draw(self, layer: LayerPlan, name: str, out: Array) -> None:
        spec = layer.tensors[name]
        rng = np.random.default_rng([self._seed, zlib.crc32(f"{layer.name}.{name}".encode())])
        init = spec.init or self.plan.spec.init
        with np.errstate(over="ignore"):  # training says so
            out[...] = init.sample(rng, spec.shape, *spec.fans())

    def workspace(
        self,
        *,
        training: bool,
        fused: bool = True,
        input_gradient: bool = False,
        observer: Observer | None = None,
    ) -> Workspace:
        """Memory for training or inference passes, at which an `observer` may look.

        The kernels may fuse neighbouring layers, unless `fused` is False. With `input_gradient`
        all layers pass gradients back, as `Network.input_gradient` needs; training does without
        those below the first layer that is trained.
        """
        return Workspace(self, training, fused, input_gradient, observer)

    def forward(self, x: Array, workspace: Workspace | None = None) -> Array:
        """The outputs (N, K) for a batch (N, *input) as it enters the first layer.

        In inference mode, unless a workspace says otherwise; valid until its next forward. Raises
        ShapeError, a ValueError, for a batch of another shape.
        """
        if workspace is None:
            x = np.asarray(x, self.dtype)
            if x.shape[1:] != self.plan.spec.input:
                expected = ", ".join(map(str, self.plan.spec.input))
                raise ShapeError(f"forward() expected a batch (N, {expected}), found {x.shape}")
            with self.limited():
                return self.forward(x, self.workspace(training=False))
        observer = workspace.observer
        observer.forward_begins(x)
        for stage in workspace.stages:
            x = stage.forward(x)
            observer.forward_done(stage, x)
        return x

    def backward(self, dy: Array, workspace: Workspace) -> None:
        """Write dL/dparams to `grads`, for the workspace's last forward."""
        observer = workspace.observer
        observer.backward_begins(dy)
        for stage in reversed(workspace.learning):
            dy = stage.backward(dy, stage.grads)
            observer.backward_done(stage, dy)

    def input_gradient(self, dy: Array, workspace: Workspace) -> Array:
        """dL/dx (N, *input) from dL/dy (N, K), for the workspace's last forward.

        `grads` stay as they are; `dy` may be overwritten. Raises ValueError unless the workspace
        was made with `fused=False, input_gradient=True`.
        """
        if workspace.fused or not workspace.input_gradient:
            expected = "fused=False, input_gradient=True"
            raise ValueError(f"input_gradient: expected a workspace made with {expected}")
        views = self._split(np.empty_like(self.params), self._unused)
        for stage in reversed(workspace.stages):
            dy = stage.backward(dy, views[stage.first])
        return dy

    def second_backward(self, d2y: Array, workspace: Workspace) -> Array:
        """d²L/dparams², Gauss–Newton diagonal, in the order of `params`; see `Layer`.

        For the last forward of a workspace made with `fused=False`, summed over its batch.
        Raises ValueError for any other.
        """
        if workspace.fused:
            raise ValueError("second_backward: expected a workspace made with fused=False")
        result = np.zeros_like(self.params)
        views = self._split(result, self._unused)
        for stage in reversed(workspace.learning):
            d2y = stage.second_backward(d2y, views[stage.first])
        return result

    @contextmanager
    def limited(self, threads: int | None = None) -> Iterator[None]:
        """Passes inside the block use at most `threads` threads.

        None takes as many as are fastest, or what a block around this one has set.
        """
        if threads is None and _limited.get():
            yield
            return
        kernels = self.plan.spec.kernels
        before = _limited.get()
        _limited.set(True)
        try:
            with kernels.limited(int(threads or kernels.best_threads(self.plan.cost.macs))):
                yield
        finally:
            _limited.set(before)

    def tensors(self) -> dict[str, Array]:
        """`LAYER.NAME` → view, trainable and untrained, in the order of the layers."""
        return {
            f"{layer.name}.{name}": view
            for layer, *both in zip(self.plan.layers, self._param_views, self._state, strict=True)
            for views in both
            for name, view in views.items()
        }

    def gradients(self) -> dict[str, Array]:
        """`LAYER.NAME` → view of its gradient, trainable parameters only."""
        return {
            f"{layer.name}.{name}": view
            for layer, views in zip(self.plan.layers, self._grad_views, strict=True)
            for name, view in views.items()
            if layer.trainable
        }


def _zeros(specs: Mapping[str, ParamSpec], dtype: Any) -> Views:
    return Views({name: np.zeros(spec.shape, dtype) for name, spec in specs.items()})


def _stages(workspace: Workspace) -> Iterator[Stage]:
    """The stages, in order. Raises PluginError for an invalid fusion."""
    network, fused = workspace.network, workspace.fused
    kernels, planned = network.plan.spec.kernels, network.plan.layers
    learns = [index for index, layer in enumerate(planned) if layer.trained]
    first = 0
    while first < len(planned):
        found = kernels.fuse([p.layer for p in planned[first:]]) if fused else None
        count, layer = found or (1, planned[first].layer)
        run = slice(first, first + count)
        with_params = [index for index in range(first, first + count) if planned[index].tensors]
        name = "+".join(p.name for p in planned[run])
        if not 1 <= count <= len(planned) - first or len(with_params) > 1:
            raise PluginError(
                f"{type(kernels).__name__}.fuse: expected 1 to {len(planned) - first} layers, "
                f"at most one of them with parameters, found {count}: {name}"
            )
        owner = with_params[0] if with_params else first
        frozen = not planned[owner].trainable and bool(planned[owner].state)
        yield Stage(
            layer=layer,
            first=first,
            count=count,
            name=name,
            in_shape=planned[first].in_shape,
            out_shape=planned[first + count - 1].out_shape,
            params=network._param_views[owner],
            grads=network._grad_views[owner],
            call=Call(
                operations=kernels,
                training=workspace.training and not frozen,
                needs_input_grad=workspace.input_gradient or any(i < first for i in learns),
                state=network._state[owner],
            ),
            kernels=kernels,
            trained=any(index in learns for index in range(first, first + count)),
        )
        first += count


def _check_sizes(plan: Plan) -> None:
    """Raise ShapeError for arrays that are too large."""
    for layer in plan.layers:
        shapes = {"output": layer.out_shape}
        shapes |= {name: spec.shape for name, spec in layer.tensors.items()}
        for name, shape in shapes.items():
            if math.prod(shape) > MAX_VALUES:
                raise ShapeError(
                    f"layers.{layer.name}: its {name} of {shape_text(shape)} is too large; "
                    f"expected at most {MAX_VALUES:,} values"
                )
