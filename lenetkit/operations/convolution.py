"""Convolution as matrix products of weights and windows.

The shapes decide: `batch_last` for few channels, `channels_last` for many. In both the weights are
a band matrix with the bias as one more column, which multiplies a one appended to each window, so
that neither pass needs another loop over the outputs. Rows of the output are computed in strips
that fit in a cache; threads share parts of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lenetkit.arrays import Array
from lenetkit.operations import band as bands
from lenetkit.operations import memory, settings, workers
from lenetkit.operations.base import Pair, Scratch, Window
from lenetkit.operations.batch_last import BatchLast
from lenetkit.operations.blocks import Blocks, plan_blocks
from lenetkit.operations.channels_last import ChannelsLast
from lenetkit.operations.products import Products


def plan(
    size: Pair, weight_shape: tuple[int, ...], window: Window, groups: int, bias: bool, batch: int
) -> tuple[type[Products], Blocks]:
    """The products for `batch` images of `size` (H, W), and how they are cut.

    The larger of channels and batch is the innermost axis. Raises ShapeError if no window fits.
    """
    channels = weight_shape[1]
    if channels >= settings.CHANNELS_LAST_FROM and channels > batch:
        return ChannelsLast, plan_blocks(size, weight_shape, window, groups, bias, width=1)
    return BatchLast, plan_blocks(size, weight_shape, window, groups, bias)


def forward(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> tuple[Array, Products]:
    """y (N, O, OH, OW) for x (N, C, H, W) and weight (O, C/groups, kh, kw)."""
    products = prepare(x, weight, bias, window, groups, scratch)
    order = products.order
    y = scratch("y", (*products.blocks.out, *order.pixel(len(weight), len(x))), x.dtype)
    for_strips(products, lambda rows, own: products.outputs(rows, y[rows], own), scratch)
    return order.restore(y), products


def backward(
    saved: Products,
    weight: Array,
    dy: Array,
    d_weight: Array,
    d_bias: Array | None,
    needs_input_grad: bool,
    scratch: Scratch,
) -> Array | None:
    """Write dL/dweight and dL/dbias; return dL/dx (N, C, H, W) if it is needed."""
    ordered = memory.contiguous("dy", saved.order.arrange(dy), scratch)
    return gradients(
        saved, lambda rows, own: ordered[rows], d_weight, d_bias, needs_input_grad, scratch
    )


def prepare(
    x: Array, weight: Array, bias: Array | None, window: Window, groups: int, scratch: Scratch
) -> Products:
    """The operands of both passes. Raises ShapeError if no window fits."""
    way, blocks = plan(x.shape[2:], weight.shape, window, groups, bias is not None, len(x))
    padded = memory.pad(x, window, 0, way.order, scratch)
    return way(padded, bands.fill(weight, bias, blocks, scratch), blocks)


def for_strips(
    products: Products,
    work: Callable[[slice, Scratch], None],
    scratch: Scratch,
    rows: int | None = None,
    multiple: int = 1,
) -> None:
    """Call `work` on the output's rows, or the first `rows`, in strips of a `multiple`.

    Threads share the work, each with its own scratch.
    """
    blocks, N = products.blocks, products.batch
    parts = blocks.parts(N, blocks.out[0] if rows is None else rows, multiple)

    def share(part: int, worker: int) -> None:
        own = workers.own(scratch, worker)
        for strip in blocks.strips(parts[part], N, multiple):
            work(strip, own)

    if len(parts) == 1:
        share(0, 0)
    else:
        workers.run(share, len(parts))


def gradients(
    products: Products,
    rows_of_dy: Callable[[slice, Scratch], Array],
    d_weight: Array,
    d_bias: Array | None,
    needs_input_grad: bool,
    scratch: Scratch,
    rows: int | None = None,
    multiple: int = 1,
) -> Array | None:
    """`backward` with the output's gradient a few rows at a time; see `for_strips`.

    `rows_of_dy(rows, scratch)` gives them as (rows, OW, …), in the products' order.
    """
    padded, band, blocks = products.padded, products.band, products.blocks
    N = products.batch
    parts = blocks.parts(N, blocks.out[0] if rows is None else rows, multiple)
    read = [blocks.reads(part) for part in parts] if len(parts) > 1 else [slice(0, len(padded))]
    d_bands: list[Array] = []
    d_inputs: list[Any] = []
    for part, lines in enumerate(read):
        d_bands.append(memory.zeros(f"d_band of part {part}", band.shape, scratch, band))
        if needs_input_grad:
            shape = (lines.stop - lines.start, *padded.shape[1:])
            d_inputs.append(memory.zeros(f"dx of part {part}", shape, scratch, padded))
        else:
            d_inputs.append(None)

    def share(part: int, worker: int) -> None:
        own = workers.own(scratch, worker)
        dx = d_inputs[part]
        for strip in blocks.strips(parts[part], N, multiple):
            first = blocks.reads(strip).start - read[part].start
            into = None if dx is None else dx[first:]
            products.gradients(strip, rows_of_dy(strip, own), d_bands[part], into, own)

    workers.run(share, len(parts))
    d_band = d_bands[0]
    for more in d_bands[1:]:
        d_band += more
    d_weight[...] = bands.diagonals(d_band, blocks).sum(axis=1).reshape(d_weight.shape)
    if d_bias is not None:
        d_bias[...] = bands.biases(d_band, blocks).sum(axis=1).reshape(d_bias.shape)
    if not needs_input_grad:
        return None
    dx = d_inputs[0]
    if len(parts) > 1:
        dx = memory.zeros("dx", padded.shape, scratch, padded)
        for lines, more in zip(read, d_inputs, strict=True):
            dx[lines] += more
    return memory.unpad(dx, blocks.window, products.order)
