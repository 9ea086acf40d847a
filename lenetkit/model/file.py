"""Model files: weights, spec and provenance in one safetensors file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetkit._version import __version__
from lenetkit.arrays import shape_text
from lenetkit.errors import ModelFileError, SpecError, nearest, shortened
from lenetkit.files import foreign, tensorfile
from lenetkit.files.opening import open_regular
from lenetkit.files.tensorfile import Tensors
from lenetkit.model import matching
from lenetkit.model.metadata import missing_providers
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan, plan_text
from lenetkit.options import base_of
from lenetkit.registry.catalog import Catalog, installed
from lenetkit.spec.merge import MAX_TEXT, Override, parse_text
from lenetkit.spec.nodes import plain
from lenetkit.text import printable
from lenetkit.values import show

FORMAT = "1"


def save(path: Path, network: Network, metadata: Mapping[str, str]) -> None:
    """Write a model file; `metadata` describes data and training.

    Raises ModelFileError for a spec that is too large to be read again.
    """
    texts = {**describe(network.plan), **metadata}
    if (found := len(texts["spec"])) > MAX_TEXT:
        raise ModelFileError(
            f"{path}: the network's spec has {found:,} characters, and a model file takes "
            f"{MAX_TEXT:,}; leave normalize out of data.transforms, which "
            "records a mean and a deviation of each feature"
        )
    tensorfile.write(path, network.tensors(), texts)


def describe(plan: Plan) -> dict[str, str]:
    """The metadata that follows from the plan: format, spec and who provided its types."""
    return {
        "lenetkit": FORMAT,
        "version": __version__,
        "spec": plan.to_yaml(paths=False),
        "providers": json.dumps(providers(plan, installed()), sort_keys=True),
    }


def in_run_folder(path: Path) -> Path:
    """The model file of a run folder; any other path as it is."""
    inside = path / "model.safetensors"
    return inside if inside.is_file() else path


def label(path: Path) -> str:
    """What a run calls the file of weights that it started from: name and start of SHA-256."""
    with open_regular(in_run_folder(path)) as content:
        digest = hashlib.sha256(content.read()).hexdigest()
    return f"{in_run_folder(path).name} {digest[:8]}"


def read_plan(path: Path, metadata: Mapping[str, str], overrides: Sequence[Override] = ()) -> Plan:
    """The plan of the spec inside a file."""
    if metadata.get("lenetkit") != FORMAT:
        found = shortened(printable(metadata.get("lenetkit", "none")))
        raise ModelFileError(f"{path}: expected model format {FORMAT}, found {found}")
    try:
        spec = metadata.get("spec", "")
        return plan_text(spec, f"{path}, spec", overrides, is_local=False)
    except SpecError as error:
        hint = missing_providers(metadata)
        if any(problem.path == "kernels" for problem in error.problems):
            hint += "\n  or pass --kernels numpy: kernels only decide how a model is computed"
        raise ModelFileError(
            f"{path}: the spec inside does not fit this lenetkit:\n{error}{hint}"
        ) from None


def fill(network: Network, tensors: Tensors, path: Path) -> None:
    """Copy weights into the network. Raises ModelFileError with everything that does not fit."""
    wrong = mismatches(network.plan, network.dtype, tensors)
    expect_none(wrong, f"{path}: does not fit the network")
    for name, view in network.tensors().items():
        view[...] = tensors[name]


def mismatches(plan: Plan, dtype: np.dtype[Any], tensors: Tensors) -> list[str]:
    """Why the tensors do not fit the network, a line each; empty if they fit."""
    own = {f"{p.name}.{name}": spec.shape for p in plan.layers for name, spec in p.tensors.items()}
    missing = [name for name in own if name not in tensors]
    wrong = [f"  {name}: missing" for name in missing]
    for name, values in tensors.items():
        if name not in own:
            near = nearest(name, missing)
            meant = f"; did you mean '{near}'?" if near else ""
            wrong.append(f"  {show(name)}: not a parameter of this network{meant}")
            continue
        if values.shape != own[name]:
            expected, found = shape_text(own[name]), shape_text(values.shape)
            wrong.append(f"  {name}: expected {expected}, found {found}")
        if values.dtype != dtype:
            wrong.append(f"  {name}: expected {dtype}, found {values.dtype}")
        if not _is_finite(values):
            wrong.append(f"  {name}: has non-finite values")
    return wrong


def expect_none(wrong: Sequence[str], what: str) -> None:
    """Raise ModelFileError, listing what is wrong, if anything is."""
    if wrong:
        raise ModelFileError("\n".join([f"{what}:", *wrong]))


def _is_finite(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def load_matching(network: Network, path: Path) -> list[str]:
    """Start from a pre-trained model's weights where name and shape match.

    Returns what was loaded and what was left as it was, in words. Files of other programs are
    matched as `matching` says. Raises ModelFileError if the file holds no weights, nothing matches,
    or what matches is of another kind: from a layer of another type, integers, values that are not
    finite.
    """
    tensors, metadata = foreign.read(in_run_folder(path))
    if not tensorfile.is_own(metadata):
        return matching.fill(network, tensors, path, complete=False)
    own, types = network.tensors(), _layer_types(metadata, path)
    same = [n for n, view in own.items() if n in tensors and tensors[n].shape == view.shape]
    if not same:
        there = matching.listing(tensors)
        raise ModelFileError(f"{path}: none of its weights match this network; it holds {there}")
    wrong = []
    for layer in network.plan.layers:
        names = [name for name in same if name.rpartition(".")[0] == layer.name]
        found = types.get(layer.name, "no such layer")
        if names and found.rpartition(":")[2] != layer.type.rpartition(":")[2]:
            wrong.append(
                f"  {', '.join(names)}: expected weights of {layer.type}, found those of "
                f"{printable(found)}; to start without them, give the layer another name"
            )
    for name in same:
        if tensors[name].dtype.kind != "f":
            wrong.append(f"  {name}: expected {own[name].dtype}, found {tensors[name].dtype}")
        elif not _is_finite(_cast(tensors[name], own[name].dtype)):
            wrong.append(f"  {name}: {matching.not_finite(tensors[name], own[name].dtype)}")
    expect_none(wrong, f"{path}: cannot be used as initial weights")
    for name in same:
        own[name][...] = tensors[name]
    left = ", ".join(name for name in own if name not in same)
    loaded = [f"loaded {', '.join(same)}"]
    return loaded + ([f"  not in it, initialized instead: {left}"] if left else [])


def _cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _layer_types(metadata: Mapping[str, str], path: Path) -> dict[str, str]:
    """The type of each layer, as the spec inside a file has it; plugins need not be installed."""
    spec = plain(parse_text(metadata.get("spec", ""), f"{path}, spec").root)
    layers = spec.get("layers")
    written = layers.items() if isinstance(layers, dict) else ()
    kinds = {
        name: layer.get("type") if isinstance(layer, dict) else layer for name, layer in written
    }
    return {name: kind for name, kind in kinds.items() if isinstance(kind, str)}


def providers(plan: Plan, catalog: Catalog) -> dict[str, tuple[str, str]]:
    """Type → (distribution, version) of every type that the spec uses.

    If two distributions provide types of the same name in different groups, the second is written
    as `distribution:type`.
    """
    used: dict[str, tuple[str, str]] = {}
    for thing in plan.spec.things():
        registry = catalog.registry(base_of(thing))
        entry = registry.entry(registry.name_of(type(thing)))
        maker = (entry.provider.distribution, entry.provider.version)
        taken = used.get(entry.name, maker) != maker
        used[f"{maker[0]}:{entry.name}" if taken else entry.name] = maker
    return used


def distributions(metadata: Mapping[str, str]) -> dict[str, str]:
    """Distribution → version of everything that `describe` names as a provider."""
    return dict(sorted(json.loads(metadata["providers"]).values()))
