"""`lenetkit.diagnose`: arrays, regression, and what notebooks show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lenetkit
from tests.support.ill import SPEC, samples

REAL: dict[str, Any] = {
    "lenetkit": 1,
    "name": "real",
    "input": [8],
    "layers": {
        "fc1": {"type": "linear", "out_features": 16},
        "act": "tanh",
        "fc2": {"type": "linear", "out_features": 1},
    },
    "loss": "mean_squared_error",
    "train": {"epochs": 20, "batch_size": 32, "optimizer": {"type": "sgd", "lr": 0.05}},
}


def features() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 8))
    return rows, rows @ rng.normal(size=(8, 1))


def test_a_regression_on_arrays_is_diagnosed_and_cured() -> None:
    rows, targets = features()
    assert lenetkit.diagnose(REAL, rows, targets).healthy
    cold = {"train.optimizer.lr": 1e-7}
    found = lenetkit.diagnose(REAL, rows, targets, overrides=cold)
    first = found.findings[0]
    assert (found.healthy, first.cause) == (False, "rate_too_low")
    assert str(found) == f"rate_too_low; cure: {first.set[0]}"
    assert repr(found) == f"<Diagnosis of real on arrays: {found}>"
    assert lenetkit.diagnose(REAL, rows, targets, overrides=first.overrides).healthy


def test_a_network_is_trained_anew_and_stays_as_it_is() -> None:
    rows, targets = features()
    network = lenetkit.build(REAL)
    before = network.params.copy()
    found = lenetkit.diagnose(network, rows, targets, test=features(), steps=40)
    assert np.array_equal(network.params, before)
    assert len(found.series["loss"]) == 40


def test_a_notebook_shows_the_cause_its_cure_and_what_was_tried() -> None:
    some = samples(800, 0)
    tiny = {"init": "{type: normal, std: 1e-3}", "train.optimizer": "{type: sgd, lr: 0.1}"}
    found = lenetkit.diagnose(SPEC, some.images, some.labels, overrides=tiny)
    shown = found._repr_html_()
    assert "vanishing_gradient in fc1, fc2" in shown
    assert "<code>init=he_normal</code>" in shown
    assert "(as it is)" in shown
    assert found.figure().png()[:4] == b"\x89PNG"


def test_what_is_no_spec_or_no_data_is_refused() -> None:
    with pytest.raises(lenetkit.errors.LenetkitError, match="no such spec"):
        lenetkit.diagnose("nowhere.yaml")
    with pytest.raises(TypeError, match="expected labels with these images"):
        lenetkit.diagnose(REAL, features()[0])
    with pytest.raises(TypeError, match="expected images with these labels"):
        lenetkit.diagnose(SPEC, labels=[0, 1])
