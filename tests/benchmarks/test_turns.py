"""Turns and ratios, with a deterministic clock and contenders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contenders.base import Contender
from contenders.turns import Ratio, epochs, measure


class Clock:
    """Advances only when a contender works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[tuple[str, int]] = []
        self.limits: list[str] = []


class Steady(Contender):
    """Takes the same time for each step."""

    def __init__(self, clock: Clock, name: str, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.name = name  # type: ignore[misc]

    def train(self, steps: int) -> None:
        assert self.clock.limits == [self.name]
        self.clock.log.append((self.name, steps))
        self.clock.now += steps * self.seconds

    def infer(self, steps: int) -> None:
        self.clock.now += steps

    @contextmanager
    def limited(self) -> Iterator[None]:
        self.clock.limits.append(self.name)
        yield
        self.clock.limits.pop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("contenders.turns.time.perf_counter", lambda: clock.now)
    return clock


def train(contender: Contender, steps: int) -> None:
    contender.train(steps)


def test_turns_rotate_and_have_about_the_requested_length(clock: Clock) -> None:
    names = {"a": 0.01, "b": 0.1, "c": 5.0}
    three = [Steady(clock, name, seconds) for name, seconds in names.items()]
    found = measure(three, train, rounds=4, seconds=1.0)
    for name, seconds in names.items():
        assert found[name] == pytest.approx([seconds] * 4)
    turns = clock.log[-2 * 3 * 4 :]  # each begins with steps that do not count
    counted, uncounted = turns[1::2], turns[::2]
    assert "".join(name for name, _ in counted) == "abcbcacababc"
    assert dict(counted) == {"a": 100, "b": 10, "c": 1}
    assert dict(uncounted) == {"a": 10, "b": 1, "c": 1}


def test_ratios_are_taken_per_round() -> None:
    ratio = Ratio.of([1.0, 20.0, 3.0], [2.0, 10.0, 3.0])
    assert ratio == Ratio(1.0, 0.5, 2.0)
    assert str(ratio) == "1.00 (0.50 – 2.00)"


def test_an_epoch_has_60_000_images_and_a_smaller_last_batch() -> None:
    assert epochs([1.0, 2.0], 64) == [938, 1876]
    assert epochs([1.0], 60_000) == [1]
