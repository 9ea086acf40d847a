"""What `lenetkit.layers.base` promises of every layer."""

from __future__ import annotations

from collections.abc import Mapping

from lenetkit.arrays import Shape
from lenetkit.conformance import (
    layer_claims,
    layer_gradients,
    layer_memory,
    layer_modes,
    layer_reach,
    layer_shapes,
    layer_ties,
)
from lenetkit.conformance.common import COMMON_LADDERS
from lenetkit.conformance.origin import Origins, Rung
from lenetkit.conformance.passes import LayerCase
from lenetkit.conformance.report import NOTHING_EXPECTED, Check, Report
from lenetkit.conformance.suite import Suite, promises_in
from lenetkit.layers.base import Layer

_MODULES = (
    layer_shapes,
    layer_claims,
    layer_gradients,
    layer_memory,
    layer_modes,
    layer_reach,
    layer_ties,
)
_RUNGS = (
    Rung(
        (
            "declared_shape_is_a_tuple_of_sizes",
            "inferred_options_are_options",
            "parameters_are_well_described",
        ),
        ("parameters_start_at_finite_values", "plan_accepts_the_layer"),
    ),
    Rung(("passes_return_what_the_contract_says",), ("draws_in_one_pass_differ",)),
    Rung(("results_are_arrays_of_their_own",)),
    Rung(
        ("input_is_not_written_to", "parameters_are_not_written_to", "layer_holds_no_state"),
        ("weights_round_trip", "output_is_not_written_to"),
    ),
    Rung(
        ("output_has_the_declared_shape", "input_gradient_has_the_shape_of_the_input"),
        ("bad_input_raises_shape_error",),
    ),
    Rung(("global_randomness_is_left_alone", "same_key_gives_the_same_bits")),
    Rung(
        ("scratch_contents_do_not_matter",),
        (
            "another_key_gives_another_draw",
            "read_only_input_is_accepted",
            "copies_compute_the_same",
        ),
    ),
    Rung(("interleaved_passes_do_not_mix",), ("evaluation_may_come_between",)),
    Rung(("a_pass_repeats_its_draws",)),
    Rung(("gradients_are_written",)),
    Rung(("results_are_finite",)),
    Rung(
        (
            "batch_of_one",
            "float64_is_kept",
            "inference_is_not_random",
            "used_call_gives_the_results_of_a_fresh_one",
        ),
        (
            "float32_is_kept",
            "both_precisions_agree",
            "memory_order_does_not_matter",
            "modes_agree_without_randomness_and_state",
        ),
    ),
    Rung(("images_do_not_depend_on_their_batch", "backward_is_linear")),
    Rung(
        ("input_gradient_is_right", "parameter_gradients_are_right"),
        (
            "inference_gradients_are_right",
            "gradients_add_up_over_the_batch",
            "gradients_are_those_without_input_gradient",
            "second_backward_is_right",
            "second_backward_keeps_shape_and_dtype",
            "cost_covers_every_weight",
            "fans_are_not_exchanged",
            "receptive_field_is_what_is_read",
            "empty_batch",
        ),
    ),
    Rung(
        (
            "inference_gradients_are_right",
            "gradients_add_up_over_the_batch",
            "float32_is_kept",
            "both_precisions_agree",
            "modes_agree_without_randomness_and_state",
            "second_backward_is_right",
        ),
        (
            "every_word_of_the_key_counts",
            "training_averages_to_inference",
            "batches_of_every_size_are_right",
            "larger_inputs_are_right",
            "far_inputs_are_right",
            "zeros_and_equal_values_are_right",
            "parameters_of_either_sign_are_right",
            "other_options_are_right",
        ),
    ),
    Rung(("empty_batch",), ("nan_is_passed_on",)),
)
_ORIGINS = Origins(
    (*COMMON_LADDERS, _RUNGS),
    {
        "output_shape": (
            "declared_shape_is_a_tuple_of_sizes",
            "bad_input_raises_shape_error",
            "output_has_the_declared_shape",
        ),
        "inferred": ("inferred_options_are_options",),
        "param_specs": (
            "parameters_are_well_described",
            "parameters_start_at_finite_values",
            "fans_are_not_exchanged",
        ),
        "receptive_field": ("receptive_field_is_what_is_read",),
        "cost": ("cost_is_counted_in_whole_numbers", "cost_covers_every_weight"),
        "backward": (
            "input_gradient_has_the_shape_of_the_input",
            "input_gradient_is_right",
            "parameter_gradients_are_right",
            "inference_gradients_are_right",
            "gradients_are_written",
            "gradients_are_those_without_input_gradient",
            "gradients_add_up_over_the_batch",
            "backward_is_linear",
            "batches_of_every_size_are_right",
            "larger_inputs_are_right",
            "far_inputs_are_right",
            "zeros_and_equal_values_are_right",
            "parameters_of_either_sign_are_right",
            "other_options_are_right",
            "output_is_not_written_to",
            "results_are_arrays_of_their_own",
        ),
        "second_backward": ("second_backward_is_right", "second_backward_keeps_shape_and_dtype"),
        "derivative": ("input_gradient_is_right", "inference_gradients_are_right"),
        "forward": (
            "passes_return_what_the_contract_says",
            "input_is_not_written_to",
            "images_do_not_depend_on_their_batch",
            "layer_holds_no_state",
            "same_key_gives_the_same_bits",
            "every_word_of_the_key_counts",
            "training_averages_to_inference",
            "nan_is_passed_on",
        ),
        "function": ("input_is_not_written_to", "images_do_not_depend_on_their_batch"),
    },
    keep="return it from forward, as in `return y, x`, and backward receives it as `saved`",
)
SUITE = Suite(
    Layer,
    LayerCase,
    [promise for module in _MODULES for promise in promises_in(module.__name__)],
    _ORIGINS,
)


def layer_checks(layer: Layer, in_shape: Shape, *, name: str | None = None) -> list[Check]:
    """`Suite.checks` for a layer and the shape of one input, without the batch.

    Images of about 5×6 pixels with few channels are large enough, and fast.
    """
    return SUITE.checks(layer, tuple(in_shape), name=name)


def check_layer(
    layer: Layer, in_shape: Shape, *, expected_failures: Mapping[str, str] = NOTHING_EXPECTED
) -> Report:
    """`Suite.check` for a layer and the shape of one input, without the batch."""
    return SUITE.check(layer, tuple(in_shape), expected_failures=expected_failures)
