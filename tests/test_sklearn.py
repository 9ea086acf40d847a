"""The estimators: scikit-learn's own checks, its tools around them, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import pandas as pd
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine, make_friedman1
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lenetkit
from lenetkit.errors import ArrayError, SpecError
from lenetkit.layers.activations import Tanh
from lenetkit.optimizers import SGD, Adam
from lenetkit.sklearn import NetworkClassifier, NetworkRegressor, mlp

ROOT = Path(lenetkit.__file__).resolve().parents[1]
X, y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]
TARGETS = X[:, 3]

CHECK = """
import json, sys
from sklearn.utils.estimator_checks import check_estimator
from lenetkit.sklearn import NetworkClassifier, NetworkRegressor
found = check_estimator(eval(sys.argv[1]), on_fail=None, on_skip=None)
print(json.dumps([[c["check_name"], c["status"], str(c["exception"] or "")] for c in found]))
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    """What a fresh Python prints."""
    known = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | environment
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=known, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("estimator", "checks"),
    [
        ("NetworkClassifier()", 55),
        ("NetworkRegressor()", 53),
        (
            "NetworkClassifier(hidden_layer_sizes=(40, 20), epochs=30, batch_size=16, lr=0.01, "
            "optimizer={'type': 'rmsprop'}, overrides={'data.transforms': []})",
            55,
        ),
        ("NetworkRegressor(epochs=30, overrides={'train.schedule': 'one_cycle'}, lr=0.02)", 53),
    ],
)
def test_check_estimator_passes_whole(estimator: str, checks: int) -> None:
    """In a process of its own: one check is skipped unless SCIPY_ARRAY_API is set before SciPy."""
    found = json.loads(run(CHECK, estimator, SCIPY_ARRAY_API="1"))
    assert [check for check in found if check[1] != "passed"] == []
    assert len(found) >= checks


def classifier(**parameters: Any) -> NetworkClassifier:
    return NetworkClassifier(**{"epochs": 30, "random_state": 0, **parameters})


def regressor(**parameters: Any) -> NetworkRegressor:
    return NetworkRegressor(**{"epochs": 30, "random_state": 0, **parameters})


def test_features_may_be_on_any_scale() -> None:
    wine, kinds = load_wine(return_X_y=True)  # from 0.1 to 1,680
    assert cross_val_score(classifier(), wine, kinds, cv=3).mean() > 0.95


def scaled_iris(factor: float, shift: float) -> NDArray[Any]:
    return X * factor + shift


@pytest.mark.parametrize(
    ("factor", "shift"), [(1e300, 0), (1e-300, 0), (1, 1.7e9), (255, 0), (1 / 8, -0.5)]
)
def test_scale_and_shift_of_features_do_not_matter(factor: float, shift: float) -> None:
    rows = scaled_iris(factor, shift)
    found = classifier().fit(rows, y)
    plain = classifier().fit(X, y)
    np.testing.assert_allclose(found.predict_proba(rows), plain.predict_proba(X), atol=1e-3)
    assert found.predict(rows * 2).shape == y.shape  # other values than in fit are no error


def test_constant_columns_say_nothing() -> None:
    for value in (0.0, 7.3, -1e12):
        rows = np.column_stack([X, np.full(len(X), value)])
        assert classifier().fit(rows, y).score(rows, y) > 0.9


def test_precision_is_that_of_the_rows() -> None:
    for dtype, made in (("float64", "float64"), ("float32", "float32"), ("uint8", "float32")):
        network = regressor(epochs=1).fit(X.astype(dtype), TARGETS).network_
        assert network.dtype == made
        assert network.predict(X.astype(dtype)).dtype == made


@pytest.mark.parametrize(
    "labels",
    [
        NAMES,
        NAMES.astype(object),
        y + 1.0,
        y - 7,
        y == 1,
        pd.Series(NAMES).astype("category"),
        pd.Series(NAMES),
    ],
    ids=str,
)
def test_labels_come_back_as_they_were(labels: Any) -> None:
    found = classifier().fit(X, labels)
    given = np.asarray(labels)
    np.testing.assert_array_equal(found.classes_, np.unique(given))
    assert found.classes_.dtype == found.predict(X).dtype == np.unique(given).dtype
    assert found.score(X, given) > 0.9
    np.testing.assert_array_equal(found.network_.predict(X), found.predict(X))


def test_the_network_is_a_model_that_can_be_saved(tmp_path: Path) -> None:
    found = classifier(epochs=3).fit(X, NAMES)
    found.network_.save(tmp_path / "iris.safetensors")
    loaded = lenetkit.load(tmp_path / "iris.safetensors")
    np.testing.assert_array_equal(loaded.probabilities(X), found.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), found.predict(X))


def test_columns_of_a_table_have_names() -> None:
    table = pd.DataFrame(X, columns=list("abcd"))
    found = classifier(epochs=2).fit(table, y)
    assert (list(found.feature_names_in_), found.n_features_in_) == (list("abcd"), 4)
    with pytest.raises(ValueError, match="feature names should match"):
        found.predict(table[list("abdc")])


def test_figures_of_the_training() -> None:
    found = classifier(epochs=4).fit(X, y)
    assert (len(found.loss_curve_), found.n_iter_, found.validation_scores_) == (4, 4, None)
    assert found.loss_curve_[3] < found.loss_curve_[0]
    again = classifier(epochs=2).fit(X, y)
    assert again.loss_curve_ == pytest.approx(found.loss_curve_[:2])


@pytest.mark.parametrize("make", [classifier, regressor])
def test_early_stopping_keeps_the_best_epoch(make: Callable[..., Any]) -> None:
    found = make(epochs=300, validation=0.2, patience=3).fit(X, y)
    scores = found.validation_scores_
    assert len(scores) == found.n_iter_ < 300
    assert scores.index(max(scores)) == found.n_iter_ - 4
    network = found.network_
    data = network.training_data(X, y)
    assert data.validation is not None
    held_out = network.evaluate(data.validation.images, data.validation.labels)
    figure = held_out.r2 if make is regressor else held_out.accuracy
    assert figure == pytest.approx(max(scores))


@pytest.mark.parametrize("make", [classifier, regressor])
def test_random_state_decides(make: Callable[..., Any]) -> None:
    def weights(state: Any) -> bytes:
        found: bytes = make(epochs=1, random_state=state).fit(X, y).network_.params.tobytes()
        return found

    assert weights(3) == weights(3) == weights(np.int64(3)) != weights(4)
    assert weights(np.random.RandomState(3)) == weights(np.random.RandomState(3))
    one = np.random.RandomState(3)
    assert weights(one) != weights(one)
    np.random.seed(5)  # noqa: NPY002
    first, second = weights(None), weights(None)
    np.random.seed(5)  # noqa: NPY002
    assert first == weights(None) != second


def test_random_state_is_the_specs_seed() -> None:
    twin = lenetkit.build(mlp(4, 3), {"train.seed": 7, "train.epochs": 2}, dtype=np.float64)
    twin.fit(X, y)
    found = classifier(epochs=2, random_state=7).fit(X, y).network_
    np.testing.assert_array_equal(found.params, twin.params)


def test_parameters_outrank_overrides_which_outrank_the_spec() -> None:
    found = classifier(
        spec=mlp(4, 3, (8,)),
        epochs=2,
        optimizer="sgd",
        lr=0.05,
        overrides={"train.epochs": 9, "train.batch_size": 7, "layers.relu1": "tanh"},
    ).fit(X, NAMES)
    spec = found.network_.spec
    assert (spec["train"]["epochs"], spec["train"]["batch_size"]) == (2, 7)
    assert (spec["train"]["optimizer"]["type"], spec["train"]["optimizer"]["lr"]) == ("sgd", 0.05)
    assert spec["layers"]["relu1"] == "tanh"
    assert found.get_params()["overrides"]["train.epochs"] == 9


def test_any_spec_takes_flat_rows() -> None:
    digits, numbers = load_digits(return_X_y=True)
    digits = digits * (255 / 16)
    changes = {
        "input": [1, 8, 8],
        "layers.conv1.padding": 2,
        "layers.conv2.padding": 2,
        "layers.pool2": None,
    }
    found = NetworkClassifier("lenet5", epochs=2, overrides=changes, random_state=0)
    found.fit(digits, numbers)
    assert found.score(digits, numbers) > 0.85
    images = digits.reshape(-1, 8, 8)
    np.testing.assert_array_equal(found.network_.predict(images), found.predict(digits))
    few = found.fit(digits[numbers < 3], numbers[numbers < 3])  # fewer classes than outputs
    assert few.predict_proba(digits).shape == (len(digits), 3)


def test_rows_of_colour_images_are_channels_first() -> None:
    spec = {
        "lenetkit": 1,
        "name": "colours",
        "input": [3, 2, 2],
        "layers": {
            "conv1": {"type": "conv2d", "out_channels": 2, "kernel_size": 2},
            "fc1": {"type": "linear", "out_features": 2},
        },
    }
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 2, 2), np.uint8)
    rows = images.reshape(40, -1)
    found = classifier(spec=spec, epochs=2).fit(rows, [0, 1] * 20)
    np.testing.assert_array_equal(found.network_.predict(images), found.predict(rows))


def test_regression_takes_columns_of_targets() -> None:
    rows, target = make_friedman1(300, random_state=0)
    found = regressor(epochs=100).fit(rows, target)
    assert found.score(rows, target) > 0.8
    both = regressor(epochs=100).fit(rows, np.column_stack([target, -target]))
    assert both.predict(rows).shape == (300, 2)
    assert both.score(rows, np.column_stack([target, -target])) > 0.8
    assert found.network_.spec["task"] == "regression"
    huber = regressor(epochs=1, overrides={"loss": "huber"}).fit(rows, target)
    assert huber.network_.spec["loss"]["type"] == "huber"


def test_pipelines_searches_and_scores() -> None:
    grid = {
        "networkclassifier__lr": [0.001, 0.01],
        "networkclassifier__epochs": [np.int64(2), 5],
        "networkclassifier__batch_size": [16],
        "networkclassifier__optimizer": ["adam", {"type": "sgd", "momentum": 0.9}],
        "networkclassifier__overrides": [None, {"layers.relu1": "tanh"}],
    }
    pipeline = make_pipeline(StandardScaler(), classifier())
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, NAMES)
    assert search.best_score_ > 0.8
    assert search.best_params_["networkclassifier__lr"] == 0.01
    inside = cross_val_score(search.best_estimator_, X, NAMES, cv=3)
    assert inside.shape == (3,)


def test_a_search_over_specs_takes_dicts_and_objects() -> None:
    layers = mlp(4, 3, (8,))["layers"]
    plain = {"lenetkit": 1, "name": "plain", "input": [4], "layers": layers}
    live = {**plain, "layers": {**layers, "relu1": Tanh()}}
    network = NetworkClassifier(epochs=1, lr=0.01, random_state=0)
    grid = {"spec": [None, plain, live]}
    search = GridSearchCV(network, grid, cv=2, n_jobs=2, error_score="raise").fit(X, NAMES)
    assert search.best_score_ > 0.3


def test_halving_searches_spend_epochs() -> None:
    search = HalvingGridSearchCV(
        classifier(),
        {"lr": [0.0001, 0.001, 0.01]},
        resource="epochs",
        min_resources=2,
        max_resources=6,
        cv=2,
        random_state=0,
    ).fit(X, y)
    assert search.best_params_ == {"lr": 0.01, "epochs": 6}


def test_predictions_across_folds() -> None:
    found = cross_val_predict(classifier(), X, NAMES, cv=3, method="predict_proba")
    assert (np.unique(NAMES)[found.argmax(axis=1)] == NAMES).mean() > 0.85


@pytest.mark.parametrize("make", [classifier, regressor])
def test_copies_predict_the_same(make: Callable[..., Any], tmp_path: Path) -> None:
    found = make(epochs=2, overrides={"layers.relu1": "tanh"}).fit(X, y)
    joblib.dump(found, tmp_path / "found.joblib")
    for copy in (pickle.loads(pickle.dumps(found)), joblib.load(tmp_path / "found.joblib")):
        np.testing.assert_array_equal(copy.predict(X), found.predict(X))
        on = [
            each.partial_fit(X, y).network_.params
            for each in (copy, pickle.loads(pickle.dumps(found)))
        ]
        np.testing.assert_array_equal(*on)
    fresh = clone(found)
    assert fresh.get_params() == found.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert fresh.set_params(lr=0.5).lr == 0.5


def test_workers_use_no_more_threads_than_joblib_allows() -> None:
    code = (
        "import joblib\n"
        "from lenetkit.operations.blas import best_threads\n"
        "with joblib.parallel_config('loky', inner_max_num_threads=1):\n"
        "    print(joblib.Parallel(n_jobs=2)(joblib.delayed(best_threads)(10**9) for _ in 'ab'))\n"
    )
    assert run(code).split() == ["[1,", "1]"]


def test_partial_fit_goes_on_where_it_was() -> None:
    """As one training on the same rows, in the same batches, with Adam's moments kept."""
    rows = np.arange(150).reshape(3, 50)
    parts = classifier(batch_size=50, overrides={"train.shuffle": False})
    for part in rows:
        parts.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert (parts.n_iter_, len(parts.loss_curve_)) == (3, 3)
    means = {"mean": parts.network_.spec["data"]["transforms"][0]["mean"]}
    means["std"] = parts.network_.spec["data"]["transforms"][0]["std"]
    whole = classifier(
        batch_size=50,
        epochs=1,
        overrides={"train.shuffle": False, "data.transforms": [{"type": "normalize", **means}]},
    ).fit(X, y)
    np.testing.assert_allclose(parts.network_.params, whole.network_.params, rtol=1e-9)


def test_partial_fit_takes_parts_of_any_size_and_reaches_what_fit_does() -> None:
    rng = np.random.default_rng(0)
    found = classifier(batch_size=8).partial_fit(X, NAMES, np.unique(NAMES))
    for _ in range(60):
        part = rng.choice(150, rng.integers(1, 60))
        found.partial_fit(X[part], NAMES[part])
    assert found.score(X, NAMES) > 0.95


def test_partial_fit_draws_another_order_each_time() -> None:
    one = regressor(batch_size=8).partial_fit(X, TARGETS)
    same = regressor(batch_size=8, overrides={"train.shuffle": False}).partial_fit(X, TARGETS)
    for each in (one, same):
        each.partial_fit(X, TARGETS)
    assert not np.array_equal(one.network_.params, same.network_.params)


BOTH = pytest.mark.parametrize("make", [classifier, regressor])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, r"train\.epochs: expected an integer ≥ 1, found 0"),
        ({"lr": -1}, r"train\.optimizer\.lr: expected a number ≥ 0, found -1"),
        ({"optimizer": "adm"}, r"train\.optimizer: no optimizer .* did you mean 'adam'"),
        ({"optimizer": SGD(lr=0.1), "lr": 0.5}, "the optimizer is an object, so it takes no 'lr'"),
        ({"overrides": {"train.epoks": 3}}, r"train: train has no option 'epoks'"),
        ({"spec": "lenet6"}, "no such spec file; did you mean 'lenet5'"),
        ({"patience": 2}, r"train\.patience: it judges held-out samples, and there are none"),
        ({"random_state": -1}, r"train\.seed: expected an integer ≥ 0, found -1"),
        ({"hidden_layer_sizes": (0,)}, r"layers\.fc1\.out_features: expected an integer ≥ 1"),
    ],
)
@BOTH
def test_wrong_parameters_have_a_path(
    make: Callable[..., Any], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        make(**parameters).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"spec": mlp(7, 3)},
            'X has 4 features, but the network takes 7; overrides={"input": [4]}',
        ),
        ({"spec": "lenet5"}, "X has 4 features, but the network takes 1×28×28, rows of 784"),
        ({"spec": mlp(4, 3), "hidden_layer_sizes": 9}, "the spec has layers of its own"),
        ({"overrides": {"layers.fc2.out_features": 7}}, "but the network 7 outputs"),
        ({"validation": 149}, "so that each class keeps one"),
    ],
)
@BOTH
def test_what_does_not_fit_is_refused(
    make: Callable[..., Any], parameters: dict[str, Any], message: str
) -> None:
    if make is regressor and "validation" in parameters:
        parameters = {"validation": 150}
    with pytest.raises(Exception, match=re.escape(message)) as found:
        make(**parameters).fit(X, y)
    assert isinstance(found.value, ValueError | lenetkit.errors.InputError)


def test_what_sklearn_refuses_is_refused_in_its_words() -> None:
    for make in (classifier, regressor):
        with pytest.raises(TypeError, match="Sparse data was passed"):
            make().fit(scipy.sparse.csr_matrix(X), y)
        with pytest.raises(ValueError, match="Input X contains NaN"):
            make().fit(np.where(X > 7, np.nan, X), y)
        with pytest.raises(ValueError, match="Found array with dim 3"):
            make().fit(X[:, :, None], y)
    with pytest.raises(ValueError, match=r"at least 2 classes.*only one class: 'a'"):
        classifier().fit(X, ["a"] * 150)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier().fit(X, y + 0.5)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(X, y)
    found = classifier(epochs=1).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="not the same as on last call to partial_fit"):
        found.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ArrayError, match="6 is no class of the network"):
        found.partial_fit(X, y + 6)
    with pytest.raises(ValueError, match="expected no validation and no patience"):
        classifier(validation=0.1).partial_fit(X, y, classes=[0, 1, 2])
    changes = {"task": "regression", "loss": "mean_squared_error"}
    with pytest.raises(ValueError, match="NetworkClassifier needs task: classification"):
        classifier(overrides=changes).fit(X, y)
    with pytest.raises(SpecError, match="softmax_cross_entropy takes classes only"):
        regressor(overrides={"loss": "softmax_cross_entropy"}).fit(X, y)
    with pytest.raises(TypeError, match=r"overrides: expected a dict such as .* found str"):
        classifier(overrides="train.epochs=3").fit(X, y)


def test_without_scikit_learn_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try:\n    import lenetkit.sklearn\nexcept ImportError as error:\n    print(error)"
    )
    assert 'scikit-learn 1.6 or later: pip install "lenetkit[sklearn]"' in run(code)


def test_partial_fit_goes_on_counting_the_optimizers_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    original = Adam.step

    def step(self: Adam, params: Any, grads: Any, slots: Any, lr: float, t: int) -> None:
        taken.append(t)
        original(self, params, grads, slots, lr, t)

    monkeypatch.setattr(Adam, "step", step)
    rows, labels = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    made = NetworkClassifier(batch_size=8, random_state=0)
    for count in (20, 4, 12, 4):
        made.partial_fit(rows[:count], labels[:count], classes=[0, 1])
    assert taken == [1, 2, 3, 4, 5, 6, 7]
