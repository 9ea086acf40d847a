"""How numbers are worded in every picture."""

from __future__ import annotations


def percent(share: float, decimals: int) -> str:
    """`share` (0 to 1) in percent, rounded; but 100 only where nothing at all is missing."""
    almost = 100 - 10**-decimals
    return f"{min(100 * share, almost) if share < 1 else 100:.{decimals}f}"
