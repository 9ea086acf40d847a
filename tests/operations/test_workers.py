"""Threads that share a pass: each part is done once, their number changes no bit."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from lenetkit.kernels.fused import ConvMaxPool2d
from lenetkit.kernels.numpy_kernels import NumpyKernels
from lenetkit.layers.call import Call
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.pooling import MaxPool2d
from lenetkit.operations import blocks, settings, workers


@pytest.fixture
def eager() -> Iterator[None]:
    """Everything that can be split is split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "SHARED_FROM", 1)
        blocks.plan_blocks.cache_clear()
        yield
        blocks.plan_blocks.cache_clear()


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("parts", [0, 1, 2, 5])
def test_every_part_is_done_once_by_its_own_worker(threads: int, parts: int) -> None:
    done: list[tuple[int, int, int]] = []
    with workers.limited(threads):
        workers.run(lambda part, worker: done.append((part, worker, threading.get_ident())), parts)
    assert sorted(part for part, _, _ in done) == list(range(parts))
    assert {worker for _, worker, _ in done} == set(range(min(threads, parts)))
    assert len({(worker, thread) for _, worker, thread in done}) == min(threads, parts)


def test_helpers_work_in_parallel() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(part: int, worker: int) -> None:
        both.wait()  # breaks if one waits alone

    with workers.limited(2):
        workers.run(work, 2)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_errors_in_a_part_are_raised_and_the_helpers_survive(failing: int) -> None:
    def work(part: int, worker: int) -> None:
        if part == failing:
            raise ZeroDivisionError(f"part {part}")

    with workers.limited(3):
        with pytest.raises(ZeroDivisionError, match=f"part {failing}"):
            workers.run(work, 3)
        test_every_part_is_done_once_by_its_own_worker(3, 5)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no such signal")
@pytest.mark.parametrize("working", [0, 1, 2])
def test_an_interrupt_waits_for_the_helpers_and_leaves_none_behind(working: int) -> None:
    """Ctrl-C in a notebook, or a program's own time limit, while this part is at work."""

    def time_is_up(number: int, frame: object) -> None:
        raise TimeoutError

    def work(done: list[int], part: int) -> None:
        if part == working:
            signal.pthread_kill(main, signal.SIGALRM)
            time.sleep(0.1)
        done.append(part)

    main, before = threading.get_ident(), signal.signal(signal.SIGALRM, time_is_up)
    try:
        with workers.limited(3):
            interrupted: list[int] = []
            with pytest.raises(TimeoutError):
                workers.run(lambda part, worker: work(interrupted, part), 3)
            left = sorted(interrupted)
            working = -1
            for _ in range(3):
                done: list[int] = []
                workers.run(lambda part, worker, done=done: work(done, part), 3)  # type: ignore[misc]
                assert sorted(done) == [0, 1, 2]
            assert sorted(interrupted) == left
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_nested_pass_does_its_parts_itself() -> None:
    done: list[int] = []

    def inner(part: int, worker: int) -> None:
        assert worker == 0
        done.append(part)

    with workers.limited(2):
        workers.run(lambda part, worker: workers.run(inner, 3), 2)
    assert sorted(done) == [0, 0, 1, 1, 2, 2]


def test_the_limit_ends_with_its_block() -> None:
    before = workers.threads()
    with workers.limited(5):
        assert workers.threads() == 5
    assert workers.threads() == before


def _run_in_child() -> None:
    test_every_part_is_done_once_by_its_own_worker(2, 2)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_a_forked_process_starts_its_own_helpers() -> None:
    _run_in_child()  # now this process has one, which the child does not inherit
    child = multiprocessing.get_context("fork").Process(target=_run_in_child)
    child.start()
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("channels", [2, 32])
def test_the_number_of_threads_changes_no_bit(pool: bool, channels: int) -> None:
    """For few and for many channels, which are multiplied differently."""
    conv = Conv2d(out_channels=6, kernel_size=3, padding=1, in_channels=channels)
    layer = ConvMaxPool2d(conv=conv, pool=MaxPool2d(kernel_size=2)) if pool else conv
    rng = np.random.default_rng(0)
    in_shape = (channels, 20, 20)
    shapes = layer.param_specs(in_shape)
    params = {name: rng.normal(size=s.shape).astype(np.float32) for name, s in shapes.items()}
    x = rng.normal(size=(5, *in_shape)).astype(np.float32)
    dy = rng.normal(size=(5, *layer.output_shape(in_shape))).astype(np.float32)
    found = []
    for threads in (1, 2, 3):
        kernels = NumpyKernels()
        grads = {name: np.empty_like(value) for name, value in params.items()}
        with workers.limited(threads):
            call = Call(operations=kernels)
            y, saved = layer.forward(params, x, call)
            dx = layer.backward(params, saved, dy.copy(), grads, call)
        assert dx is not None
        found.append([y.tobytes(), dx.tobytes(), *(g.tobytes() for g in grads.values())])
    assert found[0] == found[1] == found[2]
