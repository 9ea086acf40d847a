"""Pictures of a network: its architecture, its weights, and what it makes of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lenetkit.errors import ImageError, OptionError, did_you_mean
from lenetkit.files.opening import user_path
from lenetkit.model.model import Model
from lenetkit.model.reading import read_file
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.network import Network
from lenetkit.network.plan import Plan
from lenetkit.plots.architecture import architecture_figure
from lenetkit.plots.features import Answer, features_figure
from lenetkit.plots.filters import filters_figure
from lenetkit.plots.page import Figure, save_figure
from lenetkit.plots.saliency import saliency_figure
from lenetkit.plots.words import ENGLISH, LANGUAGES, Words
from lenetkit.text import printable

What = Literal["architecture", "filters", "features", "saliency"]
WHAT: tuple[What, ...] = get_args(What)


@dataclass(frozen=True, eq=False)
class Shown:
    """One image as a network takes it, and which one it is."""

    image: NDArray[Any]
    """(C, H, W), or (F,), on the scale of the training images."""
    file: str = ""
    """The name of the file that it is from."""
    first_test: str = ""
    """The data set whose first test image it is."""

    def note(self, words: Words) -> str:
        """Which image it is, in words; empty if that is not known."""
        return words.first_test.format(dataset=self.first_test) if self.first_test else self.file

    @classmethod
    def of_file(cls, model: Model, path: Path) -> Shown:
        """The picture in a file, prepared as `predict` does; of several digits the leftmost.

        Raises ImageError if it cannot be read as a picture, or shows nothing to prepare.
        """
        reading = read_file(model, path)
        if not reading.found:
            raise ImageError(reading.reason)
        prepared = reading.found[0].image[None]
        return cls(model.pixels.from_bytes(prepared)[0], path.name)


def show(
    network: Model | Plan,
    what: What = "architecture",
    *,
    image: Any = None,
    layer: str | None = None,
    out: str | Path | None = None,
    lang: str = "en",
) -> Figure:
    """A picture of a network, as a matplotlib figure; also written to `out` (.png, .svg, .pdf).

    `architecture` needs a plan only. `filters` shows the weights of `layer`, by default of the
    first layer that has any. `features` shows what every layer makes of `image`, or `layer` alone,
    and `saliency` the gradient of the answer by the image. An image is an array as for `predict`,
    without the batch, the path of a picture, or a `Shown`. `lang` is en or zh.

    Raises OptionError, a ValueError, for what does not exist or does not go together, ArrayError
    and ImageError for images that the network cannot take.
    """
    if lang not in LANGUAGES:
        raise OptionError("lang", f"expected en or zh, found '{printable(lang)}'")
    words = LANGUAGES[lang]
    figure = _drawn(network, what, image, layer, words)
    if out is not None:
        save_figure(figure, user_path(out))
    return figure


def _drawn(
    network: Model | Plan, what: What, image: Any, layer: str | None, words: Words
) -> Figure:
    if what not in WHAT:
        raise OptionError("what", f"found '{printable(what)}'{did_you_mean(what, WHAT)}")
    if image is not None and what in ("architecture", "filters"):
        raise OptionError("image", f"{what} needs none; expected it with features or saliency")
    if layer is not None and what in ("architecture", "saliency"):
        raise OptionError("layer", f"{what} shows all; expected it with filters or features")
    if what == "architecture":
        return architecture(network if isinstance(network, Plan) else network.plan, words=words)
    if not isinstance(network, Model):
        raise OptionError("what", f"{what} needs a model, as build() and load() make")
    if what == "filters":
        return filters(network, layer, words=words)
    if image is None:
        raise OptionError("image", f"{what} needs one: an array, or the path of a picture")
    given = _given(network, image)
    if what == "features":
        return features(network, given, layer, words=words)
    return saliency(network, given, words=words)


def _given(model: Model, image: Any) -> Shown:
    if isinstance(image, Shown):
        return image
    if isinstance(image, str | Path):
        return Shown.of_file(model, user_path(image))
    return Shown(np.asarray(image))


def architecture(plan: Plan, *, words: Words = ENGLISH, title: str | None = None) -> Figure:
    """The plan drawn; by default under its name."""
    return architecture_figure(plan, title=plan.spec.name if title is None else title, words=words)


def filters(
    network: Network,
    name: str | None = None,
    *,
    words: Words = ENGLISH,
    title: str | None = None,
) -> Figure:
    """The weights of a layer, or of a tensor such as `conv1.weight`; by default the first ones."""
    tensor, weights = weights_of(network, name)
    heading = network.plan.spec.name if title is None else title
    return filters_figure(weights, tensor=tensor, title=heading, words=words)


def weights_of(network: Network, name: str | None = None) -> tuple[str, NDArray[Any]]:
    """A tensor's name, and its values as (O, I, kh, kw), or (O, F) where the inputs are no image.

    Of a layer with several it is the first. Raises OptionError where there is no such weight.
    """
    tensors = {key: values for key, values in network.tensors().items() if values.ndim in (2, 4)}
    owners = {key: _owner(network.plan, key) for key in tensors}
    if not tensors:
        raise OptionError("what", "the network has no weights to show")
    matching = [key for key, layer in owners.items() if name in (None, key, layer.name)]
    if not matching:
        _expect_layer(network.plan, str(name))
        having = ", ".join(dict.fromkeys(printable(layer.name) for layer in owners.values()))
        message = f"{printable(name)} has no weights to show; those that have: {having}"
        raise OptionError("layer", message)
    key = matching[0]
    values, in_shape = tensors[key], owners[key].in_shape
    if values.ndim == 2 and len(in_shape) == 3 and values.shape[1] == math.prod(in_shape):
        values = values.reshape(len(values), *in_shape)
    return key, values


def _expect_layer(plan: Plan, name: str) -> None:
    names = [layer.name for layer in plan.layers]
    if name not in names:
        message = f"the network has no '{printable(name)}'{did_you_mean(name, names)}"
        raise OptionError("layer", message)


def _owner(plan: Plan, tensor: str) -> LayerPlan:
    return max(
        (layer for layer in plan.layers if tensor.startswith(f"{layer.name}.")),
        key=lambda layer: len(layer.name),
    )


def features(
    model: Model,
    shown: Shown,
    layer: str | None = None,
    *,
    words: Words = ENGLISH,
    title: str | None = None,
) -> Figure:
    """What every layer, or one, makes of an image."""
    if layer is not None:
        _expect_layer(model.plan, layer)
    made = {name: values[0] for name, values in model.activations(shown.image[None]).items()}
    return features_figure(
        _entering(model, shown),
        made if layer is None else {layer: made[layer]},
        title=model.plan.spec.name if title is None else title,
        answer=_answer(model, shown),
        note=shown.note(words),
        words=words,
    )


def saliency(model: Model, shown: Shown, *, words: Words = ENGLISH) -> Figure:
    """The image beside the gradient of the answer. Raises OptionError for rows of features."""
    if len(model.plan.spec.input) != 3:
        raise OptionError("what", "saliency needs a network of images; this takes rows of values")
    answer = _answer(model, shown)
    return saliency_figure(
        _entering(model, shown),
        model.saliency(shown.image[None])[0],
        name=answer.name if answer else "0",
        title=model.plan.spec.name,
        told=answer.told(words) if answer else "",
        note=shown.note(words),
        words=words,
    )


def _entering(model: Model, shown: Shown) -> NDArray[Any]:
    """The image as it enters the first layer."""
    batch = np.asarray(shown.image)[None]
    if len(model.image_shape) == 3:
        batch = batch.reshape(-1, *model.image_shape)
    return model.pipeline.images(batch, model.dtype)[0]


def _answer(model: Model, shown: Shown) -> Answer | None:
    if model.is_regression:
        return None
    return Answer(model.classes, model.probabilities(shown.image[None])[0])
