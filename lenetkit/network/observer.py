"""Looking at a pass while it runs, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenetkit.arrays import Array

if TYPE_CHECKING:
    from lenetkit.network.stage import Stage


class Observer:
    """Sees the passes of a workspace; this one ignores them.

    The arrays are those of the pass itself: for reading, and only until the method returns. So an
    observer changes no bit of what is computed.
    """

    def forward_begins(self, x: Array) -> None:
        """A batch `x` (N, *input) enters the first stage."""

    def forward_done(self, stage: Stage, y: Array) -> None:
        """`stage` has made `y` (N, *out_shape)."""

    def backward_begins(self, dy: Array) -> None:
        """The gradient of the outputs, `dy` (N, K), enters the last stage."""

    def backward_done(self, stage: Stage, dx: Array | None) -> None:
        """`stage` has written its parameters' gradients, and made that of its input, `dx`.

        `dx` is None where nothing before the stage is trained.
        """
