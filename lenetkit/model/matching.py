"""Weights that other programs saved: which array is which parameter, and how it is laid out.

Names decide where they can: a layer's name and PyTorch's or Keras' name of the parameter. Where no
layer has a name of the network's, shapes do, and the order of numbered names. What that leaves open
is refused.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit.arrays import Shape, shape_text
from lenetkit.errors import ModelFileError, shortened
from lenetkit.files.tensorfile import Tensors
from lenetkit.layers.batch_norm2d import BatchNorm2d
from lenetkit.layers.conv2d import Conv2d
from lenetkit.layers.linear import Linear
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.text import printable

_OURS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Keras' names of parameters → PyTorch's, which are ours."""
_COUNTERS = ("num_batches_tracked", "n_averaged")
"""PyTorch's counters of batches and models, which no network here needs."""
_TO_PYTORCH = {2: (1, 0), 4: (3, 2, 0, 1)}
"""Keras' axes of kernels in PyTorch's order, by rank: (in, out) and (kh, kw, in, out)."""
_KERAS_EPS = 1e-3
_DIGITS = "0123456789"
_AS_KERAS = "transposed, as Keras stores it, it would fit"
_LAYOUT = "weights of Keras are named LAYER/kernel; others are stored as (out, in, …)"
_LAYERS_OF_KERAS = (Conv2d, Linear, BatchNorm2d)


@dataclass(frozen=True)
class Given:
    """An array of a file: `layer` is the path in its name, `parameter` what we call the rest."""

    name: str
    layer: str
    parameter: str
    values: NDArray[Any]
    is_keras: bool

    @property
    def target(self) -> str:
        """The name that it would have here."""
        return f"{self.layer}.{self.parameter}"

    @property
    def is_transposed(self) -> bool:
        """Whether its axes are in Keras' order."""
        return self.is_keras and self.parameter == "weight" and self.values.ndim in _TO_PYTORCH

    def arranged(self) -> NDArray[Any]:
        """The array with its axes in PyTorch's order."""
        return (
            self.values.transpose(_TO_PYTORCH[self.values.ndim])
            if self.is_transposed
            else self.values
        )


@dataclass(frozen=True)
class Slot:
    """A parameter of the network, or a piece of its state."""

    layer: LayerPlan
    shape: Shape
    image: Shape | None
    """The image (C, H, W) whose values are the inputs of a linear layer, if there is one."""


@dataclass
class Found:
    """What became of the arrays."""

    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    """What is of another shape, as another number of classes makes it."""
    wrong: list[str] = field(default_factory=list)
    """What cannot be meant."""


def fill(network: Network, tensors: Tensors, path: Path, *, complete: bool) -> list[str]:
    """Copy another program's weights into the network; says what went where, a line each.

    The only line is `loaded …` if all are named and stored as here. Raises ModelFileError for what
    does not fit, is uncertain, not finite or no floating-point number. Unless it must be
    `complete`, what is missing or of another shape keeps its initial values, but in a file whose
    names are not the network's, that may be one layer only.
    """
    slots = _slots(network.plan)
    pairs, unused, by_name = _paired(tensors, slots, path)
    found = _judged(network, slots, pairs)
    extra = [_unused(given, slots, found.missing) for given in unused if given.layer]
    wrong = list(found.wrong)
    lost = {_split(name)[0] for name in slots.keys() - found.values.keys()}
    if complete or not found.values or (len(lost) > 1 and not by_name):
        wrong += [*found.unfit, *(f"{name}: missing" for name in found.missing)]
        if complete and extra:
            wrong.append(f"not parameters of this network: {shortened(', '.join(extra))}")
    if wrong:
        remedy = [_LAYOUT] if any(_AS_KERAS in text for text in wrong) else []
        lines = [f"{path}: does not fit the network:", *wrong, *remedy]
        raise ModelFileError("\n  ".join(lines))
    own = network.tensors()
    for name, values in found.values.items():
        own[name][...] = values
    if not (unfit := found.unfit) and list(found.values) == found.loaded:
        lines = [f"loaded {', '.join(found.loaded)}"]
    else:
        lines = ["loaded", *(f"  {text}" for text in found.loaded)]
    lines += [f"  {text}; initialized instead" for text in unfit]
    lines += _notes(network, pairs, found)
    if found.missing:
        lines.append(f"  not in it, initialized instead: {', '.join(found.missing)}")
    if extra := [*extra, *(printable(g.name) for g in unused if not g.layer)]:
        lines.append(f"  not used: {shortened(', '.join(extra))}")
    return lines


def listing(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Names and shapes of arrays, cut to a readable length."""
    names = sorted(tensors, key=lambda name: (_numbers(_split(name)[0]), name))
    there = (f"{printable(name)} {shape_text(tensors[name].shape)}" for name in names)
    return shortened(", ".join(there))


def _slots(plan: Plan) -> dict[str, Slot]:
    return {
        f"{layer.name}.{name}": Slot(layer, spec.shape, _image(plan.layers[: index + 1]))
        for index, layer in enumerate(plan.layers)
        for name, spec in layer.tensors.items()
    }


def _image(layers: Sequence[LayerPlan]) -> Shape | None:
    """The image that reaches the last layer as a row, or None."""
    last = layers[-1]
    if isinstance(last.layer, Linear):
        for layer in reversed(layers):
            if len(layer.in_shape) == 3:
                same = math.prod(layer.in_shape) == math.prod(last.in_shape)
                return layer.in_shape if same else None
            if layer.tensors and layer is not last:
                break
    return None


def _paired(
    tensors: Tensors, slots: Mapping[str, Slot], path: Path
) -> tuple[dict[str, Given], list[Given], bool]:
    """Our name → array, arrays without a place, and whether their names decided."""
    if not tensors:
        raise ModelFileError(f"{path}: holds no arrays; expected {', '.join(slots)}")
    if all(re.fullmatch(r"arr_[0-9]{1,9}", name) for name in tensors):
        return _by_position(tensors, slots, path), [], False
    given = _named(tensors, {name.partition(".")[0] for name in slots}, path)
    by_name = any(g.target in slots for g in given)
    placed = {g.target: g for g in given if g.target in slots} if by_name else {}
    if not by_name:
        placed = _by_shape([g for g in given if g.layer], slots, tensors, path)
    taken = {g.name for g in placed.values()}
    return placed, [g for g in given if g.name not in taken], by_name


def _named(tensors: Tensors, layers: set[str], file: Path) -> list[Given]:
    """The arrays by what their names say, without the prefixes that all of them share.

    Such as `module.`, `_orig_mod.`, `model.`, `sequential/`.
    """
    paths = {name: re.sub(r":\d+$", "", name).replace("/", ".").split(".") for name in tensors}
    paths = {name: path for name, path in paths.items() if path[-1] not in _COUNTERS}
    while len(first := {path[0] for path in paths.values()}) == 1 and not first & layers:
        lengths = [len(path) for path in paths.values()]
        if max(lengths) < 3 or min(lengths) < 2:
            break
        paths = {name: path[1:] for name, path in paths.items()}
    given: dict[str, Given] = {}
    for name, (*layer, last) in paths.items():
        one = Given(name, ".".join(layer), _OURS.get(last, last), tensors[name], last in _OURS)
        if (other := given.setdefault(one.target, one)) is not one:
            both = f"{printable(other.name)} and {printable(name)}"
            raise ModelFileError(f"{file}: {both} are both {printable(one.target)}; expected one")
    return list(given.values())


def _by_position(tensors: Tensors, slots: Mapping[str, Slot], path: Path) -> dict[str, Given]:
    """Unnamed arrays in the network's order, as PyTorch or as Keras stores them."""
    names = sorted(tensors, key=lambda name: int(name.removeprefix("arr_")))
    names = [name for name in names if tensors[name].ndim or tensors[name].dtype.kind not in "iu"]
    if len(names) != len(slots):
        raise ModelFileError(
            f"{path}: {len(names)} arrays without names, {listing(tensors)}; the network has "
            f"{len(slots)}: {shortened(', '.join(slots))}"
        )
    as_is, as_keras = (
        {own: Given(name, *_split(own), tensors[name], is_keras) for own, name in pairs}
        for is_keras in (False, True)
        for pairs in [zip(slots, names, strict=True)]
    )
    fit, fit_keras = (
        sum(g.arranged().shape == slots[own].shape for own, g in reading.items())
        for reading in (as_is, as_keras)
    )
    is_transposed = any(g.is_transposed for g in as_keras.values())
    if fit == fit_keras == len(slots) and is_transposed:
        raise ModelFileError(
            f"{path}: its arrays have no names, and fit both as PyTorch stores weights and as "
            "Keras does, transposed; expected names as PyTorch's (fc1.weight) or Keras' "
            '(fc1/kernel): numpy.savez(FILE, **{"fc1.weight": …})'
        )
    return as_keras if fit_keras > fit else as_is


def _split(name: str) -> tuple[str, str]:
    layer, _, parameter = name.rpartition(".")
    return layer, parameter


def _by_shape(
    given: Sequence[Given], slots: Mapping[str, Slot], tensors: Tensors, path: Path
) -> dict[str, Given]:
    """Layers whose names are not the network's, by their shapes.

    Layers of the same shapes are told apart by their numbers. One layer may be left over.
    """
    theirs: dict[str, dict[str, Given]] = defaultdict(dict)
    for g in given:
        theirs[g.layer][g.parameter] = g
    ours: dict[str, dict[str, Shape]] = defaultdict(dict)
    for name, slot in slots.items():
        layer, parameter = _split(name)
        ours[layer][parameter] = slot.shape
    if len(theirs) != len(ours):
        why = f"it names {len(theirs)} layers, the network has {len(ours)} with weights"
        raise _unknown(path, tensors, why, slots)
    alike: dict[Any, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for layer in sorted(theirs, key=_numbers):
        shapes = {parameter: g.arranged().shape for parameter, g in theirs[layer].items()}
        alike[frozenset(shapes.items())][0].append(layer)
    for layer, expected in ours.items():
        alike[frozenset(expected.items())][1].append(layer)
    places: dict[str, str] = {}
    for found, own in alike.values():
        if len(found) == len(own):
            if len(set(map(_stem, found))) > 1:
                raise ModelFileError(
                    f"{path}: {', '.join(map(printable, found))} have the same shapes, so it is "
                    f"not certain which of them is which of {', '.join(own)}; name them as the "
                    "layers of the spec"
                )
            places.update(zip(found, own, strict=True))
    left = [layer for layer in sorted(theirs, key=_numbers) if layer not in places]
    free = [layer for layer in ours if layer not in places.values()]
    if len(left) > 1 and len(set(map(_stem, theirs))) > 1:
        raise _unknown(path, tensors, "neither names nor shapes do", slots)
    places.update(zip(left, free, strict=True))
    order = list(ours)
    for stem in set(map(_stem, theirs)):
        same = sorted((layer for layer in theirs if _stem(layer) == stem), key=_numbers)
        if (at := [order.index(places[layer]) for layer in same]) != sorted(at):
            raise _unknown(path, tensors, "their shapes do, in another order", slots)
    return {
        f"{own}.{parameter}": g
        for layer, own in places.items()
        for parameter, g in theirs[layer].items()
        if parameter in ours[own]
    }


def _unknown(path: Path, tensors: Tensors, why: str, slots: Mapping[str, Slot]) -> ModelFileError:
    expected = ", ".join(f"{name} {shape_text(slot.shape)}" for name, slot in slots.items())
    return ModelFileError(
        f"{path}: none of its weights match this network: {why}\n"
        f"  found: {listing(tensors)}\n  expected: {shortened(expected)}"
    )


def _numbers(layer: str) -> list[int]:
    """A sorting key for layers of one stem: `dense` before `dense_1`, `2` before `10`."""
    parts = layer.split(".")
    return [int(part[len(part.rstrip(_DIGITS)) :][-9:] or -1) for part in parts]


def _stem(layer: str) -> str:
    """A layer's path without the numbers that its parts end in."""
    return ".".join(part.rstrip(_DIGITS).removesuffix("_") for part in layer.split("."))


def _judged(network: Network, slots: Mapping[str, Slot], pairs: Mapping[str, Given]) -> Found:
    found = Found()
    for name, slot in slots.items():
        if name not in pairs:
            found.missing.append(name)
            continue
        given, where = pairs[name], f"{name}: "
        source = "" if given.name == name else f" in {shortened(printable(given.name))}"
        values = given.arranged()
        if values.dtype.kind != "f":
            found.wrong.append(f"{where}expected {network.dtype}, found {values.dtype}{source}")
        elif given.is_keras and not isinstance(slot.layer.layer, _LAYERS_OF_KERAS):
            found.wrong.append(
                f"{where}how Keras stores weights of {slot.layer.type} is not known; expected "
                f"{name}, stored as here: {shape_text(slot.shape)}"
            )
        elif values.shape != slot.shape:
            hint = _would_fit(given, slot.shape)
            text = f"expected {shape_text(slot.shape)}, found {shape_text(given.values.shape)}"
            other = hint or _with_other_options(slot, values.shape)
            (found.wrong if hint else found.unfit).append(f"{where}{text}{source}{other}")
        else:
            values, how = _placed(values, given, slot)
            with np.errstate(over="ignore"):
                found.values[name] = values.astype(network.dtype)
            if not np.isfinite(found.values[name]).all():
                found.wrong.append(f"{where}{not_finite(values, network.dtype)}{source}")
            found.loaded.append(f"{name}{source.replace(' in ', ' from ', 1)}{how}")
    return found


def not_finite(values: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """What is wrong with values that are not finite as this type."""
    if np.isfinite(values).all():
        return f"has values too large for {dtype}, up to {np.abs(values).max():.3g}"
    return "has non-finite values"


def _placed(values: NDArray[Any], given: Given, slot: Slot) -> tuple[NDArray[Any], str]:
    """The array as it is stored here, and in words what that took."""
    how = ", transposed" if given.is_transposed else ""
    if not given.is_transposed or slot.image is None:
        return values, how
    C, H, W = slot.image
    if C > 1 and H * W > 1:
        how += f", its inputs from {H}×{W}×{C} (height, width, channels) to {C}×{H}×{W}"
    images = values.reshape(-1, H, W, C).transpose(0, 3, 1, 2)
    return images.reshape(values.shape), how


def _would_fit(given: Given, expected: Shape) -> str:
    """What would make an array of another shape fit, where there is such a thing."""
    shape = given.values.shape
    axes = _TO_PYTORCH.get(len(shape), ())
    if given.is_transposed and shape == expected:
        return f"; as PyTorch stores it, it would fit: name it {given.layer}.weight"
    if tuple(shape[axis] for axis in axes) == expected:
        return f"; {_AS_KERAS}"
    if not given.is_transposed and math.prod(shape) == math.prod(expected):
        return f"; reshaped to {shape_text(expected)}, it would fit"
    return ""


def _with_other_options(slot: Slot, shape: Shape) -> str:
    """The options with which a weight (out, in, …) of another shape would fit, and its inputs."""
    layer, name = slot.layer.layer, slot.layer.name
    if len(shape) != len(slot.shape) or not isinstance(layer, Linear | Conv2d) or len(shape) < 2:
        return ""
    options: dict[str, Any] = {}
    is_linear = isinstance(layer, Linear)
    if shape[0] != slot.shape[0]:
        options["out_features" if is_linear else "out_channels"] = shape[0]
    if (kernel := shape[2:]) != slot.shape[2:]:
        options["kernel_size"] = kernel[0] if kernel[0] == kernel[1] else [*kernel]
    said = [f"layers.{name}.{option}={value}" for option, value in options.items()]
    hint = f"; it would fit with {' and '.join(said)}" if said else ""
    if shape[1] == slot.shape[1]:
        return hint
    arrives = f"{shape_text(slot.image or slot.layer.in_shape)} reaches {name}"
    inputs = f"{shape[1]:,} input{'' if is_linear else ' channel'}{'s' * (shape[1] != 1)}"
    return f"; made for {inputs}, but {arrives}{hint}"


def _unused(given: Given, slots: Mapping[str, Slot], missing: Iterable[str]) -> str:
    """The name of an array without a place, and the one that its shape would fit."""
    shape = given.arranged().shape
    likely = [
        name
        for name in missing
        if slots[name].shape == shape and _split(name)[1] == given.parameter
    ]
    return printable(given.name) + (f" (by its shape {likely[0]})" if len(likely) == 1 else "")


def _notes(network: Network, pairs: Mapping[str, Given], found: Found) -> list[str]:
    """What else there is to know of the weights that were loaded."""
    used = {name: pairs[name] for name in found.values}
    others = sorted({f"{g.values.dtype.name}" for g in used.values()} - {network.dtype.name})
    notes = [f"  converted from {' and '.join(others)} to {network.dtype}"] if others else []
    for layer in network.plan.layers:
        given, norm = used.get(f"{layer.name}.running_var"), layer.layer
        if given and given.is_keras and isinstance(norm, BatchNorm2d) and norm.eps != _KERAS_EPS:
            notes.append(
                f"  {layer.name}.eps is {norm.eps:g} here, in Keras {_KERAS_EPS:g} unless set: "
                f"layers.{layer.name}.eps={_KERAS_EPS:g}"
            )
    return notes
