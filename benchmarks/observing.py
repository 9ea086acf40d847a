"""What watching a training costs: the same steps with and without, by turns.

    python benchmarks/observing.py --specs lenet5,lenet5-sgd --rounds 9 --steps 300

Each round trains the same steps plain, with an observer that is told of every stage, and with the
microscope of `lenetkit diagnose`, which looks at every layer when the steps have grown fourfold.
Prints the median of the ratios within a round, of CPU time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from lenetkit.diagnosis.microscope import Microscope
from lenetkit.diagnosis.skill import Judge
from lenetkit.diagnosis.static import PlanLook
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.watch import Watch
from lenetkit.network.network import Network
from lenetkit.network.observer import Observer
from lenetkit.network.plan import load_plan
from lenetkit.training import loop
from lenetkit.training.data import load_training_data


def trained(subject: Subject, steps: int, observer: Observer | None) -> None:
    """Train some steps, plain or observed."""
    settings = subject.plan.spec.train
    network = Network(subject.plan, seed=settings.seed)
    start = loop.start(network, settings)
    trainer = loop.Trainer(network, subject.data, settings, start, observer)
    events = loop.computed(trainer.all_steps(), network)
    for _ in range(steps):
        next(events)


def measure(subject: Subject, steps: int, rounds: int) -> dict[str, list[float]]:
    """The CPU seconds of each way, round by round."""
    judge, functions = Judge(subject), PlanLook(subject.plan).functions
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: trained(subject, steps, None),
        "observer": lambda: trained(subject, steps, Observer()),
        "unwatched": lambda: Watch(subject, judge).run(steps),
        "microscope": lambda: Watch(subject, judge, Microscope(subject, functions.activations)).run(
            steps
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            seconds[name].append(time.process_time() - begin)
    return {name: each[1:] for name, each in seconds.items()}  # the first round warms up


def main() -> None:
    """Print a line a spec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", default="lenet5")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    for name in options.specs.split(","):
        plan = load_plan(name)
        subject = Subject(name, (), plan, load_training_data(plan, None, print))
        found = measure(subject, options.steps, options.rounds)

        def ratio(way: str, base: str, found: dict[str, list[float]] = found) -> float:
            pairs = zip(found[way], found[base], strict=True)
            return statistics.median(a / b for a, b in pairs)

        print(
            f"{name}: observer {100 * (ratio('observer', 'plain') - 1):+.1f} %, "
            f"microscope {100 * (ratio('microscope', 'unwatched') - 1):+.1f} %, "
            f"{1e3 * statistics.median(found['plain']) / options.steps:.2f} ms a plain step"
        )


if __name__ == "__main__":
    main()
