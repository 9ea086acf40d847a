"""Checks of what a layer declares: shapes, parameters, cost, bad input, small batches."""

from __future__ import annotations

import numpy as np

from lenetkit.arrays import Shape, shape_text
from lenetkit.conformance.compare import (
    expect_finite,
    expect_same,
    expect_shape,
    fail,
    warnings_as_failures,
)
from lenetkit.conformance.passes import BATCH, LayerCase
from lenetkit.conformance.report import CheckFailed, CheckSkipped
from lenetkit.errors import ShapeError
from lenetkit.initializers import Initializer
from lenetkit.layers.base import Cost, ParamSpec
from lenetkit.layers.composite import Composite
from lenetkit.network.plan import plan_layers
from lenetkit.options import options_of
from lenetkit.registry.catalog import installed
from lenetkit.spec.nodes import Mark
from lenetkit.spec.sections import NamedLayer


def declared_shape_is_a_tuple_of_sizes(case: LayerCase) -> None:
    """`output_shape` gives a tuple of Python integers of at least 1, without the batch."""
    _expect_sizes(case.planned.output_shape(case.in_shape), "output_shape")


def output_has_the_declared_shape(case: LayerCase) -> None:
    """The output has the shape that `output_shape` declares, in both modes."""
    for training in (True, False):
        _expect_declared_shape(case, BATCH, training)


def input_gradient_has_the_shape_of_the_input(case: LayerCase) -> None:
    """`backward` returns one gradient for every input value."""
    found = case.results(case.x())
    if "dx" not in found:
        raise fail(
            "backward: expected dL/dx, found None although call.needs_input_grad is True",
            "return None only where call.needs_input_grad is False",
        )
    cause = "backward must undo whatever forward does to the shape"
    expect_shape(found["dx"], (BATCH, *case.in_shape), "dx", cause)


def inferred_options_are_options(case: LayerCase) -> None:
    """`inferred` names options of the layer, with values that they take; filled in, they agree."""
    names = {opt.name for opt in options_of(type(case.thing))}
    for name in case.thing.inferred(case.in_shape):
        if name not in names:
            raise fail(f"inferred: '{name}' is not an option of {type(case.thing).__name__}")
    planned = case.planned
    for name, value in planned.inferred(case.in_shape).items():
        if getattr(planned, name) != value:
            raise fail(
                f"inferred: expected {name}={value}, found {getattr(planned, name)} in the layer",
                "what is inferred must depend on the input shape alone",
            )


def parameters_are_well_described(case: LayerCase) -> None:
    """`param_specs` maps plain names to shapes, the same ones on every call."""
    if twice := case.specs.keys() & case.state_specs.keys():
        raise fail(f"'{min(twice)}' is in both param_specs and state_specs; expected one of them")
    for name, spec in {**case.specs, **case.state_specs}.items():
        if not isinstance(spec, ParamSpec):
            raise fail(f"param_specs: '{name}' is {type(spec).__name__}, expected a ParamSpec")
        inner = isinstance(case.planned, Composite)
        if not all(map(str.isidentifier, name.split(".") if inner else [name])):
            raise fail(f"param_specs: '{name}' cannot be a parameter's name; use one like weight")
        _expect_sizes(spec.shape, f"param_specs: shape of {name}")
        if spec.init is not None and not isinstance(spec.init, Initializer):
            raise fail(f"param_specs: init of {name} is {type(spec.init).__name__}")
        if spec.shape and min(spec.fans()) < 1:
            raise fail(f"param_specs: fans of {name} are {spec.fans()}, expected at least 1")
    if case.planned.param_specs(case.in_shape) != case.specs:
        raise fail("param_specs: two calls with the same shape differ")


def parameters_start_at_finite_values(case: LayerCase) -> None:
    """A parameter's own initializer gives finite values of its shape."""
    every = {**case.specs, **case.state_specs}
    own = {name: spec for name, spec in every.items() if spec.init is not None}
    if not own:
        raise CheckSkipped("no parameter has an initializer of its own")
    for name, spec in own.items():
        if spec.init is not None:
            values = spec.init.sample(np.random.default_rng(0), spec.shape, *spec.fans())
            expect_shape(values, spec.shape, f"initial {name}")
            expect_finite(values, f"initial {name}")


def cost_is_counted_in_whole_numbers(case: LayerCase) -> None:
    """`cost` gives multiply-adds and connections, whole numbers of at least 0."""
    cost = case.planned.cost(case.in_shape)
    if not isinstance(cost, Cost):
        raise fail(f"cost: expected a Cost, found {type(cost).__name__}")
    for name, value in (("macs", cost.macs), ("connections", cost.connections)):
        if not isinstance(value, int) or value < 0:
            raise fail(f"cost: expected {name} to be an integer ≥ 0, found {value!r}")


def plan_accepts_the_layer(case: LayerCase) -> None:
    """A spec can hold the layer: the plan follows the shape through it without a problem."""
    named = NamedLayer("layer", case.thing, Mark("spec"))
    planned, problems = plan_layers(case.in_shape, [named], installed(), complete=False)
    if problems:
        raise fail(f"the plan refuses the layer: {problems[0]}")
    if planned[0].out_shape != case.planned.output_shape(case.in_shape):
        raise fail(f"the plan finds {planned[0].out_shape}, the layer declares another shape")


def bad_input_raises_shape_error(case: LayerCase) -> None:
    """A shape that the layer cannot accept raises ShapeError; any other can be computed."""
    refused, tried = 0, _other_shapes(case.in_shape)
    for shape in tried:
        try:
            inferred = case.thing.inferred(shape)
            if any(getattr(case.thing, n) not in (None, v) for n, v in inferred.items()):
                continue  # the plan refuses it: an option contradicts it
            other = LayerCase(case.thing, shape)
            declared = other.planned.output_shape(shape)
        except ShapeError as error:
            refused += 1
            if not str(error).strip():
                raise fail(f"{shape_text(shape)}: ShapeError without a message") from None
        except Exception as error:
            raise fail(
                f"input {shape_text(shape)}: expected ShapeError or an output shape, found "
                f"{type(error).__name__}: {error}",
                "output_shape must check the shape before it uses it, as expect_image does",
            ) from error
        else:
            _expect_computable(other, declared)
    if not refused:
        raise CheckSkipped(f"every shape tried is accepted: {', '.join(map(shape_text, tried))}")


def batch_of_one(case: LayerCase) -> None:
    """A batch of one image gives finite results of the right shapes, in both modes."""
    for training in (True, False):
        _expect_declared_shape(case, 1, training)
        found = case.results(case.x(1), call=case.call(training=training))
        if "dx" in found:
            expect_shape(found["dx"], (1, *case.in_shape), "dx of a batch of 1")
        for name, values in found.items():
            expect_finite(values, f"batch of 1: {name}", "a variance or a mean over one image")


def empty_batch(case: LayerCase) -> None:
    """A batch of 0 images gives empty results, parameter gradients of 0 and unchanged state."""
    for training in (True, False):
        with warnings_as_failures("batch of 0"):
            _expect_declared_shape(case, 0, training)
            call = case.call(training=training)
            before = {name: values.copy() for name, values in call.state.items()}
            found = case.results(case.x(0), call=call)
        if "dx" in found:
            expect_shape(found["dx"], (0, *case.in_shape), "dx of a batch of 0")
        for name in [f"gradient of {name}" for name in case.grads()]:
            expect_same(found[name], np.zeros_like(found[name]), f"batch of 0: {name}")
        for name, values in before.items():
            what = f"batch of 0: {name}"
            expect_same(call.state[name], values, what, cause="a mean over nothing")


def _expect_declared_shape(case: LayerCase, batch: int, training: bool) -> None:
    declared = case.planned.output_shape(case.in_shape)
    mode = "training" if training else "inference"
    y, _ = case.forward(case.params(), case.x(batch), case.call(training=training))
    cause = f"output_shape({case.in_shape}) declares {declared}, which leaves out the batch"
    expect_shape(y, (batch, *declared), f"y of a batch of {batch} in {mode}", cause)


def _expect_sizes(shape: Shape, what: str) -> None:
    if not isinstance(shape, tuple) or not all(type(size) is int and size > 0 for size in shape):
        raise fail(
            f"{what}: expected a tuple of integers ≥ 1, found {shape!r}",
            "a list, a NumPy integer, a float from `/`, or a window that does not fit",
        )


def _expect_computable(case: LayerCase, declared: Shape) -> None:
    text = shape_text(case.in_shape)
    cause = "output_shape accepts a shape that forward cannot take: raise ShapeError for it"
    try:
        y = case.output(case.x())
    except CheckFailed:
        raise
    except Exception as error:
        raise fail(
            f"input {text}: output_shape declares {declared}, but the pass raises "
            f"{type(error).__name__}: {error}",
            cause,
        ) from error
    expect_shape(y, (BATCH, *declared), f"y for input {text}", cause)


def _other_shapes(in_shape: Shape) -> list[Shape]:
    """Shapes of other ranks, and a smaller and a larger one of the same."""
    by_rank: list[Shape] = [(), (5,), (3, 4), (2, 3, 4), (2, 3, 4, 5)]
    found = [shape for shape in by_rank if len(shape) != len(in_shape)]
    if in_shape:
        found += [(1,) * len(in_shape), (in_shape[0] + 1, *in_shape[1:])]
    return [shape for shape in found if shape != in_shape]
