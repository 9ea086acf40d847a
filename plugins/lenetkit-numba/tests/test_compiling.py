"""Where nothing can be kept, everything still runs."""

from __future__ import annotations

from typing import Any

import numba
import pytest
from lenetkit_numba.compiling import compiled


def test_without_a_folder_for_the_cache_it_compiles_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    njit, refused = numba.njit, []

    def refuse(*arguments: Any, **options: Any) -> Any:
        if options.get("cache"):
            refused.append(options)
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*arguments, **options)

    def double(x: int) -> int:
        return 2 * x

    monkeypatch.setattr(numba, "njit", refuse)
    fast = compiled(double)
    assert fast(21) == 42
    assert fast is not double
    assert len(refused) == 1
