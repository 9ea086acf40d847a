"""What a layer receives for one pass."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from lenetkit.arrays import Array, Shape, Views
from lenetkit.operations.base import Operations


class Batch:
    """The batch that the images of a pass belong to; here, all of it.

    Training split over processes passes another one, so that draws and sums are the same as in one
    process.
    """

    rows: slice = slice(None)
    """The images' place in the whole batch."""

    def size(self, images: int) -> int:
        """The number of images in the whole batch, if this pass has `images`."""
        return images

    def sum(self, values: Array) -> Array:
        """A sum over the images of this pass, extended to the whole batch.

        Layers that couple images, such as batch normalization, pass all their sums through here.
        """
        return values


@dataclass
class Call:
    """Mode, randomness, operations, untrained state and scratch memory for one layer.

    Scratch buffers stay valid until the next forward pass that uses this object; training and
    evaluation each have their own.
    """

    operations: Operations
    training: bool = False
    needs_input_grad: bool = True
    """False for the first layer: `backward` may then return None and save the work."""
    state: Mapping[str, Array] = field(default_factory=Views)
    """The untrained state that `Layer.state_specs` names. Forward may write to it in training."""
    batch: Batch = field(default_factory=Batch)
    rng_key: tuple[int, ...] = (0,)
    """The seed of the pass's random draws."""
    inners: dict[str, Self] = field(default_factory=dict, repr=False)
    """The calls of the layers inside the layer, by name; see `inner`."""
    _rng: np.random.Generator | None = field(default=None, repr=False)
    _buffers: dict[tuple[str, Any], Array] = field(default_factory=dict, repr=False)

    def begin(self) -> None:
        """Start a pass: passes with the same key draw the same numbers."""
        self._rng = None
        for inner in self.inners.values():
            inner.begin()

    def inner(self, name: str) -> Self:
        """The call of a layer inside the layer: this pass, with its own generator and scratch.

        Its state is what is named `NAME.…` here. It always needs an input gradient.
        """
        start = f"{name}."
        of_pass: dict[str, Any] = {
            "operations": self.operations,
            "training": self.training,
            "needs_input_grad": True,
            "state": Views(
                {n.removeprefix(start): v for n, v in self.state.items() if n.startswith(start)}
            ),
            "batch": self.batch,
            "rng_key": (*self.rng_key, zlib.crc32(name.encode())),
        }
        if name in self.inners:
            for attribute, value in of_pass.items():
                setattr(self.inners[name], attribute, value)
        else:
            new = replace(self, **of_pass, inners={}, _rng=None, _buffers={})
            self.inners[name] = new
        return self.inners[name]

    @property
    def rng(self) -> np.random.Generator:
        """The generator for the random draws of this pass.

        Backward restarts it, so that it can repeat forward's draws instead of keeping them.
        """
        if self._rng is None:
            self._rng = np.random.default_rng(self.rng_key)
        return self._rng

    def draw(self, shape: Shape, sample: Callable[[np.random.Generator, Shape], Array]) -> Array:
        """Random values of `shape` (N, …), the same however a batch is split over processes.

        `sample(rng, shape)` draws them for the whole batch: `call.draw(x.shape, lambda rng, shape:
        rng.random(shape, np.float32))`.
        """
        return sample(self.rng, (self.batch.size(shape[0]), *shape[1:]))[self.batch.rows]

    @property
    def scratch_bytes(self) -> int:
        """The size of all scratch memory so far."""
        inner = sum(call.scratch_bytes for call in self.inners.values())
        return inner + sum(buffer.nbytes for buffer in self._buffers.values())

    def scratch(self, name: str, shape: Shape, dtype: Any) -> Array:
        """An uninitialized array; the same name and dtype reuse the same memory."""
        size = math.prod(shape)
        key = (name, np.dtype(dtype))
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)

    def scratch_like(self, name: str, x: Array) -> Array:
        """Scratch with the shape, the memory order and the dtype of `x`."""
        if x.flags.c_contiguous:
            return self.scratch(name, x.shape, x.dtype)
        order = sorted(range(x.ndim), key=lambda axis: (-x.strides[axis], axis))
        y = self.scratch(name, tuple(x.shape[axis] for axis in order), x.dtype)
        return y.transpose(np.argsort(order))
