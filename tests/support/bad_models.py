"""A small model, and bad files made from it, each with the message that is expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lenetkit.files import tensorfile
from lenetkit.files.tensorfile import Tensors
from lenetkit.model import file
from lenetkit.network.network import Network
from lenetkit.network.plan import plan_text

SPEC = """\
lenetkit: 1
name: small
input: [1, 4, 4]
layers:
  conv: {type: conv2d, out_channels: 2, kernel_size: 2}
  fc: {type: linear, out_features: 3}
"""
IMAGES = {
    "image_shape": "[1, 4, 4]",
    "classes": '["a", "b", "c"]',
    "preparation": "digit",
    "dataset": "stripes",
}


def write_good(path: Path) -> None:
    """Write the model that all others are made from."""
    file.save(path, Network(plan_text(SPEC, "spec")), IMAGES)


@dataclass(frozen=True)
class Bad:
    """Changes to the good model, with correct digests."""

    said: str | tuple[str, ...]
    texts: Mapping[str, str | None] = field(default_factory=dict)
    tensors: Callable[[Tensors], object] = lambda tensors: None

    def write(self, path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
        """Write the changed file."""
        tensors = {name: values.copy() for name, values in tensors.items()}
        self.tensors(tensors)
        texts = {**metadata, **self.texts}
        kept = {k: v for k, v in texts.items() if v is not None and "digest" not in k}
        tensorfile.write(path, tensors, kept)


def _replace(name: str, values: Any) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: np.asarray(values)})


def _everything(tensors: Tensors) -> None:
    del tensors["conv.weight"]
    tensors["conv.weigth"] = np.zeros((2, 1, 2, 2), np.float32)
    tensors["more"] = np.zeros(3, np.float32)
    tensors["conv.bias"] = np.zeros((2, 1), np.float32)
    tensors["fc.weight"] = tensors["fc.weight"].astype(np.float64)
    tensors["fc.bias"][1] = np.nan


SPEC_TEXT = {
    "huge layer": SPEC.replace("out_features: 3", "out_features: 50000000"),
    "alias": SPEC + "x: &a 1\n",
    "tag": SPEC + "train: !!python/object/apply:os.system [echo]\n",
    "foreign layer": SPEC.replace("type: linear", "type: os.system"),
    "module as type": SPEC.replace("type: linear", "type: 'trap:linear'"),
    "unknown option": SPEC.replace("out_features", "out_featurs"),
    "extends": "extends: lenet5\n" + SPEC,
    "deep": "[" * 5000,
    "picture": "\0PNG",
    "empty": "",
}
BAD: dict[str, Bad] = {
    "everything at once": Bad(
        (
            "conv.weight: missing",
            "'conv.weigth': not a parameter of this network; did you mean 'conv.weight'?",
            "'more': not a parameter of this network",
            "conv.bias: expected 2, found 2×1",
            "fc.weight: expected float32, found float64",
            "fc.bias: has non-finite values",
            "image_shape: expected [channels, height, width], found [1, 4]",
            "classes: expected a list of names, found nothing readable",
            "preparation: expected digit or resize, found 'exec'",
        ),
        {"image_shape": "[1, 4]", "classes": None, "preparation": "exec"},
        _everything,
    ),
    "no tensors": Bad("conv.weight: missing", tensors=lambda tensors: tensors.clear()),
    "one missing": Bad("fc.bias: missing", tensors=lambda tensors: tensors.pop("fc.bias")),
    "one more": Bad("'x': not a parameter", tensors=_replace("x", np.float32(1))),
    "name of a path": Bad("'../../x': not a", tensors=_replace("../../x", np.float32(1))),
    "scalar": Bad(
        "fc.bias: expected 3, found a scalar", tensors=_replace("fc.bias", np.float32(1))
    ),
    "integers": Bad(
        "expected float32, found int32", tensors=_replace("fc.bias", np.arange(3, dtype="i4"))
    ),
    "halves": Bad(
        "expected float32, found float16", tensors=_replace("fc.bias", np.zeros(3, "f2"))
    ),
    "infinite": Bad(
        "fc.bias: has non-finite values",
        tensors=_replace("fc.bias", np.array([1, np.inf, 1], np.float32)),
    ),
    "no format": Bad("expected model format 1, found none", {"lenetkit": None}),
    "other format": Bad("expected model format 1, found 2", {"lenetkit": "2"}),
    "no spec": Bad("the spec inside does not fit this lenetkit", {"spec": None}),
    "checkpoint": Bad("is the checkpoint of a run; expected its model, ", {"progress": "{}"}),
    "deep shape": Bad(
        "image_shape: expected [channels, height, width]", {"image_shape": "[" * 99_999}
    ),
    "deep classes": Bad("classes: expected a list of names", {"classes": "[" * 99_999}),
    "deep providers": Bad("does not fit this lenetkit", {"providers": "[" * 99_999, "spec": ""}),
    "true shape": Bad("image_shape: expected", {"image_shape": "[true, 4, 4]"}),
    "huge shape": Bad("image_shape: expected", {"image_shape": "[1, 4, 99999999999]"}),
    "digits of a shape": Bad("image_shape: expected", {"image_shape": f"[1, 4, {'9' * 9999}]"}),
    "other shape": Bad(
        "reaches the network as 1×5×4; its input is 1×4×4", {"image_shape": "[1, 5, 4]"}
    ),
    "classes of numbers": Bad(
        "classes: expected a list of names, found [1, 2]", {"classes": "[1, 2]"}
    ),
    "classes as text": Bad("classes: expected a list of names, found 'abc'", {"classes": '"abc"'}),
    "spec: huge layer": Bad(
        "fc.weight: expected 50000000×18, found 3×18", {"spec": SPEC_TEXT["huge layer"]}
    ),
    "spec: alias": Bad("anchor &a", {"spec": SPEC_TEXT["alias"]}),
    "spec: tag": Bad("tag !!python/object/apply:os.system", {"spec": SPEC_TEXT["tag"]}),
    "spec: foreign layer": Bad(
        "no layer is registered as 'os.system'", {"spec": SPEC_TEXT["foreign layer"]}
    ),
    "spec: module as type": Bad(
        "no layer is registered as 'trap:linear'", {"spec": SPEC_TEXT["module as type"]}
    ),
    "spec: unknown option": Bad(
        "did you mean 'out_features'?", {"spec": SPEC_TEXT["unknown option"]}
    ),
    "spec: extends": Bad("only spec files can extend another spec", {"spec": SPEC_TEXT["extends"]}),
    "spec: deep": Bad("nested more than 40 levels deep", {"spec": SPEC_TEXT["deep"]}),
    "spec: NUL": Bad("the character U+0000 is not allowed", {"spec": SPEC_TEXT["picture"]}),
    "spec: too large": Bad("is larger than 500,000 characters", {"spec": SPEC + "#" * 500_000}),
}
"""Name → a file that is intact but not a model that this lenetkit can use."""


def raw(header: Any, values: bytes = b"") -> bytes:
    """A handmade safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def _entry(dtype: str, shape: list[Any], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


RAW: dict[str, bytes] = {
    "huge header": (1 << 62).to_bytes(8, "little") + b'{"a": 1}',
    "deep header": raw(b"[" * 100_000),
    "deep mapping": raw(b'{"a":' * 100_000),
    "list for header": raw([]),
    "huge shape": raw({"w": _entry("F32", [1 << 62, 1 << 62], 0, 4)}, b"1234"),
    "negative shape": raw({"w": _entry("F32", [-1], 0, 4)}, b"1234"),
    "negative offset": raw({"w": _entry("F32", [1], -4, 4)}, b"1234"),
    "offsets reversed": raw({"w": _entry("F32", [1], 4, 0)}),
    "overlap": raw({"v": _entry("F32", [1], 0, 4), "w": _entry("F32", [1], 0, 4)}, b"1234"),
    "hole": raw({"w": _entry("F32", [1], 4, 8)}, b"12345678"),
    "text for shape": raw({"w": _entry("F32", ["a"], 0, 4)}, b"1234"),
    "floating offsets": raw({"w": _entry("F32", [1], 0, 4.0)}, b"1234"),  # type: ignore[arg-type]
    "unknown type": raw({"w": _entry("OBJECT", [1], 0, 4)}, b"1234"),
    "type that NumPy lacks": raw({"w": _entry("BF16", [2], 0, 4)}, b"1234"),
    "no offsets": raw({"w": {"dtype": "F32", "shape": [1]}}, b"1234"),
    "number for entry": raw({"w": 3}),
    "text for metadata": raw({"__metadata__": "x"}),
    "numbers in metadata": raw({"__metadata__": {"lenetkit": 1}}),
    "no digest": raw({"w": _entry("F32", [1], 0, 4)}, b"1234"),
    "not UTF-8": raw(b'{"\xff": 1}'),
    "digits": raw(b'{"w": ' + b"9" * 99_999 + b"}"),
    "pickle": b"\x80\x04cos\nsystem\n(S'echo'\ntR.",
    "zip": b"PK\x03\x04" + bytes(99),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "text": SPEC.encode(),
    "empty": b"",
}
"""Name → bytes that are not a safetensors file, or one without a digest."""


def write_all(folder: Path) -> dict[str, Path]:
    """Write every bad file to a folder; name → path."""
    write_good(folder / "good.safetensors")
    tensors, metadata = tensorfile.read(folder / "good.safetensors")
    paths = {}
    for number, (name, bad) in enumerate(BAD.items()):
        paths[name] = folder / f"bad-{number}.safetensors"
        bad.write(paths[name], tensors, metadata)
    for number, (name, content) in enumerate(RAW.items()):
        paths[f"raw: {name}"] = folder / f"raw-{number}.safetensors"
        paths[f"raw: {name}"].write_bytes(content)
    return paths
