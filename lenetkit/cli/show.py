"""`lenetkit show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lenetkit.cli.arguments import UserPath, data_dir_option, plugin_option
from lenetkit.cli.output import echo, report
from lenetkit.errors import DataError, ImageError, InputError
from lenetkit.files.opening import user_path
from lenetkit.network.plan import Plan, load_plan
from lenetkit.text import printable

if TYPE_CHECKING:
    from lenetkit.model.model import Model
    from lenetkit.showing import Shown

_KINDS = ("architecture", "filters", "features", "saliency")
_OF_IMAGES = ("features", "saliency")
_OF_LAYERS = ("filters", "features")


@click.command(
    name="show",
    epilog="Example: lenetkit show runs/lenet5/001/model.safetensors --what features "
    "--image photo.jpg",
)
@click.argument("model", metavar="MODEL")
@click.option(
    "--what",
    type=click.Choice(_KINDS),
    default="architecture",
    show_default=True,
    help="What to draw.",
)
@click.option(
    "--layer",
    metavar="NAME",
    help="For filters, the layer or tensor (conv2, conv2.weight) instead of the first with "
    "weights; for features, this layer alone.",
)
@click.option(
    "--image",
    type=UserPath(),
    metavar="FILE",
    help="For features and saliency: a picture, prepared as predict does; of several digits the "
    "leftmost.  [default: the first test image of the model's data set]",
)
@click.option(
    "--out",
    type=UserPath(dir_okay=False),
    metavar="FILE",
    help="The picture to write: .png, .svg or .pdf.  [default: WHAT.png]",
)
@click.option(
    "--lang",
    type=click.Choice(("en", "zh")),
    default="en",
    show_default=True,
    help="The language of the picture.",
)
@plugin_option
@data_dir_option
def command(
    model: str,
    what: Any,
    layer: str | None,
    image: Path | None,
    out: Path | None,
    lang: str,
    data_dir: Path | None,
) -> None:
    """Draw a network: its architecture, weights, feature maps, saliency.

    \b
    architecture  maps as stacked planes, as in figure 2 of LeCun et al. (1998)
    filters       the weights of a layer, 0 white
    features      what every layer makes of an image
    saliency      the gradient of the answer by the image (Simonyan et al. 2013)

    MODEL is a model file or a run folder; for the architecture, a spec will do.
    """
    from lenetkit import plots, showing

    _expect_together(what, layer, image, data_dir)
    network = _network(model, what)
    given = None
    if not isinstance(network, Plan) and what in _OF_IMAGES:
        given = _image(network, image, data_dir)
        if advice := plots.font_advice(*network.classes, given.file, given.first_test):
            report(advice)
    figure = showing.show(network, what, image=given, layer=layer, lang=lang)
    echo(printable(plots.save_figure(figure, out or Path(f"{what}.png"))))


def _expect_together(
    what: str, layer: str | None, image: Path | None, data_dir: Path | None
) -> None:
    """Raise UsageError for an option that this picture would ignore."""
    for option, value, kinds in (
        ("--layer", layer, _OF_LAYERS),
        ("--image", image, _OF_IMAGES),
        ("--data-dir", data_dir, _OF_IMAGES),
    ):
        if value is not None and what not in kinds:
            raise click.UsageError(f"{option} goes with --what {' or '.join(kinds)}, not {what}")
    if image is not None and data_dir is not None:
        raise click.UsageError(
            "--data-dir is where test images are, so it does not go with --image"
        )


def _network(name: str, what: str) -> Model | Plan:
    """The model; where the architecture will do, the plan of a spec."""
    from lenetkit.model import model

    path = user_path(name)
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml") and (kind or path.exists()):
        return model.load(path)
    plan = load_plan(name)
    if what != "architecture":
        raise InputError(
            f"{printable(name)}: is a spec; expected for {what} a model, as lenetkit train writes"
        )
    return plan


def _image(network: Model, path: Path | None, data_dir: Path | None) -> Shown:
    """The picture in a file, or the first test image of the model's data set."""
    from lenetkit.model.model import ARRAYS
    from lenetkit.showing import Shown
    from lenetkit.training.data import load_samples, place_for

    if path is not None:
        return Shown.of_file(network, path)
    if network.dataset == ARRAYS and data_dir is None:
        raise ImageError(
            "no --image FILE is given, and the model was trained on arrays from Python, which it "
            'does not hold; from Python: lenetkit.show(model, "features", image=X[0])'
        )
    try:
        place = place_for(network.plan, data_dir, report, may_create=False)
        samples, _ = load_samples(network.plan, "test", place)
        if not len(samples):
            raise DataError(f"{samples.called} has no test images")
    except DataError as error:
        raise ImageError(
            f"no --image FILE is given, and no test image was found: {error}"
        ) from error
    return Shown(samples.images[0], first_test=samples.dataset)
