"""Layers with one mistake each in their shapes, parameters, refusals or gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lenetkit.arrays import Array, Shape
from lenetkit.errors import ShapeError
from lenetkit.initializers import Initializer
from lenetkit.layers.base import Cost, Params, ParamSpec
from lenetkit.layers.call import Call
from lenetkit.operations.reach import Reach, all_places, each_place
from tests.support.right_plugins import Affine, Bend

Backward = Array | None


class ShapeTooLarge(Affine):
    def output_shape(self, in_shape: Shape) -> Shape:
        return (super().output_shape(in_shape)[0] + 1,)


class NumpySizes(Affine):
    def output_shape(self, in_shape: Shape) -> Shape:
        return (np.int64(super().output_shape(in_shape)[0]),)  # type: ignore[return-value]


class NoInputGradient(Bend):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        return None


class InferredWithoutOption(Affine):
    def inferred(self, in_shape: Shape) -> dict[str, int]:
        return {"units": self.units + 1}


class DottedName(Bend):
    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        return {"running.mean": ParamSpec(in_shape)}


@dataclass(frozen=True, kw_only=True)
class Nowhere(Initializer):
    """NaN."""

    def sample(
        self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> Array:
        return np.full(shape, np.nan)


class StartsNowhere(Affine):
    def param_specs(self, in_shape: Shape) -> dict[str, ParamSpec]:
        specs = super().param_specs(in_shape)
        return specs | {"bias": ParamSpec((self.units,), Nowhere())}


class CostInFloats(Affine):
    def cost(self, in_shape: Shape) -> Cost:
        return Cost(macs=in_shape[0] / 2)  # type: ignore[arg-type]


class LetsAnythingIn(Affine):
    def output_shape(self, in_shape: Shape) -> Shape:
        return (self.units,)


class AsksBeforeItLooks(Affine):
    def output_shape(self, in_shape: Shape) -> Shape:
        if in_shape[0] < 2:
            raise ShapeError(f"expected at least 2 values, found {in_shape}")
        return super().output_shape(in_shape)


class DropsTheBatchOfOne(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return (y[0], saved) if len(x) == 1 else (y, saved)


class LargestOfNothing(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        limit = float(x.max())
        return super().forward(params, np.minimum(x, limit), call)


class InputGradientReversed(Bend):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        return -dy * saved


class ForgottenBias(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        grads["bias"][...] = 0
        return dx


class DoubledInInference(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        return dx if call.training or dx is None else 2 * dx


class AddedGradient(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        before = grads["bias"].copy()
        dx = super().backward(params, saved, dy, grads, call)
        grads["bias"][...] += np.nan_to_num(before)
        return dx


class ReplacedGradient(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        assert isinstance(grads, dict)
        grads["weight"] = dy.T @ saved
        return dx


class LeavesEarly(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        if not call.needs_input_grad:
            grads["weight"][...] = dy.T @ saved
            return None
        return super().backward(params, saved, dy, grads, call)


class Clipped(Bend):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        return super().backward(params, saved, np.clip(dy, -3, 3), grads, call)


class Averaged(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        for gradient in grads.values():
            gradient /= max(len(dy), 1)
        return dx


class NotSquared(Affine):
    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        super().second_backward(params, saved, d2y, d2grads, call)
        d2x: Array = d2y @ params["weight"]
        return d2x


class SecondPromoted(Affine):
    def second_backward(
        self, params: Params, saved: Any, d2y: Array, d2grads: Params, call: Call
    ) -> Array:
        return super().second_backward(params, saved, d2y, d2grads, call).astype(np.float64)


class Jumpy(Bend):
    """New noise in each pass, not from `call.rng`, which no gradient can follow."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return y + np.random.default_rng().normal(size=x.shape).astype(x.dtype), saved


class ReadsMoreThanItSays(Affine):
    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return (Reach.own(self.units),)


class ReadsLessThanItSays(Bend):
    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return all_places(in_shape, in_shape)


class SaysTooManyAxes(Bend):
    def receptive_field(self, in_shape: Shape) -> tuple[Reach, ...] | None:
        return each_place(in_shape) * 2


WRONG_GRADIENTS = {
    NumpySizes(): "declared_shape_is_a_tuple_of_sizes",
    ShapeTooLarge(): "output_has_the_declared_shape",
    NoInputGradient(): "input_gradient_has_the_shape_of_the_input",
    InferredWithoutOption(): "inferred_options_are_options",
    DottedName(): "parameters_are_well_described",
    StartsNowhere(): "parameters_start_at_finite_values",
    CostInFloats(): "cost_is_counted_in_whole_numbers",
    Affine(in_features=3): "plan_accepts_the_layer",
    LetsAnythingIn(): "bad_input_raises_shape_error",
    AsksBeforeItLooks(): "bad_input_raises_shape_error",
    DropsTheBatchOfOne(): "batch_of_one",
    LargestOfNothing(): "empty_batch",
    InputGradientReversed(): "input_gradient_is_right",
    Jumpy(): "input_gradient_is_right",
    ForgottenBias(): "parameter_gradients_are_right",
    DoubledInInference(): "inference_gradients_are_right",
    AddedGradient(): "gradients_are_written",
    ReplacedGradient(): "gradients_are_written",
    LeavesEarly(): "gradients_are_those_without_input_gradient",
    Clipped(): "backward_is_linear",
    Averaged(): "gradients_add_up_over_the_batch",
    NotSquared(): "second_backward_is_right",
    ReadsMoreThanItSays(): "receptive_field_is_what_is_read",
    ReadsLessThanItSays(): "receptive_field_is_what_is_read",
    SaysTooManyAxes(): "receptive_field_is_what_is_read",
    SecondPromoted(): "second_backward_keeps_shape_and_dtype",
}
