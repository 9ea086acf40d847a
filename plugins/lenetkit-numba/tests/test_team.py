"""The team: every block once, by whoever is free; limits; several callers at once."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest
from lenetkit_numba import threads
from lenetkit_numba.claims import claim, finish
from lenetkit_numba.team import share

from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("blocks", [0, 1, 2, 40])
def test_every_block_is_done_once(count: int, blocks: int) -> None:
    done: list[int] = []

    def work(claims: Any, member: int) -> None:
        assert member < count
        while (block := claim(claims)) >= 0:
            done.append(block)
            finish(claims)

    with threads.limited(count):
        for _ in range(20):
            done.clear()
            share(work, blocks)
            assert sorted(done) == list(range(blocks))


def test_nobody_waits_for_a_helper_that_does_not_come() -> None:
    """A helper that is held up by something else leaves all blocks to the caller."""
    held, free = threading.Event(), threading.Event()
    done: list[int] = []

    def hold(claims: Any, member: int) -> None:
        while claim(claims) >= 0:
            finish(claims)
        if member:
            held.set()
            free.wait()

    def work(claims: Any, member: int) -> None:
        while claim(claims) >= 0:
            done.append(member)
            finish(claims)

    with threads.limited(2):
        share(hold, 2)
        held.wait()
        try:
            share(work, 9)
        finally:
            free.set()
    assert done == [0] * 9


@pytest.mark.parametrize(
    ("numba", "openmp", "allowed"),
    [("1", "", 1), ("", "1", 1), ("1", "2", 1), ("", "1,2", 1), ("999", "1", None),
     ("", "", None), ("", "0", None), ("", "all", None)],
)  # fmt: skip
def test_variables_of_the_environment_allow_fewer_threads(
    numba: str, openmp: str, allowed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", numba)
    monkeypatch.setenv("OMP_NUM_THREADS", openmp)
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads.processors.__wrapped__() == (allowed or there)


def test_limits_nest_and_end() -> None:
    outside = threads.threads()
    assert outside == threads.processors() >= 1
    with threads.limited(3):
        with threads.limited(2):
            assert threads.threads() == 2
        assert threads.threads() == 3
    assert threads.threads() == outside


def test_networks_of_several_callers_do_not_mix() -> None:
    plan = load_plan("lenet5", [Override.from_text("kernels=numba")])
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 70, 1, 28, 28)).astype(np.float32)
    network = Network(plan)

    def outputs(index: int) -> Any:
        workspace = network.workspace(training=True)
        return [network.forward(images[index], workspace).copy() for _ in range(10)]

    expected = [outputs(index)[0] for index in range(len(images))]
    found: dict[int, Any] = {}
    callers = [
        threading.Thread(target=lambda index=index: found.update({index: outputs(index)}))
        for index in range(len(images))
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for index, answers in found.items():
        for answer in answers:
            np.testing.assert_array_equal(answer, expected[index])
    assert len(found) == len(images)


def test_an_interrupt_waits_for_the_blocks_that_are_being_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Later passes reuse the memory, so no helper may still write to it."""
    begun, done = threading.Event(), threading.Event()
    counted: list[int] = []

    def work(claims: Any, member: int) -> None:
        while claim(claims) >= 0:
            if member:
                begun.set()
                done.wait(0.2)
                counted.append(member)
            else:
                begun.wait(10)
            finish(claims)

    presses = iter([KeyboardInterrupt, KeyboardInterrupt])

    def press(seconds: float) -> None:
        if error := next(presses, None):
            raise error

    monkeypatch.setattr("lenetkit_numba.team.time.sleep", press)
    with threads.limited(2), pytest.raises(KeyboardInterrupt):
        share(work, 2)
    assert counted == [1]
