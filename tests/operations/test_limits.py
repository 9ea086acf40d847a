"""Blocks that set a number of threads, in any order of opening and closing."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hypothesis import given
from hypothesis import strategies as st

from lenetkit.operations import blas, workers
from lenetkit.operations.limits import Limit


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
def test_the_newest_open_block_decides_and_the_last_restores(moves: list[tuple[bool, int]]) -> None:
    box = [100]
    limit: Limit[int] = Limit(lambda: box[0], lambda value: box.__setitem__(0, value))
    blocks: list[tuple[AbstractContextManager[None], int]] = []
    block: AbstractContextManager[None]
    for opens, number in moves:
        if opens or not blocks:
            block = limit.at(number)
            block.__enter__()
            blocks.append((block, number))
        else:  # as blocks on other threads do, in any order
            block, _ = blocks.pop(number % len(blocks))
            block.__exit__(None, None, None)
        assert box[0] == (blocks[-1][1] if blocks else 100)
    for block, _ in blocks:
        block.__exit__(None, None, None)
    assert box[0] == 100


def test_blocks_of_other_threads_may_end_in_any_order() -> None:
    for limited, threads in ((blas.limited, blas.threads), (workers.limited, workers.threads)):
        before = threads()
        first, second = limited(1), limited(2)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == 2
        second.__exit__(None, None, None)
        assert threads() == before
