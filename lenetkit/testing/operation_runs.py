"""One forward and backward pass of each operation of a kernel set, on a problem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np

from lenetkit.arrays import Array
from lenetkit.kernels.base import Kernels
from lenetkit.layers.call import Call
from lenetkit.testing.operation_cases import Problem

Results: TypeAlias = dict[str, Array]
ROUNDING = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-11}
"""How far two ways to compute the same may lie apart, of the largest value."""


class Run(Protocol):
    """`run(kernels, problem, dtype)` → results by name, as copies."""

    __name__: str

    def __call__(
        self,
        kernels: Kernels,
        p: Problem,
        dtype: Any,
        *,
        call: Call | None = None,
        given: Results | None = None,
    ) -> Results:
        """`given` takes the place of the problem's own arrays, and `call` of a fresh one."""


def inputs_of(p: Problem) -> tuple[str, ...]:
    """The names of the arrays that an operation must leave alone."""
    return ("x", "weight", "bias") if p.maps else ("x",)


def conv2d(
    kernels: Kernels,
    p: Problem,
    dtype: Any,
    *,
    call: Call | None = None,
    given: Results | None = None,
    bias: bool = True,
    needs_dx: bool = True,
) -> Results:
    """A convolution and its gradients."""
    scratch = (call or Call(operations=kernels)).scratch
    a = _arrays(p, dtype, given)
    d_weight = np.full(a["weight"].shape, np.nan, dtype)
    d_bias = np.full(a["bias"].shape, np.nan, dtype) if bias else None
    b = a["bias"] if bias else None
    y, saved = kernels.conv2d(a["x"], a["weight"], b, p.window, p.groups, scratch)
    found = {"y": y.copy()}
    dx = kernels.conv2d_backward(saved, a["weight"], a["dy"], d_weight, d_bias, needs_dx, scratch)
    found["d_weight"] = d_weight
    if d_bias is not None:
        found["d_bias"] = d_bias
    if dx is not None:
        found["dx"] = dx.copy()
    return found


def max_pool2d(
    kernels: Kernels,
    p: Problem,
    dtype: Any,
    *,
    call: Call | None = None,
    given: Results | None = None,
) -> Results:
    """Max pooling and its gradient."""
    scratch = (call or Call(operations=kernels)).scratch
    a = _arrays(p, dtype, given)
    y, saved = kernels.max_pool2d(a["x"], p.window, scratch)
    found = {"y": y.copy()}
    return found | {"dx": kernels.max_pool2d_backward(saved, a["dy"], scratch).copy()}


def avg_pool2d(count_include_pad: bool) -> Run:
    """Average pooling and its gradient, with or without padding in the count."""

    def avg_pool2d(
        kernels: Kernels,
        p: Problem,
        dtype: Any,
        *,
        call: Call | None = None,
        given: Results | None = None,
    ) -> Results:
        scratch = (call or Call(operations=kernels)).scratch
        a = _arrays(p, dtype, given)
        y, saved = kernels.avg_pool2d(a["x"], p.window, count_include_pad, scratch)
        found = {"y": y.copy()}
        return found | {"dx": kernels.avg_pool2d_backward(saved, a["dy"], scratch).copy()}

    return avg_pool2d


def operations(*convolutions: Problem, pooling: Problem) -> Iterator[tuple[Problem, Run]]:
    """Each convolution, and all poolings of one problem."""
    for p in convolutions:
        yield p, conv2d
    for run in (max_pool2d, avg_pool2d(True), avg_pool2d(False)):
        yield pooling, run


def _arrays(p: Problem, dtype: Any, given: Results | None) -> Results:
    """The problem's arrays in a precision, `dy` as a copy that may be used up."""
    names = (*inputs_of(p), "dy")
    arrays = {name: getattr(p, name).astype(dtype) for name in names}
    return arrays | {n: v.copy(order="K") if n == "dy" else v for n, v in (given or {}).items()}
