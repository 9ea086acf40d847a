"""Values of the layers, against plain loops; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from lenetkit_classic.partial_conv2d import PartialConv2d
from lenetkit_classic.scaled_tanh import ScaledTanh
from lenetkit_classic.subsample2d import Subsample2d

from lenetkit.authoring import Call, NumpyKernels, OptionError, ShapeError
from lenetkit.network.plan import load_plan


def call() -> Call:
    return Call(operations=NumpyKernels())


def test_scaled_tanh_is_one_at_one() -> None:
    y, _ = ScaledTanh().forward({}, np.array([[-1.0, 0.0, 1.0, 50.0]]), call())
    np.testing.assert_allclose(y, [[-1, 0, 1, 1.7159]], atol=1e-4)


def test_subsample_is_coefficient_times_sum_plus_bias() -> None:
    x = np.arange(2 * 1 * 2 * 4, dtype=np.float64).reshape(2, 1, 2, 4)
    params = {"weight": np.array([2.0, -1.0]), "bias": np.array([0.5, 0.0])}
    y, _ = Subsample2d(maps=2).forward(params, x, call())
    sums = np.array([[[10.0, 18.0]], [[42.0, 50.0]]])
    np.testing.assert_allclose(y, np.stack([2 * sums + 0.5, -sums], axis=1))


def test_subsample_needs_whole_windows() -> None:
    with pytest.raises(ShapeError, match="windows of 2×2 do not divide 6×5×4"):
        Subsample2d().output_shape((6, 5, 4))


def test_partial_convolution_is_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    table = ((2,), (0, 1), (1,), (2, 0))
    layer, x = (
        PartialConv2d(table=table, kernel_size=(2, 3), in_channels=3),
        rng.normal(size=(2, 3, 4, 5)),
    )
    params = {n: rng.normal(size=s.shape) for n, s in layer.param_specs((3, 4, 5)).items()}
    kernels = {"weight1": iter(params["weight1"]), "weight2": iter(params["weight2"])}
    expected = np.empty((2, 4, 3, 3))
    for o, inputs in enumerate(table):
        kernel = next(kernels[f"weight{len(inputs)}"])
        for i in range(3):
            for j in range(3):
                window = x[:, inputs, i : i + 2, j : j + 3]
                expected[:, o, i, j] = (window * kernel).sum(axis=(1, 2, 3)) + params["bias"][o]
    np.testing.assert_allclose(layer.forward(params, x, call())[0], expected)


def test_partial_convolution_has_the_fan_in_of_each_unit() -> None:
    layer = PartialConv2d(table=((0,), (1, 0), (2,)), kernel_size=5)
    fans = {name: spec.fans()[0] for name, spec in layer.param_specs((3, 9, 9)).items()}
    assert fans["weight1"] == 25
    assert fans["weight2"] == 50


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ((), "at least one output map, found none"),
        (((0,), ()), r"map 1: expected distinct input maps, found \[\]"),
        (((0, 0),), r"map 0: expected distinct input maps, found \[0, 0\]"),
    ],
)
def test_bad_tables_are_refused(table: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        PartialConv2d(table=table, kernel_size=3)


def test_a_table_may_not_name_maps_that_do_not_come_in() -> None:
    with pytest.raises(ShapeError, match=r"names input map 5, but the input has 0 … 2"):
        PartialConv2d(table=((0, 5),), kernel_size=3).output_shape((3, 9, 9))


def test_receptive_fields_are_those_of_the_paper() -> None:
    """A unit of C3 sees 14×14 pixels, one of S4 16×16, and all after that the whole image."""
    plan = load_plan("lenet5-1998")
    fields = {p.name: f for p, f in zip(plan.layers, plan.receptive_fields(), strict=True)}
    assert [fields[name] for name in ("C1", "S2", "C3", "S4")] == [(n, n) for n in (5, 6, 14, 16)]
    assert {fields[name] for name in ("C5", "F6", "output")} == {(32, 32)}
