"""`lenetkit.diagnose`: what `lenetkit diagnose` says, of specs, networks and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lenetkit.diagnosis import verdict
from lenetkit.diagnosis.subject import Subject
from lenetkit.diagnosis.telling import Diagnosis
from lenetkit.model.model import Model
from lenetkit.network.network import Network
from lenetkit.network.plan import load_plan
from lenetkit.registry.given import Plugins, use
from lenetkit.spec.merge import Spec
from lenetkit.spec.merge import overrides as as_overrides
from lenetkit.training.data import load_training_data


def diagnose(
    spec: Spec | Network,
    images: Any = None,
    labels: Any = None,
    *,
    test: tuple[Any, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    plugins: Plugins = (),
    data_dir: str | Path | None = None,
    steps: int = verdict.STEPS,
    time_limit: float | None = None,
) -> Diagnosis:
    """What keeps a network from learning, and the cure, as `lenetkit diagnose` says it.

    Of arrays as `fit` takes them, a fifth is kept from training if there is no `test`; without any,
    the spec's own data set is loaded. A network is trained anew, from the weights that its spec
    starts with; it stays as it is. `time_limit` is in seconds: no experiment begins after. The
    first of `findings` has the `cause`, its `layers`, the `evidence` and the `overrides` that cure
    it.
    """
    use(plugins)
    source = spec.spec if isinstance(spec, Network) else spec
    changed = as_overrides(overrides or {})
    plan = load_plan(source, changed)
    if images is None:
        if labels is not None or test is not None:
            raise TypeError("diagnose() expected images with these labels, found none")
        data = load_training_data(plan, data_dir)
    else:
        if test is None and not plan.spec.data.options.test_share:
            changed = [*changed, *as_overrides({"data.test_share": 0.2})]
            plan = load_plan(source, changed)
        data = Model(plan, seed=plan.spec.train.seed).training_data(images, labels, test=test)
    subject = Subject(source, tuple(changed), plan, data)
    return verdict.diagnose(subject, steps=steps, time_limit=time_limit)
