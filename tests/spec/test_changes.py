"""What a spec changes in the one that it extends."""

from __future__ import annotations

from pathlib import Path

import pytest

from lenetkit.layers.activations import Tanh
from lenetkit.spec.changes import changes, title
from lenetkit.spec.merge import Override, overrides


def titled(source: str | Path, *sets: str) -> str:
    name = Path(source).stem
    return title(name, changes(source, [Override.from_text(text) for text in sets]))


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((), "lenet5"),
        (("train.optimizer.lr=0.01",), "lenet5: lr 0.01"),
        (("train.optimizer.lr=3e-3",), "lenet5"),
        (("train.epochs=3", "train.seed=1"), "lenet5: epochs 3, seed 1"),
        (("train.batch_size=32",), "lenet5: batch size 32"),
        (("train.optimizer={type: sgd, lr: 0.1}",), "lenet5: optimizer sgd, lr 0.1"),
        (("train.schedule=constant",), "lenet5: schedule constant"),
        (("layers.relu1=tanh", "layers.relu2=tanh"), "lenet5: relu1, relu2 tanh"),
        (("layers.conv1.out_channels=8",), "lenet5: conv1 out channels 8"),
        (("layers.relu1=null",), "lenet5: without relu1"),
        (("data.dir=/somewhere/else", "name=other"), "lenet5"),
        (("data.transforms=[{type: pad, padding: 2}, scale]",), "lenet5: transforms pad + scale"),
        (("init={type: normal, std: 0.1}",), "lenet5: init normal, init std 0.1"),
    ],
)
def test_a_shipped_spec_is_compared_with_itself(sets: tuple[str, ...], expected: str) -> None:
    assert titled("lenet5", *sets) == expected


def test_a_spec_is_compared_with_the_one_that_it_extends(tmp_path: Path) -> None:
    assert titled("lenet5-avgpool") == "lenet5-avgpool: pool1, pool2 avg_pool2d"
    own = tmp_path / "own.yaml"
    own.write_text(
        "lenetkit: 1\nname: own\nextends: lenet5\ntrain: {epochs: 2}\n"
        "layers: {drop: {type: dropout, after: fc1}}\n",
        "utf-8",
    )
    assert titled(own) == "own: drop dropout, epochs 2"
    assert titled(own, "train.seed=4") == "own: drop dropout, epochs 2, seed 4"


def test_a_title_names_a_few_changes_and_counts_the_others() -> None:
    changed: dict[str, str | None] = {f"layers.conv{i}.out_channels": f"{i}" for i in range(12)}
    assert title("a", changed).endswith("conv4 out channels 4, and 7 more")


def test_an_object_that_a_program_lays_over_a_spec_is_named_by_its_class() -> None:
    changed = overrides({"layers.relu1": Tanh()})
    assert title("lenet5", changes("lenet5", changed)) == "lenet5: relu1 Tanh"
