"""Networks as scikit-learn's estimators, for its pipelines, searches and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lenetkit.api import build
from lenetkit.arrays import shape_text
from lenetkit.errors import warn
from lenetkit.model.model import Model
from lenetkit.network.plan import load_plan
from lenetkit.registry.given import Plugins, use
from lenetkit.schedules import Constant
from lenetkit.spec.merge import Spec
from lenetkit.spec.merge import overrides as as_overrides
from lenetkit.training import loop
from lenetkit.training.calls import warn_of_unused_rate
from lenetkit.training.data import output_layer

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    message = 'lenetkit.sklearn needs scikit-learn 1.6 or later: pip install "lenetkit[sklearn]"'
    raise ImportError(message) from error


def mlp(features: int, outputs: int, hidden: Sequence[int] = (100,)) -> dict[str, Any]:
    """The spec of the default network: normalized features, then linear layers and ReLUs."""
    layers: dict[str, Any] = {}
    for number, size in enumerate(hidden, 1):
        layers[f"fc{number}"] = {"type": "linear", "out_features": size}
        layers[f"relu{number}"] = "relu"
    layers[f"fc{len(hidden) + 1}"] = {"type": "linear", "out_features": outputs}
    return {
        "lenetkit": 1,
        "name": "mlp",
        "input": [features],
        "layers": layers,
        "data": {"transforms": ["normalize"]},
        "train": {"epochs": 100, "batch_size": 32, "optimizer": {"type": "adam", "lr": 3e-3}},
    }


class _NetworkEstimator(BaseEstimator):
    """What classifier and regressor have in common; it is theirs to document."""

    _validation_figure: str
    """The column of `history` that `validation_scores_` are."""
    _columns_of_y: str
    """What the network's outputs stand for."""

    def __init__(
        self,
        spec: Spec | None = None,
        *,
        hidden_layer_sizes: int | Sequence[int] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: Any = None,
        lr: float | None = None,
        validation: float | None = None,
        patience: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        plugins: Plugins = (),
        random_state: Any = None,
    ) -> None:
        self.spec = spec
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.validation = validation
        self.patience = patience
        self.overrides = overrides
        self.plugins = plugins
        self.random_state = random_state

    def _begin(self, rows: NDArray[Any], outputs: int) -> Model:
        """A new network for such rows; what was learned before is forgotten."""
        network = self._built(rows, outputs)
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None
        self.n_iter_ = 0
        self._progress = loop.start(network, network.plan.spec.train)
        return network

    def _built(self, rows: NDArray[Any], outputs: int) -> Model:
        """The network of the spec, its last layer with so many outputs, unless overridden."""
        use(self.plugins)
        spec = self._spec(rows.shape[1], outputs)
        changed = self._changes()
        plan = load_plan(spec, as_overrides(changed))
        if plan.classes != outputs and (last := output_layer(plan)):
            changed = {f"layers.{last}.out_features": outputs} | changed
        changed = self._task(plan.spec.loss.takes_real_targets) | changed
        dtype = np.float64 if rows.dtype == np.float64 else np.float32
        network = build(spec, changed, dtype=dtype)
        warn_of_unused_rate(network.plan, as_overrides(changed), warn)
        self._expect_fit(network, rows.shape[1], outputs)
        return network

    def _spec(self, features: int, outputs: int) -> Spec:
        hidden = self.hidden_layer_sizes
        if self.spec is None:
            sizes = (100,) if hidden is None else (hidden,) if np.ndim(hidden) == 0 else hidden
            return mlp(features, outputs, sizes)  # type: ignore[arg-type]
        if hidden is not None:
            raise ValueError(
                "hidden_layer_sizes is for the default network, and the spec has layers of its "
                "own; expected one of the two"
            )
        return self.spec

    def _changes(self) -> dict[str, Any]:
        """The parameters as overrides of the spec; those with a name of their own decide."""
        if not isinstance(self.overrides, Mapping | None):
            found = type(self.overrides).__name__
            raise TypeError(
                f'overrides: expected a dict such as {{"train.schedule": "cosine"}}, found {found}'
            )
        seed = self.random_state
        is_seed = isinstance(seed, int | np.integer)
        drawn = {} if is_seed else {"train.seed": check_random_state(seed).randint(2**31 - 1)}
        named = {
            "train.epochs": self.epochs,
            "train.batch_size": self.batch_size,
            "train.optimizer": self.optimizer,
            "train.optimizer.lr": self.lr,
            "train.patience": self.patience,
            "train.seed": seed if is_seed else None,
            "data.validation": self.validation,
        }
        given = {key: value for key, value in named.items() if value is not None}
        return drawn | dict(self.overrides or {}) | given

    def _task(self, takes_real_targets: bool) -> dict[str, Any]:
        """What the spec must say for the estimator's task."""
        raise NotImplementedError

    def _expect_fit(self, network: Model, features: int, outputs: int) -> None:
        """Raise ValueError for a network of another task, input or number of outputs."""
        shape, count = network.image_shape, network.plan.classes
        if network.plan.spec.task != (task := self._task(True)["task"]):
            raise ValueError(
                f"overrides: {type(self).__name__} needs task: {task}, found "
                f"{network.plan.spec.task}"
            )
        if math.prod(shape) != features:
            as_rows = f", rows of {math.prod(shape):,}" if len(shape) > 1 else ""
            fix = f'; overrides={{"input": [{features}]}}' if len(shape) == 1 else ""
            raise ValueError(
                f"X has {features:,} features, but the network takes "
                f"{shape_text(shape)}{as_rows}{fix}"
            )
        if count != outputs:
            raise ValueError(
                f"y has {outputs:,} {self._columns_of_y}, but the network {count:,} outputs; leave "
                "the number of outputs to the estimator"
            )

    def _learn(self, network: Model, rows: NDArray[Any], y: NDArray[Any], partly: bool) -> Self:
        """Train on rows: to the end, or for one epoch more."""
        how = network.plan.spec.train
        images = rows.reshape(len(rows), *network.image_shape)
        classes = getattr(self, "classes_", None)
        data = network.training_data(images, y, classes=classes)
        progress = self._progress
        if partly:
            progress = progress.goes_on(len(data.train), how)
            how = replace(how, epochs=progress.epoch + 1, schedule=Constant())
        losses: list[tuple[float, int]] = []
        for event in network.learn(data, how, progress, sparing=True):
            if isinstance(event, loop.StepDone):
                losses.append((event.loss, event.samples))
            elif isinstance(event, loop.EpochDone):
                values, weights = zip(*losses, strict=True)
                self.loss_curve_.append(float(np.average(values, weights=weights)))
                losses.clear()
        self._progress = progress
        self.network_ = network
        self.n_iter_ = len(self.loss_curve_)
        scores = [row[key] for row in network.history if (key := self._validation_figure) in row]
        self.validation_scores_ = scores or None
        return self

    def _expect_all_used(self, network: Model) -> None:
        """Raise ValueError where `partial_fit` would hold samples out of each batch."""
        if network.plan.spec.data.options.validation or network.plan.spec.train.patience:
            raise ValueError(
                "partial_fit learns from every sample that it is given; expected no validation "
                "and no patience, which fit() takes"
            )

    def _images(self, X: Any) -> NDArray[Any]:
        """Rows to predict for, as the network takes them."""
        check_is_fitted(self, "network_")
        rows = validate_data(self, X, reset=False)
        return np.reshape(rows, (len(rows), *self.network_.image_shape))


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):
    """A network that tells classes apart, as scikit-learn's estimator.

    Parameters; those that are None leave the spec as it is:

    - `spec`: a shipped name, a file or a dict. Rows of X hold the values of its input in the order
      channels, height, width; its last layer gets as many outputs as there are classes. Without
      one, `mlp()`: linear layers and ReLUs, after `normalize`, so features may be on any scale.
    - `hidden_layer_sizes`: of that network; default: (100,).
    - `epochs` (without a spec 100), `batch_size` (32), `optimizer` ("adam"; a name, a dict with its
      `type`, or an object) and `lr` (3e-3), its rate.
    - `validation`: a number or a share of the samples to hold out; the network is then that of the
      epoch that was best on them. `patience`: stop after so many epochs without a better one.
    - `overrides`: any other keys, `{"layers.relu1": "tanh", "train.schedule": "cosine"}`; where
      both say something, the parameters above decide. `plugins`: as for `lenetkit.build`.
    - `random_state`: a seed, as `train.seed` is; it is drawn from a RandomState, or from NumPy's.

    After `fit`: `network_`, the trained Model; `classes_`, the labels in order; `loss_curve_`, the
    mean loss of each epoch's batches; `validation_scores_`, the accuracy on the held-out samples
    after each epoch, or None; `n_iter_`, the epochs done; `n_features_in_`, `feature_names_in_`.

    The network computes in float64 if X is float64, else in float32. Raises SpecError, a
    ValueError, with the path of every parameter and override that is wrong.
    """

    _validation_figure = "validation_accuracy"
    _columns_of_y = "classes"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network on rows X (N, F) with their labels y (N,); returns the estimator.

        Labels are whole numbers, strings or booleans, of two classes or more.
        """
        rows, labels = self._checked(X, y, reset=True)
        network = self._begin_with(rows, np.unique(labels))
        return self._learn(network, rows, labels, partly=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch more on these rows, with the optimizer as it is; all of them count.

        `classes` are all the labels there will be; the first call needs them. Features are
        normalized as in the first call. The rate is `lr`, whatever the schedule.
        """
        first = not hasattr(self, "network_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        given = None if classes is None else np.unique(classes)
        if not first and given is not None and not np.array_equal(given, self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        rows, labels = self._checked(X, y, reset=first)
        network = self._begin_with(rows, np.unique(classes)) if first else self.network_
        self._expect_all_used(network)
        return self._learn(network, rows, labels, partly=True)

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """The probabilities (N, K) of the classes, in the order of `classes_`."""
        images = self._images(X)
        return self.network_.probabilities(images)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label (N,) of each row."""
        places = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_)[places]

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        rows, labels = validate_data(self, X, y, reset=reset)
        check_classification_targets(labels)
        return rows, labels

    def _begin_with(self, rows: NDArray[Any], classes: NDArray[Any]) -> Model:
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the data contains "
                f"only one class: {classes.tolist()[0]!r}"
            )
        network = self._begin(rows, len(classes))
        self.classes_ = classes
        return network

    def _task(self, takes_real_targets: bool) -> dict[str, Any]:
        return {"task": "classification"}


class NetworkRegressor(RegressorMixin, _NetworkEstimator):
    """A network that learns real numbers, one or several for each row.

    Parameters and attributes are those of `NetworkClassifier`, without `classes_`;
    `validation_scores_` are R². The loss is `mean_squared_error`, unless the spec's takes real
    targets. They are learned as they are: TransformedTargetRegressor scales those far from 1.
    """

    _validation_figure = "validation_r2"
    _columns_of_y = "columns"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network on rows X (N, F) with targets y (N,) or (N, K); returns it."""
        rows, targets = self._checked(X, y, reset=True)
        network = self._begin(rows, _columns(targets))
        return self._learn(network, rows, targets, partly=False)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch more on these rows, with the optimizer as it is; all of them count.

        Features are normalized as in the first call. The rate is `lr`, whatever the schedule.
        """
        first = not hasattr(self, "network_")
        rows, targets = self._checked(X, y, reset=first)
        network = self._begin(rows, _columns(targets)) if first else self.network_
        self._expect_all_used(network)
        return self._learn(network, rows, targets, partly=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """The network's outputs, (N,) or (N, K) as the targets were."""
        images = self._images(X)
        return self.network_.predict(images)

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        found: tuple[NDArray[Any], NDArray[Any]] = validate_data(
            self, X, y, reset=reset, multi_output=True, y_numeric=True
        )
        return found

    def _task(self, takes_real_targets: bool) -> dict[str, Any]:
        loss = {} if takes_real_targets else {"loss": "mean_squared_error"}
        return {"task": "regression", **loss}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _columns(targets: NDArray[Any]) -> int:
    return 1 if targets.ndim == 1 else targets.shape[1]
