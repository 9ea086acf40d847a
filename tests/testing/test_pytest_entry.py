"""`parametrize`: one test id for every check and object, skips shown as skips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lenetkit.layers.activations import ReLU
from lenetkit.testing import layer_checks, parametrize

SOURCE = """
from lenetkit.layers.activations import ReLU, Tanh
from lenetkit.testing import layer_checks, parametrize


@parametrize(layer_checks(ReLU(), (2, 3)) + layer_checks(Tanh(), (4,), name="tanh"))
def test_contract(check):
    check()


@parametrize(layer_checks(ReLU(), (2, 3))[:2], expected_failures={
    "declared_shape_is_a_tuple_of_sizes": "to see that it shows",
})
def test_unexpected(check):
    check()


@parametrize(layer_checks(ReLU(), (2, 3))[:1], expected_failures={
    "declared_shape_is_a_tuple_of_sizes": "to see that it shows",
})
def test_expected(check):
    assert check.subject == "Tanh"
"""


def test_ids_and_outcomes(tmp_path: Path) -> None:
    (tmp_path / "test_plugin.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    lines = [line for line in ran.stdout.splitlines() if line.startswith("test_plugin.py::")]
    outcomes = {line.split()[0].partition("::")[2]: line.split()[1] for line in lines}
    names = [check.name for check in layer_checks(ReLU(), (2, 3))]
    expected = {f"test_contract[{s}-{name}]" for s in ("ReLU", "tanh") for name in names}
    assert {test for test in outcomes if test.startswith("test_contract")} == expected, ran.stdout
    assert outcomes["test_contract[tanh-input_gradient_is_right]"] == "PASSED"
    assert outcomes["test_contract[ReLU-weights_round_trip]"] == "SKIPPED"
    assert "the layer has neither parameters nor state" in ran.stdout
    assert outcomes["test_unexpected[ReLU-passes_return_what_the_contract_says]"] == "PASSED"
    assert outcomes["test_unexpected[ReLU-declared_shape_is_a_tuple_of_sizes]"] == "FAILED"
    assert outcomes["test_expected[ReLU-declared_shape_is_a_tuple_of_sizes]"] == "XFAIL"


def test_unknown_expected_failures_are_refused() -> None:
    with pytest.raises(ValueError, match="no check 'spam'"):
        parametrize(layer_checks(ReLU(), (2,)), expected_failures={"spam": "?"})


def test_the_suite_needs_no_pytest_to_be_imported() -> None:
    code = "import lenetkit.testing, sys; print('pytest' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
