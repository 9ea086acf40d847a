"""One stage of a pass: a layer with its memory, held to its contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lenetkit.arrays import Array, Shape
from lenetkit.kernels.base import Kernels
from lenetkit.layers.base import Layer, Params, SecondOrderLayer
from lenetkit.layers.call import Call
from lenetkit.layers.results import EXPECTED, objection
from lenetkit.options import Configurable
from lenetkit.registry.blame import ContractError
from lenetkit.registry.catalog import installed


@dataclass(eq=False)
class Stage:
    """One layer of a workspace, possibly fused, with its parameters, gradients and call.

    It runs `count` layers of the plan, starting at `first`. What a plugin raises in a pass, and
    results without the planned shape or memory of their own, become PluginErrors that name it.
    """

    layer: Layer
    first: int
    count: int
    name: str
    """`pool1`, or for fused layers `conv1+relu1+pool1`."""
    in_shape: Shape
    out_shape: Shape
    params: Params
    grads: Params
    call: Call
    kernels: Kernels
    """They may be to blame too: they fused the layer, or compute for it."""
    trained: bool = True
    """Whether training changes its parameters."""
    saved: Any = None
    """What the last forward saved for backward."""

    def __post_init__(self) -> None:
        self._authors: tuple[Configurable, ...] = (self.layer, self.kernels)
        self._kept = [
            (f"{kind} {name}", values)
            for kind, arrays in (
                ("its parameter", self.params),
                ("the gradient of", self.grads),
                ("its state", self.call.state),
            )
            for name, values in arrays.items()
        ]
        self._passed: list[tuple[str, Array]] = []

    def forward(self, x: Array) -> Array:
        """The layer's output for `x` (N, *in_shape): (N, *out_shape)."""
        try:
            self.call.begin()
            result = self.layer.forward(self.params, x, self.call)
            if not isinstance(result, tuple) or len(result) != 2:
                raise ContractError(f"gave {_described(result)}; expected (output, saved)")
            y, self.saved = result
            _expect_shape(y, (len(x), *self.out_shape))
            _expect_own(y, x, self._kept)
            self._passed = [("its input", x), ("its output", y)]
        except BaseException as error:
            self._blame(error, "forward")
            raise
        return y

    def backward(self, dy: Array, grads: Params) -> Array:
        """Write the parameters' gradients to `grads`; returns the input's (N, *in_shape).

        It may return None where nobody needs that: there is nothing to train before it.
        """
        try:
            self.call.begin()
            dx = self.layer.backward(self.params, self.saved, dy, grads, self.call)
            if self.call.needs_input_grad:
                _expect_shape(dx, (len(dy), *self.in_shape))
                _expect_own(dx, dy, (*self._passed, *self._kept))
        except BaseException as error:
            self._blame(error, "backward")
            raise
        return dx  # type: ignore[return-value]

    def second_backward(self, d2y: Array, d2_params: Params) -> Array:
        """As `backward`, for second derivatives. Raises TypeError if the layer has none."""
        if not isinstance(self.layer, SecondOrderLayer):
            kind = type(self.layer).__name__
            raise TypeError(f"layers.{self.name}: {kind} has no second_backward")
        try:
            self.call.begin()
            d2x = self.layer.second_backward(self.params, self.saved, d2y, d2_params, self.call)
            if self.call.needs_input_grad:
                _expect_shape(d2x, (len(d2y), *self.in_shape))
                _expect_own(d2x, d2y, (*self._passed, *self._kept))
        except BaseException as error:
            self._blame(error, "second_backward")
            raise
        return d2x

    def _blame(self, error: BaseException, method: str) -> None:
        installed().blame(error, f"layers.{self.name}: {method}", self._authors)


def _expect_shape(found: Any, expected: Shape) -> None:
    if getattr(found, "shape", None) != expected:
        raise ContractError(f"gave {_described(found)}; expected an array of shape {expected}")


def _expect_own(found: Any, given: Array, others: Iterable[tuple[str, Array]]) -> None:
    if wrong := objection(found, given, others):
        raise ContractError(f"gave {wrong}; {EXPECTED}")


def _described(value: Any) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" if shape is None else f"an array of shape {shape}"
