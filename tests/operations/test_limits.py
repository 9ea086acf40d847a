"""Blocks that set a number of threads, in any order of opening and closing."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

import pytest
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


def test_a_setting_that_fails_leaves_no_block_open() -> None:
    box = [100]

    def write(value: int) -> None:
        if value < 0:
            raise ValueError(value)
        box[0] = value

    limit: Limit[int] = Limit(lambda: box[0], write)
    with pytest.raises(ValueError, match="-1"), limit.at(-1):
        raise AssertionError
    with limit.at(3), suppress(ValueError), limit.at(-1):
        raise AssertionError
    assert box[0] == 100
    with limit.at(5):
        assert box[0] == 5
    assert box[0] == 100


def test_many_threads_that_nest_fail_and_abandon_generators_restore_the_setting() -> None:
    box, begin = [100], threading.Barrier(8)
    limit: Limit[int] = Limit(lambda: box[0], lambda value: box.__setitem__(0, value))
    wrong: list[int] = []

    def generate(value: int) -> Iterator[None]:
        with limit.at(value):
            yield
            yield

    def work(number: int) -> None:
        rng = random.Random(number)
        begin.wait()
        for _ in range(200):
            with suppress(ZeroDivisionError), limit.at(rng.randrange(9)), limit.at(number):
                left = generate(rng.randrange(9))
                next(left)
                if box[0] == 100:
                    wrong.append(box[0])
                if rng.random() < 0.3:
                    raise ZeroDivisionError
            del left  # closed by the garbage collector, after the blocks around it

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (box[0], wrong) == (100, [])


def test_a_generator_may_be_closed_on_another_thread() -> None:
    before = workers.threads()

    def generate() -> Iterator[None]:
        with workers.limited(2):
            yield

    left = generate()
    next(left)
    with workers.limited(3):
        thread = threading.Thread(target=left.close)  # type: ignore[attr-defined]
        thread.start()
        thread.join()
        assert workers.threads() == 3
    assert workers.threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_keeps_the_blocks_of_its_own_thread_only() -> None:
    before, opened, close = workers.threads(), threading.Event(), threading.Event()

    def hold() -> None:
        with workers.limited(7):
            opened.set()
            close.wait()

    with workers.limited(2):
        other = threading.Thread(target=hold)
        other.start()
        opened.wait()
        child = os.fork()
        if not child:
            with workers.limited(5):
                inside = workers.threads()
            os._exit(0 if (inside, workers.threads()) == (5, 2) else 1)
        status = os.waitpid(child, 0)[1]
        close.set()
        other.join()
    assert status == 0
    assert workers.threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_forked_while_a_thread_sets_a_limit_does_not_wait_for_it() -> None:
    setting, go_on, box = threading.Event(), threading.Event(), [100]

    def write(value: int) -> None:
        box[0] = value
        if value == 7:
            setting.set()
            go_on.wait()

    limit: Limit[int] = Limit(lambda: box[0], write)
    other = threading.Thread(target=limit.at(7).__enter__)
    other.start()
    setting.wait()
    child = os.fork()
    if not child:
        signal.alarm(5)
        with limit.at(5):
            inside = box[0]
        os._exit(0 if (inside, box[0]) == (5, 100) else 1)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    other.join()
    assert status == 0
