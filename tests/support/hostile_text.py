"""Text that tries to command a terminal, and a spec, model, data folder and plugin full of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from lenetkit.files import tensorfile
from tests.support.specs import SMALL

EVIL = (
    "é\x1b]0;title\x07\x9b31m\x00\x7f\r\terror: forged\nerror: forged"
    "\u2028\u2029\x85\u202e\u2066\u200f\u061c\u200b\u200d\ufeff\u00ad\u3164\U000e0041\U000e0100七"
)
NAME = EVIL.replace("\0", "")
"""As a file name can be."""
TEXT = NAME.replace("\udc80", "")


def forbidden(said: str) -> list[str]:
    """The characters of an output that a terminal would obey or hide, and forged lines."""
    bad = [
        f"U+{ord(c):04X} in {said[max(i - 30, 0) : i + 30]!r}"
        for i, c in enumerate(said)
        if c != "\n"
        and (
            unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
            or "VARIATION SELECTOR" in unicodedata.name(c, "")
            or c == "\u3164"
        )
    ]
    return bad + [line for line in said.splitlines() if line.startswith("error: forged")]


def quoted(text: str = EVIL) -> str:
    """As a YAML scalar."""
    return json.dumps(text)


def spec() -> str:
    """The small spec with a hostile title and class names."""
    names = f"[{quoted()}, {quoted('$' + EVIL)}, c]"
    return SMALL.replace("title: stripes", f"title: {quoted()}, classes: {names}")


def broken_spec() -> str:
    """A spec that is wrong wherever a message quotes it."""
    return f"""\
lenetkit: 1
name: {quoted()}
{quoted()}: 1
input: {quoted()}
layers:
  {quoted()}: relu
  a: {quoted()}
  b: {{type: conv2d, {quoted()}: 1, kernel_size: {quoted()}}}
  c: !<tag:{"%1b%0a%e2%80%ae"}> relu
loss: {quoted()}
data: {{type: idx, dir: {quoted()}, prefix: [{quoted()}]}}
train: {{optimizer: {{type: adam, {quoted()}: {quoted()}}}, epochs: {quoted()}}}
"""


def rewritten(model: Path, target: Path, change: Callable[[dict[str, str]], object]) -> Path:
    """The model file with changed metadata and right digests."""
    tensors, metadata = tensorfile.read(model)
    texts = {k: v for k, v in metadata.items() if k not in ("digest", "metadata_digest")}
    change(texts)
    tensorfile.write(target, tensors, texts)
    return target


def hostile_metadata(texts: dict[str, str]) -> None:
    """Hostile names in a model file that is right otherwise."""
    texts["dataset"] = EVIL
    texts["classes"] = json.dumps([EVIL, "b" + EVIL, "$x_$"])
    texts["dataset_digest"] = json.dumps({"test": EVIL, "train": EVIL})
    texts["providers"] = json.dumps({EVIL: [EVIL, EVIL]})
    texts["version"] = EVIL


def pictures(folder: Path) -> Path:
    """A folder of pictures for each class, with hostile names."""
    for split in ("train", "test"):
        for name, shade in ((NAME, 0), (f"b{NAME}", 200)):
            (folder / split / name).mkdir(parents=True)
            for i in range(3):
                picture = Image.new("L", (8, 8), shade)
                picture.putpixel((i, i), 255 - shade)
                picture.save(folder / split / name / f"{i}{NAME}.png")
            (folder / split / name / f"broken{NAME}.png").write_bytes(b"no picture")
            (folder / split / name / f"{NAME}.txt").write_text("x")
            (folder / split / name / f"deeper{NAME}").mkdir()
    (folder / NAME).mkdir()
    return folder


PLUGIN = '''\
from dataclasses import dataclass
import warnings
from lenetkit.authoring import Adam, DataError, DataSource, Layer, Optimizer, ReLU, ShapeError
from lenetkit.authoring import SecondOrderLoss, SecondOrderOptimizer, SoftmaxCrossEntropy, option

EVIL = {evil}

@dataclass(frozen=True, kw_only=True)
class Raises(ReLU):
    """A layer. {doc}"""

    where: str = option({evil}, doc="What to do. " + EVIL)

    def output_shape(self, in_shape):
        if self.where == "shape":
            raise ShapeError(EVIL)
        if self.where == "plan":
            raise RuntimeError(EVIL)
        return super().output_shape(in_shape)

    def validate(self):
        if self.where == "options":
            raise ValueError(EVIL)

    def function(self, x, out):
        if self.where == "forward":
            raise RuntimeError(EVIL)
        return super().function(x, out)

@dataclass(frozen=True, kw_only=True)
class Source(DataSource):
    """A data set. {doc}"""

    def load(self, split, place):
        place.report("warning: " + EVIL)
        raise DataError(EVIL)

@dataclass(frozen=True, kw_only=True)
class Notes(SecondOrderOptimizer):
    """An optimizer. {doc}"""

    slots = ()
    lr: float = option(0.01, doc="Rate.")

    def begin_epoch(self, slots, curvature):
        return {{EVIL: 1.0, "y" + EVIL: float("nan")}}

    def step(self, params, grads, slots, lr, step):
        params -= lr * grads

@dataclass(frozen=True, kw_only=True)
class Curved(SoftmaxCrossEntropy, SecondOrderLoss):
    """A loss. {doc}"""

    def second_backward(self, saved):
        raise NotImplementedError

Raises.__name__ = "Raises" + EVIL.replace("\\0", "")
PLUGINS = {{"raises": Raises, "source": Source, "notes": Notes, "curved": Curved, EVIL: ReLU}}
'''


def plugin(path: Path) -> Path:
    """A plugin file whose names, documentation and messages are hostile."""
    doc = EVIL.replace("\0", "").replace("\n", " ").encode("unicode_escape").decode("ascii")
    path.write_text(PLUGIN.format(evil=ascii(EVIL), doc=doc), "utf-8")
    return path
