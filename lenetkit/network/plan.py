"""The plan: every layer's shapes, parameters and cost, computed without arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from lenetkit.arrays import Shape, shape_text
from lenetkit.data.transforms import Normalize, Scale, Standardize
from lenetkit.errors import OptionError, PluginError, Problem, ShapeError, SpecError, shortened
from lenetkit.layers.activations import Sigmoid
from lenetkit.layers.base import Cost, SecondOrderLayer, with_inferred
from lenetkit.layers.softmax import Softmax
from lenetkit.losses import Loss, SecondOrderLoss
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.receptive import reaches
from lenetkit.optimizers import SecondOrderOptimizer
from lenetkit.options import Configurable
from lenetkit.registry.blame import blaming
from lenetkit.registry.catalog import Catalog, installed
from lenetkit.registry.synonyms import MAP_SIZE
from lenetkit.spec.bind import Binder
from lenetkit.spec.dump import as_yaml, to_plain
from lenetkit.spec.merge import Override, Spec, Tree, parse_text, read_tree
from lenetkit.spec.nodes import MapNode, Mark, Node
from lenetkit.spec.sections import ModelSpec, NamedLayer, TrainSpec, bind_model


@dataclass(frozen=True)
class Plan:
    """A checked spec with its layers' shapes and costs."""

    spec: ModelSpec
    layers: tuple[LayerPlan, ...]

    @property
    def is_local(self) -> bool:
        """Whether it is of a spec of this computer, not of a model file."""
        return all(named.mark.is_local for named in self.spec.layers)

    @property
    def out_shape(self) -> Shape:
        """The output shape of the last layer."""
        return self.layers[-1].out_shape

    @property
    def classes(self) -> int:
        """The number of classes: the outputs of the last layer."""
        return self.out_shape[0]

    @property
    def cost(self) -> Cost:
        """The cost of one image through all layers."""
        return Cost(
            sum(layer.cost.macs for layer in self.layers),
            sum(layer.cost.connections for layer in self.layers),
        )

    def count(self, *, trainable_only: bool = False) -> int:
        """How many parameters all layers have."""
        return sum(layer.count(trainable_only=trainable_only) for layer in self.layers)

    def receptive_fields(self) -> list[Shape | None]:
        """For each layer, the (height, width) in the input's pixels that a unit sees at most.

        From the first to the last pixel that counts; what lies in the padding does not. (values,)
        for an input [F]; None after a layer that does not say what it reads.
        """
        return [
            None if axes is None else tuple(axis.largest for axis in axes)
            for axes in reaches(self.spec.input, self.layers)
        ]

    @property
    def warnings(self) -> list[str]:
        """What is allowed, but hardly meant."""
        return [*_twice_probabilities(self), *_unscaled(self)]

    def _repr_html_(self) -> str:
        from lenetkit.html.rendering import render  # Jinja2 takes a while to import

        return render("plan.html", plan=self, facts=())

    def to_yaml(self, *, paths: bool = True) -> str:
        """The spec as YAML, defaults and inferred options written out.

        Without `paths`, as in model files: nothing in it names files of this computer.
        """
        return as_yaml(to_plain(self.spec, installed(), paths=paths))


def _twice_probabilities(plan: Plan) -> Iterator[str]:
    last = plan.layers[-1]
    if plan.spec.loss.takes_logits and isinstance(last.layer, Softmax | Sigmoid):
        loss, _ = installed().identity(plan.spec.loss)
        yield (
            f"layers.{last.name}: {last.type} comes before the loss {loss}, which turns outputs "
            "into probabilities itself; done twice, gradients are small and training is slow\n"
            f"  leave the layer out: --set layers.{last.name}=null; predictions are probabilities "
            "all the same"
        )


def _unscaled(plan: Plan) -> Iterator[str]:
    for transform in plan.spec.data.options.transforms:
        if isinstance(transform, Scale | Standardize):
            return
        if len(plan.spec.input) == 1 or not isinstance(transform, Normalize):
            continue
        if transform.std and max(transform.std) <= 1:
            yield (
                "data.transforms: normalize comes before any scale, so that it takes bytes, 0 to "
                f"255, and makes up to {255 / max(transform.std):.0f} of them\n"
                "  put scale before it: transforms: [scale, {type: normalize, …}]"
            )


def load_plan(source: Spec, overrides: Sequence[Override] = ()) -> Plan:
    """The plan of a spec file, shipped spec or dict. Raises SpecError with every mistake in it."""
    return plan_tree(read_tree(source, overrides), installed())


def plan_text(
    text: str, name: str, overrides: Sequence[Override] = (), *, is_local: bool = True
) -> Plan:
    """The plan of a spec given as text.

    Unless it `is_local`, paths in it are ignored: a model file may come from another computer.
    """
    return plan_tree(parse_text(text, name, overrides, is_local=is_local), installed())


def plan_tree(tree: Tree, catalog: Catalog) -> Plan:
    """The plan of a spec's nodes. Raises SpecError with every mistake in it."""
    binder = Binder(catalog)
    draft = bind_model(tree.root, binder)
    noted = {problem.where for problem in tree.problems}
    problems = [*tree.problems, *(p for p in binder.problems if p.where not in noted)]
    problems = [*binder.lacking(), *problems]
    planned: tuple[LayerPlan, ...] = ()
    if draft.input is not None and not tree.problems:
        planned, unfit = plan_layers(draft.input, draft.layers, catalog, complete=draft.complete)
        shape = planned[-1].out_shape if planned else draft.input
        if not unfit and len(shape) == 3:
            problems = [_with_map_size(problem, draft.stopped, shape) for problem in problems]
        swapped = _channels_last(draft.input, tree.root)
        problems += [swapped] if unfit and swapped else unfit
    if problems or draft.model is None:
        raise SpecError(problems)
    _expect_fitting_loss(draft.model.loss, planned[-1].out_shape[0], tree.root)
    if isinstance(draft.model.train.optimizer, SecondOrderOptimizer):
        expect_second_order(Plan(draft.model, planned), tree.root)
    if not draft.model.data.options.validation:
        expect_no_judgement(draft.model.train, tree.root)
    layers = tuple(
        replace(named, layer=p.layer) for named, p in zip(draft.layers, planned, strict=True)
    )
    return Plan(replace(draft.model, layers=layers), planned)


def _channels_last(in_shape: Shape, root: MapNode) -> Problem | None:
    """The mistake of an `input` that has its channels last, if it looks like it."""
    node = root.get("input")
    if node is None or len(in_shape) != 3 or not in_shape[2] <= 4 < min(in_shape[:2]):
        return None
    height, width, channels = in_shape
    return node.mark.problem(
        "input",
        f"[{height}, {width}, {channels}] is {height} channels of {width}×{channels} pixels, too "
        "small for these layers; expected [channels, height, width]; did you mean "
        f"[{channels}, {height}, {width}]?",
    )


def _with_map_size(problem: Problem, layer: str, shape: Shape) -> Problem:
    """The problem of a layer that speaks of its input's size, with that size."""
    if problem.path != f"layers.{layer}" or MAP_SIZE not in problem.message:
        return problem
    size = shape[1] if shape[1] == shape[2] else list(shape[1:])
    return replace(problem, message=problem.message.replace(MAP_SIZE, f"{MAP_SIZE}, {size} here"))


def expect_second_order(plan: Plan, root: MapNode | None = None) -> None:
    """Raise SpecError if a layer or the loss has no second derivatives.

    `root`, the nodes of the spec, gives the position of the loss.
    """
    optimizer = type(plan.spec.train.optimizer).__name__

    def lacks(mark: Mark, path: str, thing: Configurable) -> Problem:
        name, _ = installed().identity(thing)
        message = f"{name} has no second derivatives, which the optimizer {optimizer} needs"
        return mark.problem(path, f"{message}; use another {thing.kind}, or another optimizer")

    problems = [
        lacks(named.mark, f"layers.{named.name}", named.layer)
        for named in plan.spec.layers
        if not isinstance(named.layer, SecondOrderLayer)
    ]
    if not isinstance(plan.spec.loss, SecondOrderLoss):
        node = root and root.get("loss")
        mark = node.mark if node else root.mark if root else Mark("train")
        problems.append(lacks(mark, "loss", plan.spec.loss))
    if problems:
        raise SpecError(problems)


def expect_trainable(plan: Plan) -> None:
    """Raise SpecError if all layers with parameters are frozen."""
    frozen = [
        named
        for named, planned in zip(plan.spec.layers, plan.layers, strict=True)
        if planned.frozen
    ]
    if frozen and not plan.count(trainable_only=True):
        last = frozen[-1]
        message = (
            "nothing is left to train: every layer with parameters has trainable: false; "
            "expected at least one without it"
        )
        raise SpecError([last.mark.problem(f"layers.{last.name}.trainable", message)])


def _expect_fitting_loss(loss: Loss, outputs: int, root: MapNode) -> None:
    try:
        loss.check_outputs(outputs)
    except OptionError as error:
        mark = _deepest(root, "loss", error.option).mark
        raise SpecError([mark.problem(f"loss.{error.option}", error.problem)]) from None


def _deepest(node: Node, *keys: str) -> Node:
    """The node under these keys, or the last one on the way there."""
    for key in keys:
        node = (isinstance(node, MapNode) and node.get(key)) or node
    return node


def expect_no_judgement(train: TrainSpec, root: MapNode | None = None) -> None:
    """Raise SpecError if training judges held-out samples; call it where there are none.

    `root`, the nodes of the spec, gives the position.
    """
    judges = {"patience": "it"} if train.patience is not None else {}
    if train.schedule.judges_validation:
        judges["schedule"], _ = installed().identity(train.schedule)
    problems = []
    for key, name in judges.items():
        mark = _deepest(root, "train", key).mark if root else Mark("train")
        message = (
            f"{name} judges held-out samples, and there are none; hold some out, such as "
            "data.validation: 0.1"
        )
        problems.append(mark.problem(f"train.{key}", message))
    if problems:
        raise SpecError(problems)


def expect_batches(plan: Plan, images: int) -> None:
    """Raise SpecError if a layer cannot learn from batches of that many images."""
    problems = []
    for named, planned in zip(plan.spec.layers, plan.layers, strict=True):
        least = planned.layer.least_batch(planned.in_shape)
        if images < least:
            message = (
                f"{planned.type} on {shape_text(planned.in_shape)} needs training batches of "
                f"{least} images or more, found {images}; set train.batch_size to {least} or more"
            )
            problems.append(named.mark.problem(f"layers.{named.name}", message))
    if problems:
        raise SpecError(problems)


def plan_layers(
    in_shape: Shape, layers: Sequence[NamedLayer], catalog: Catalog, *, complete: bool = True
) -> tuple[tuple[LayerPlan, ...], list[Problem]]:
    """Propagate the shape through the layers as far as possible, and collect the problems.

    Unless they are `complete`, more layers follow, and the last shape is not checked.
    """
    planned: list[LayerPlan] = []
    problems: list[Problem] = []
    shape = in_shape
    for named in layers:
        path = f"layers.{named.name}"
        type_name, provider = catalog.identity(named.layer)
        try:
            culprit = f"{path}: {type_name} of {provider or 'this process'}"
            with blaming(culprit, ShapeError):
                layer, wrong = with_inferred(named.layer, shape)
                problems += [
                    named.mark.problem(f"{path}.{option}", message)
                    for option, message in wrong.items()
                ]
                out = _checked(layer.output_shape(shape), culprit)
                params, state = layer.param_specs(shape), layer.state_specs(shape)
                cost = layer.cost(shape)
            if twice := params.keys() & state.keys():
                raise PluginError(
                    f"{culprit}: '{min(twice)}' is in both param_specs and state_specs; "
                    "expected one of them"
                )
        except ShapeError as error:
            message = f"{error}\n    shapes before it: {_history(in_shape, planned)}"
            problems.append(named.mark.problem(path, message))
            break
        planned.append(
            LayerPlan(
                name=named.name,
                layer=layer,
                type=type_name,
                provider=provider,
                in_shape=shape,
                out_shape=out,
                params=params,
                state=state,
                cost=cost,
                trainable=named.trainable,
            )
        )
        shape = out
    else:
        if complete and len(shape) != 1 and not problems:
            message = (
                f"the last layer gives {shape_text(shape)}; expected one value per class: "
                "end with a linear layer, or with flatten"
            )
            problems.append(layers[-1].mark.problem(f"layers.{layers[-1].name}", message))
    return tuple(planned), problems


def _checked(out: Any, culprit: str) -> Shape:
    if not isinstance(out, tuple) or not all(map(_is_size, out)):
        raise PluginError(
            f"{culprit}: output_shape gave {shortened(repr(out))}; expected a tuple of whole "
            "numbers above 0"
        )
    return tuple(map(int, out))


def _is_size(value: Any) -> bool:
    """Whether it is an integer above 0, NumPy's included."""
    return isinstance(value, SupportsIndex) and not isinstance(value, bool) and int(value) > 0


def _history(in_shape: Shape, planned: Sequence[LayerPlan]) -> str:
    steps = [f"input {shape_text(in_shape)}"]
    steps += [f"{p.name} {shape_text(p.out_shape)}" for p in planned]
    return " → ".join(steps)
