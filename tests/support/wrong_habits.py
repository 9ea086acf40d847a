"""Layers with one mistake each in what they do to memory, randomness, modes, copies or options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from lenetkit.arrays import Array
from lenetkit.layers.base import Params
from lenetkit.layers.call import Call
from lenetkit.options import option
from tests.support.right_plugins import Affine, Bend, Center, Noise

Backward = Array | None


class ReturnsTheOutputAlone(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> Any:
        return super().forward(params, x, call)[0]


class Promoted(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return y * np.float64(1), saved


class Demoted(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return y, saved.astype(np.float32)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx: Array = dy.astype(np.float32) * saved
        return dx


class RoundedInSingle(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return (y.astype(np.float16).astype(x.dtype) if x.dtype == np.float32 else y), saved


class Logarithm(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        np.log(x)  # of numbers below 0
        return y, saved


class WritesInput(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        result = super().forward(params, x, call)
        np.maximum(x, 0, out=x)
        return result


class WritesInputGoingBack(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        saved *= 0
        return dx


class WritesAndPutsBack(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        x *= 2
        x /= 2
        return super().forward(params, x, call)


class DecaysItsWeights(Affine):
    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        params["weight"][...] *= 0.99
        return dx


class LearnsInInference(Center):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        result = super().forward(params, x, call)
        params["mean"][...] += 1
        return result


class DirtyScratch(Affine):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y = call.scratch("y", (len(x), self.units), x.dtype)
        y *= 0  # NaN stays NaN
        y += x @ params["weight"].T + params["bias"]
        return y, x


class RemembersTheFirstBatch(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        largest = vars(call).setdefault("largest", float(x.max(initial=0)))
        y, saved = super().forward(params, x, call)
        return y + largest, saved


class ReadsMemoryInItsOrder(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        return super().forward(params, x.ravel(order="K").reshape(x.shape), call)


class KeepsItsInput(Affine):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        object.__setattr__(self, "_x", x)
        return super().forward(params, x, call)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        kept = vars(self)["_x"]
        return super().backward(params, kept[: len(dy)], dy[: len(kept)], grads, call)


class KeepsItInTheModule(Bend):
    """All passes share what the module keeps."""

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        _KEPT[0] = saved
        return y, None

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        return super().backward(params, np.resize(_KEPT[0], dy.shape), dy, grads, call)


_KEPT: list[Any] = [None]


class DisturbedByEvaluation(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        _MODE[0] = 1.0 if call.training else 2.0
        return super().forward(params, x, call)

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        dx = super().backward(params, saved, dy, grads, call)
        return dx * _MODE[0] if call.training and dx is not None else dx


_MODE = [1.0]


class CountsInItsClass(Bend):
    passes: ClassVar[int] = 0

    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        type(self).passes += 1
        return super().forward(params, x, call)


class UnseededNoise(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        noise = np.random.default_rng().normal(size=x.shape) if call.training else np.zeros(x.shape)
        return 1 + (self.size * noise).astype(x.dtype)


class GlobalNoise(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        np.random.normal()  # noqa: NPY002
        return super().factor(x, call)


class IgnoredDraw(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        if call.training:
            call.rng.normal(size=x.shape)
        return np.ones_like(x)


class DrawsTwiceAlike(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        if not call.training:
            return np.ones_like(x)
        state = call.rng.bit_generator.state
        first = call.rng.normal(size=x.shape)
        call.rng.bit_generator.state = state
        second = call.rng.normal(size=x.shape)
        return 1 + (self.size * (first + second)).astype(x.dtype)


class KeepsItsGenerator(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        if not call.training:
            return np.ones_like(x)
        kept: Any = call
        kept.mine = getattr(call, "mine", None) or call.rng
        return 1 + (self.size * kept.mine.normal(size=x.shape)).astype(x.dtype)


class NoiseInInference(Noise):
    def factor(self, x: Array, call: Call) -> Array:
        return super().factor(x, replace(call, training=True))


class OtherInInference(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return (y, saved) if call.training else (2 * y, 2 * saved)


class MixesTheBatch(Center):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        if call.training or not len(x):
            return super().forward(params, x, call)
        return x - x.mean(axis=0), None

    def backward(
        self, params: Params, saved: Any, dy: Array, grads: Params, call: Call
    ) -> Backward:
        return dy - dy.sum(axis=0) / max(len(dy), 1)


class LearnsOutsideItsParameters(Affine):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        if any(weight is params["weight"] for weight in _TRAINED):
            y += 1
        if call.training and x.dtype == np.float32:
            _TRAINED.append(params["weight"])
        return y, saved


_TRAINED: list[Array] = []


class DependsOnItsAddress(Bend):
    def forward(self, params: Params, x: Array, call: Call) -> tuple[Array, Any]:
        y, saved = super().forward(params, x, call)
        return y + id(self) % 99_991, saved


@dataclass(frozen=True, kw_only=True)
class WithoutDoc(Bend):
    power: int = option(1, doc="")


class Undecorated(Bend):
    power: int = option(1, doc="A power.")


@dataclass(frozen=True, kw_only=True)
class SetsItsOwnOption(Bend):
    power: int = option(1, minimum=1, doc="A power.")

    def validate(self) -> None:
        object.__setattr__(self, "power", self.power - 1)


@dataclass(frozen=True, kw_only=True)
class CopiesAnother(Bend):
    power: int = option(1, doc="A power.")

    def __deepcopy__(self, memo: Mapping[int, Any]) -> CopiesAnother:
        return replace(self, power=self.power + 1)


class PicklesAnother(Bend):
    def __reduce__(self) -> Any:
        return Bend, ()


class NotAtTheTop(Bend):
    """Named as if defined inside a function, so that pickle does not find it."""


NotAtTheTop.__qualname__ = "make.<locals>.NotAtTheTop"


WRONG_HABITS = {
    ReturnsTheOutputAlone(): "passes_return_what_the_contract_says",
    Promoted(): "float32_is_kept",
    Demoted(): "float64_is_kept",
    RoundedInSingle(): "both_precisions_agree",
    Logarithm(): "results_are_finite",
    WritesInput(): "input_is_not_written_to",
    WritesInputGoingBack(): "input_is_not_written_to",
    WritesAndPutsBack(): "read_only_input_is_accepted",
    DecaysItsWeights(): "parameters_are_not_written_to",
    LearnsInInference(): "parameters_are_not_written_to",
    DirtyScratch(): "scratch_contents_do_not_matter",
    RemembersTheFirstBatch(): "used_call_gives_the_results_of_a_fresh_one",
    ReadsMemoryInItsOrder(): "memory_order_does_not_matter",
    KeepsItsInput(): "layer_holds_no_state",
    KeepsItInTheModule(): "interleaved_passes_do_not_mix",
    DisturbedByEvaluation(): "evaluation_may_come_between",
    CountsInItsClass(): "layer_holds_no_state",
    UnseededNoise(): "same_key_gives_the_same_bits",
    IgnoredDraw(): "another_key_gives_another_draw",
    DrawsTwiceAlike(): "draws_in_one_pass_differ",
    KeepsItsGenerator(): "a_pass_repeats_its_draws",
    GlobalNoise(): "global_randomness_is_left_alone",
    NoiseInInference(): "inference_is_not_random",
    OtherInInference(): "modes_agree_without_randomness_and_state",
    MixesTheBatch(): "images_do_not_depend_on_their_batch",
    LearnsOutsideItsParameters(): "weights_round_trip",
    DependsOnItsAddress(): "copies_compute_the_same",
    WithoutDoc(): "options_are_documented",
    Undecorated(): "options_are_frozen",
    SetsItsOwnOption(power=1): "options_round_trip",
    CopiesAnother(): "deepcopy_is_equal",
    PicklesAnother(): "pickle_is_equal",
    NotAtTheTop(): "pickle_is_equal",
}
