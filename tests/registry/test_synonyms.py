"""The names of other frameworks lead to names that exist."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lenetkit.cli.train import command
from lenetkit.errors import NotInstalledError, SpecError
from lenetkit.network.plan import load_plan, plan_text, plan_tree
from lenetkit.options import options_of
from lenetkit.registry.catalog import GROUPS, Catalog, installed
from lenetkit.registry.discovery import find_entry_points
from lenetkit.registry.synonyms import (
    DISTRIBUTIONS,
    OPTION_NOTES,
    OPTIONS,
    TYPE_NOTES,
    TYPES,
    option_meant,
    plain,
    provider_of,
    type_hint,
)
from lenetkit.spec.merge import Override, parse_text
from lenetkit.spec.sections import COMMON_LAYER_KEYS, spec_keys

ROOT = Path(__file__).parents[2]
KINDS = {base.kind: base for base in GROUPS.values()}


def names(kind: str) -> set[str]:
    """The built-in types of a kind."""
    entries = installed().registry(KINDS[kind]).entries()
    return {entry.name for entry in entries if entry.provider.distribution == "lenetkit"}


def only_built_ins() -> Catalog:
    """What a plain installation finds."""
    points, _ = find_entry_points(tuple(GROUPS))
    return Catalog(point for point in points if point.dist and point.dist.name == "lenetkit")


def problem(*changes: str) -> str:
    """The one problem of the shipped lenet5 with these changes."""
    with pytest.raises(SpecError) as caught:
        load_plan("lenet5", [Override.from_text(text) for text in changes])
    (found,) = caught.value.problems
    return found.message


def test_every_type_that_is_suggested_exists() -> None:
    for kind, table in TYPES.items():
        elsewhere = {n for kinds in DISTRIBUTIONS.values() for n in kinds.get(kind, "").split()}
        assert set(table) <= names(kind) | elsewhere, kind
    assert set(TYPE_NOTES) <= set(KINDS)


def test_every_option_that_is_suggested_exists() -> None:
    known = set(spec_keys(installed())) | COMMON_LAYER_KEYS
    for kind, base in KINDS.items():
        for name in names(kind):
            known |= {opt.name for opt in options_of(installed().registry(base).get(name))}
    known |= {param.name for param in command.params if param.name}
    assert set(OPTIONS) <= known | {"json"}


def test_names_are_written_as_they_are_compared() -> None:
    tables = [*TYPES.values(), OPTIONS, OPTION_NOTES, *TYPE_NOTES.values()]
    for theirs in (word for table in tables for text in table.values() for word in text.split()):
        assert theirs == plain(theirs)


def test_distributions_provide_what_their_pyproject_says() -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for path in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        found[project["name"]] = {
            GROUPS[group].kind: set(table)
            for group, table in project["entry-points"].items()
            if group in GROUPS
        }
    said = {
        name: {kind: set(types.split()) for kind, types in kinds.items()}
        for name, kinds in DISTRIBUTIONS.items()
    }
    assert said == found


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [
        ("layer", "nn.Conv2d", "conv2d"),
        ("layer", "Conv2D", "conv2d"),
        ("layer", "tf.keras.layers.MaxPooling2D", "max_pool2d"),
        ("layer", "AveragePooling2D", "avg_pool2d"),
        ("layer", "Dense", "linear"),
        ("layer", "BatchNormalization", "batch_norm2d"),
        ("layer", "LeakyReLU", "leaky_relu"),
        ("layer", "GELU", "gelu"),
        ("layer", "tf.nn.swish", "silu"),
        ("layer", "nn.LayerNorm", "layer_norm"),
        ("layer", "GroupNormalization", "group_norm"),
        ("layer", "GlobalAveragePooling2D", "global_avg_pool2d"),
        ("layer", "nn.AdaptiveAvgPool2d", "global_avg_pool2d"),
        ("layer", "UpSampling2D", "upsample2d"),
        ("loss", "BCEWithLogitsLoss", "binary_cross_entropy"),
        ("loss", "SmoothL1Loss", "huber"),
        ("loss", "CrossEntropyLoss", "softmax_cross_entropy"),
        ("loss", "nll_loss", "softmax_cross_entropy"),
        ("loss", "categorical_crossentropy", "softmax_cross_entropy"),
        ("loss", "mse", "mean_squared_error"),
        ("loss", "MSELoss", "mean_squared_error"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "torch.optim.SGD", "sgd"),
        ("schedule", "StepLR", "step"),
        ("schedule", "CosineAnnealingLR", "cosine"),
        ("schedule", "OneCycleLR", "one_cycle"),
        ("schedule", "CosineAnnealingWarmRestarts", "cosine_warm_restarts"),
        ("schedule", "ReduceLROnPlateau", "reduce_on_plateau"),
        ("optimizer", "torch.optim.RMSprop", "rmsprop"),
        ("initializer", "kaiming", "he_normal"),
        ("initializer", "kaiming_normal_", "he_normal"),
        ("initializer", "glorot_uniform", "xavier_uniform"),
        ("transform", "ToTensor", "scale"),
        ("transform", "transforms.Normalize", "normalize"),
        ("transform", "RandomHorizontalFlip", "flip"),
        ("transform", "RandomCrop", "crop"),
    ],
)
def test_types_of_other_frameworks(kind: str, theirs: str, ours: str) -> None:
    assert type_hint(kind, theirs, names(kind)) == f"; did you mean '{ours}'?"


def test_a_name_that_is_not_registered_is_not_suggested() -> None:
    assert "conv2d" not in type_hint("layer", "Conv2D", {"relu", "tanh"})


@pytest.mark.parametrize(
    ("theirs", "valid", "ours"),
    [
        ("filters", ("out_channels", "stride"), "out_channels"),
        ("units", ("out_features", "bias"), "out_features"),
        ("strides", ("stride",), "stride"),
        ("pool_size", ("kernel_size",), "kernel_size"),
        ("rate", ("p",), "p"),
        ("num_epochs", ("epochs",), "epochs"),
        ("learning_rate", ("lr",), "lr"),
        ("lr_decay", ("schedule",), "schedule"),
        ("beta_1", ("betas",), "betas"),
        ("hidden_units", ("out_features",), "out_features"),
        ("batchSize", ("batch_size",), "batch_size"),
    ],
)
def test_options_of_other_frameworks(theirs: str, valid: tuple[str, ...], ours: str) -> None:
    assert option_meant(theirs, valid) == ours


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("learning_rate", "train.optimizer.lr"),
        ("optimizer", "train.optimizer"),
        ("model", "layers"),
        ("network", "layers"),
        ("training", "train"),
        ("dataset", "data"),
        ("val_split", "data.validation"),
        ("criterion", "loss"),
    ],
)
def test_keys_at_the_wrong_place_name_the_right_one(key: str, place: str) -> None:
    assert problem(f"{key}=3").endswith(f"did you mean '{place}'?")


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("momentum", "'train.optimizer.momentum' (of rmsprop and sgd)"),
        ("train.optimizer.nesterov", "'train.optimizer.nesterov' (of sgd)"),
        ("train.schedule.milestones", "'train.schedule.boundaries' (of piecewise)"),
        ("train.criterion", "'loss' at the top of the spec"),
        ("train.init", "'init' at the top of the spec"),
    ],
)
def test_a_place_that_only_some_types_have_names_them(key: str, place: str) -> None:
    assert problem(f"{key}=3").endswith(f"did you mean {place}?")


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("transform", "Grayscale"),
        ("transform", "Binarize"),
        ("data set", "Omniglot"),
        ("layer", "Conv1d"),
        ("layer", "MaxPool3d"),
        ("layer", "BatchNorm1d"),
        ("layer", "Bilinear"),
        ("layer", "LSTM"),
        ("layer", "AlphaDropout"),
        ("initializer", "keras"),
        ("initializer", "random"),
        ("loss", "CTCLoss"),
    ],
)
def test_another_thing_is_not_taken_for_a_misspelt_name(kind: str, theirs: str) -> None:
    assert "did you mean" not in type_hint(kind, theirs, names(kind))


@pytest.mark.parametrize(
    "change",
    [
        "layers.conv1.kernel_constraint=3",
        "layers.pool1.mode=3",
        "train.alpha=3",
        "data.label_mode=3",
        "data.train_part=3",
        "classes=3",
        "labels=3",
        "init.b=3",
    ],
)
def test_another_option_is_not_taken_for_a_misspelt_name(change: str) -> None:
    assert "did you mean" not in problem(change)


@pytest.mark.parametrize(
    ("kind", "typo", "ours"),
    [
        ("initializer", "kaimin_normal", "he_normal"),
        ("initializer", "glorot_unifrom", "xavier_uniform"),
        ("loss", "sparse_catgorical_crossentropy", "softmax_cross_entropy"),
        ("loss", "CrosEntropyLoss", "softmax_cross_entropy"),
        ("layer", "MaxPoling2D", "max_pool2d"),
        ("layer", "reul", "relu"),
        ("optimizer", "sdg", "sgd"),
        ("schedule", "CosineAnealing", "cosine"),
        ("transform", "ToTensr", "scale"),
    ],
)
def test_a_misspelt_name_of_another_framework_leads_to_ours(
    kind: str, typo: str, ours: str
) -> None:
    assert type_hint(kind, typo, names(kind)) == f"; did you mean '{ours}'?"


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        ("layers.conv1.filtrs=3", "out_channels"),
        ("layers.conv1.units=3", "out_channels"),
        ("layers.fc1.out_channels=3", "out_features"),
        ("layers.pool1.size=3", "kernel_size"),
        ("train.optimizer.learnig_rate=3", "lr"),
        ("data.test_size=0.1", "test_share"),
        ("data.transforms=[{type: random_affine, angle: 3}]", "degrees"),
    ],
)
def test_an_option_leads_to_the_one_that_means_it(change: str, ours: str) -> None:
    assert f"did you mean '{ours}'?" in problem(change)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        (
            ("layers.pool2=GlobalMaxPooling2D",),
            "use max_pool2d with kernel_size = the map's size, 8 here",
        ),
        (("train.optimizer.type=AdamW",), "use adam: its weight_decay is decoupled, as AdamW's"),
        (("layers.relu1=PReLU",), "the nearest is relu or leaky_relu; "),
        (("layers.relu1=Mish",), "the nearest is silu"),
        (("layers.relu1=LogSoftmax",), "the loss softmax_cross_entropy includes it"),
        (("loss.class_weight=[1, 2]", "loss.type=softmax_cross_entropy"), "did you mean 'weight'?"),
        (("train.label_smoothing=0.1",), "an option of the loss softmax_cross_entropy"),
        (("layers.conv1.activation=relu",), "an activation is a layer of its own: `relu1: relu`"),
        (("layers.pool1.padding=same", "layers.pool1.kernel_size=5"), "'same' is padding: 2 here"),
        (("layers.conv1.padding=SAME",), "found 'SAME'; did you mean 'same'?"),
        (("layers.conv1.padding=valid",), "'valid' is padding: 0"),
        (("layers.pool1.padding=same",), "'same' is padding: [[0, 1], [0, 1]] here, with stride 1"),
        (("train.optimizer.decay=0.1",), "weight_decay shrinks the weights; train.schedule lowers"),
        (("train.device=cuda",), "lenetkit computes on the CPU"),
    ],
)
def test_the_nearest_thing_is_said(changes: tuple[str, ...], hint: str) -> None:
    assert hint in problem(*changes)


def test_channels_last_are_pointed_out_where_they_are_written() -> None:
    message = "[28, 28, 1] is 28 channels of 28×1 pixels, too small for these layers; "
    message += "expected [channels, height, width]; did you mean [1, 28, 28]?"
    assert problem("input=[28, 28, 1]") == message


def test_a_distribution_that_is_not_installed_is_named_once() -> None:
    text = (ROOT / "specs" / "lenet1.yaml").read_text("utf-8")
    with pytest.raises(SpecError) as caught:
        plan_tree(parse_text(text, "lenet1.yaml"), only_built_ins())
    assert str(caught.value) == (
        "lenet1.yaml: needs lenetkit-classic, which is not installed: pip install lenetkit-classic "
        "(from a checkout: pip install plugins/lenetkit-classic)\n"
        "    it provides scaled_tanh, subsample2d, partial_conv2d"
    )


def test_other_commands_name_the_distribution_too() -> None:
    kernels = only_built_ins().registry(KINDS["kernel set"])
    with pytest.raises(NotInstalledError, match="pip install lenetkit-numba"):
        kernels.get("numba")
    assert provider_of("layer", "SeparableConv2D") == ("lenetkit-convolutions", "separable_conv2d")


HEAD = "lenetkit: 1\nname: n\ninput: [1, 28, 28]\nlayers:\n  fc: {type: linear, out_features: 10}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train:\n  epochs：3\n  seed: 0\n", "f:7:9: not valid YAML: found ：; replace the full-"),
        ("train:\n  epochs：3\n", "replace the full-width '：' by ': '"),
        ("train: {epochs: 3，seed: 0}\n", "f:6:18: not valid YAML: found ，; replace"),
        ("train:\n  epochs:3\n", "write 'epochs: 3', with a space after the colon"),
        ("train:\n  epochs:3\n  seed: 0\n", "f:7:9: not valid YAML: write 'epochs: 3', with"),
        ("train: {optimizer: {type:sgd}}\n", "write 'type: sgd', with a space after the colon"),
        ('data: {type: idx, dir: "C:\\Users\\me"}\n', "single quotes, or with forward slashes"),
        ('data: {type: idx, dir: "D:\\data"}\n', "single quotes, or with forward slashes"),
        ('data: {type: idx, dir: "C:\\temp\\new"}\n', "single quotes, or with forward slashes"),
        ("train:\n\tepochs: 3\n", "found a tab; indent with spaces"),
        ("train: {optimizer: {type: sgd, lr: 0,1}}\n", "a decimal number has a point"),
        (
            "train:\n  optimizer: adam\n    lr: 0.1\n",
            "allowed here; write options as {type: …",
        ),
        ("train:\n  epochs: 3\n seed: 0\n", "f:8:2: not valid YAML: this line is not indented as"),
        ("loss = mse\n", "f:6:1: not valid YAML: write 'loss: mse'"),
        ("train: {optimizer: {type: sgd, lr: 1e–3}}\n", "found '1e–3'; write 1e-3"),
        ("train: {epochs: 1_000}\n", "found '1_000'; write 1000"),
        ("train: {shuffle: yes}\n", "found 'yes'; write true"),
        ("data: {type: mnist, validation: 10%}\n", "found '10%'; write 0.1"),
        ("data: {type: mnist, fallback: None}\n", "'None'; write null"),
        ("data: {type: mnist, limit: None}\n", "found 'None'; write null"),
        ("train:\n  optimizer:\n  - type: adam\n", "found [a mapping]; write one, without dashes"),
        ("loss: “mse”\n", 'replace the curly “ by ", the curly ” by "'),
    ],
)
def test_slips_of_the_keyboard_are_named(text: str, expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan_text(HEAD + text, "f")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("28x28", "; write [1, 28, 28]"),
        ("1×28×28", "; write [1, 28, 28]"),
        ("(1, 28, 28)", "; write [1, 28, 28]"),
        ("784", "; write [784]"),
        ("[28, 28]", "; did you mean [1, 28, 28]?"),
    ],
)
def test_the_input_shape_is_written_out(value: str, hint: str) -> None:
    assert problem(f"input={value}").endswith(hint)


def test_layers_in_a_list_get_names() -> None:
    with pytest.raises(SpecError, match=r"found \['relu'\]; write a name for each layer"):
        plan_text("lenetkit: 1\nname: n\ninput: [1, 28, 28]\nlayers:\n  - relu\n", "f")


def test_full_width_characters_in_a_title_are_fine() -> None:
    plan_text(HEAD + "data: {type: idx, title: 数据：手写，一}\n", "f")
