"""The registry, with entry points of our own: lazy, and its errors name who is at fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, PathDistribution
from pathlib import Path
from typing import Any

import pytest

from lenetkit.errors import PluginError, SpecError
from lenetkit.layers.activations import ReLU, Tanh
from lenetkit.layers.base import Layer
from lenetkit.losses import Loss
from lenetkit.network.plan import plan_tree
from lenetkit.registry.api_version import API_GROUP, migration_page
from lenetkit.registry.catalog import GROUPS, Catalog, Provider, Registry, installed
from lenetkit.registry.plugin_file import add_file
from lenetkit.spec.merge import parse_text


@pytest.fixture
def distribution(tmp_path: Path) -> Callable[[str, str], Distribution]:
    """`distribution(name, version)` → a distribution as an installer leaves it."""

    def make(name: str, version: str = "1.0") -> Distribution:
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text)
        return PathDistribution(folder)

    return make


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """`module(name, source)` → the name of an importable module with that source."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


def point(
    name: str, target: str, dist: Distribution | None = None, group: str = Layer.group
) -> EntryPoint:
    """An entry point, as found in a distribution."""
    made = EntryPoint(name, target, group)
    if dist is not None:
        vars(made)["dist"] = dist
    return made


def layers(*points: EntryPoint) -> Registry[Layer]:
    return Catalog(points).registry(Layer)


def test_names_are_sorted_and_import_nothing() -> None:
    registry = layers(point("b", "no_such_module:B"), point("a", "no_such_module:A"))
    assert registry.names() == ["a", "b"]
    assert [entry.target for entry in registry.entries()] == [
        "no_such_module:A",
        "no_such_module:B",
    ]


def test_only_the_class_asked_for_is_imported(module: Callable[[str, str], str]) -> None:
    module("bad_plugin", "raise RuntimeError('must not be imported')")
    registry = layers(
        point("relu", "lenetkit.layers.activations:ReLU"), point("bad", "bad_plugin:Bad")
    )
    assert registry.get("relu") is ReLU
    assert "bad_plugin" not in sys.modules


def test_a_class_is_imported_once(module: Callable[[str, str], str], monkeypatch: Any) -> None:
    registry = layers(point("relu", "lenetkit.layers.activations:ReLU"))
    first = registry.get("relu")
    monkeypatch.setattr(EntryPoint, "load", lambda self: pytest.fail("loaded again"))
    assert registry.get("relu") is first


def test_unknown_name_has_a_suggestion() -> None:
    registry = layers(point("relu", "x:y"), point("conv2d", "x:y"))
    with pytest.raises(PluginError) as caught:
        registry.get("rleu")
    assert str(caught.value) == "no layer is registered as 'rleu'; did you mean 'relu'?"
    with pytest.raises(PluginError) as caught:
        registry.get("spam")
    assert str(caught.value) == "no layer is registered as 'spam'; valid: conv2d, relu"


def test_suggestions_ignore_case() -> None:
    with pytest.raises(PluginError, match="did you mean 'a'"):
        layers(point("a", "x:y"), point("b", "x:y")).get("A")


def test_unknown_name_in_an_empty_group() -> None:
    with pytest.raises(PluginError) as caught:
        layers().get("relu")
    assert str(caught.value) == "no layer is registered as 'relu'"


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_entries_and_a_name_for_its_kind(group: str) -> None:
    assert installed().entries()[group]
    assert GROUPS[group].kind.islower()


def test_entry_points_of_other_groups_are_ignored() -> None:
    catalog = Catalog([point("a", "x:y", group="console_scripts"), point("b", "x:y")])
    assert catalog.registry(Layer).names() == ["b"]
    assert catalog.registry(Loss).names() == []


def test_a_name_claimed_twice_names_both(distribution: Callable[..., Distribution]) -> None:
    registry = layers(
        point("relu", "lenetkit.layers.activations:ReLU", distribution("one", "1.0")),
        point("relu", "other:ReLU", distribution("two", "2.5")),
    )
    with pytest.raises(PluginError) as caught:
        registry.get("relu")
    assert str(caught.value) == (
        "layer 'relu' is registered by one 1.0 and two 2.5; "
        "write 'one:relu' or 'two:relu', or uninstall one of them"
    )
    assert registry.names() == ["relu"]
    assert len(registry.entries()) == 2
    assert registry.get("one:relu") is ReLU
    assert registry.name_of(ReLU) == "one:relu"


def test_a_builtin_keeps_its_name(distribution: Callable[..., Distribution]) -> None:
    registry = layers(
        point("relu", "lenetkit.layers.activations:Tanh", distribution("greedy")),
        point("relu", "lenetkit.layers.activations:ReLU", distribution("lenetkit")),
    )
    assert registry.get("relu") is ReLU
    assert registry.get("greedy:relu") is Tanh
    assert registry.name_of(ReLU) == "relu"
    assert registry.name_of(Tanh) == "greedy:relu"


def test_a_distribution_for_another_api_is_listed_but_not_used(
    distribution: Callable[..., Distribution],
) -> None:
    old = distribution("old")
    registry = layers(
        point("a", "lenetkit.layers.activations:Tanh", old),
        point("0", "old", old, group=API_GROUP),
        point("b", "lenetkit.layers.activations:ReLU", distribution("new")),
        point("2", "new", distribution("new"), group=API_GROUP),
    )
    assert registry.names() == ["a", "b"]
    assert registry.get("b") is ReLU
    with pytest.raises(PluginError) as caught:
        registry.get("a")
    assert str(caught.value) == (
        "layer 'a' of old 1.0 (lenetkit.layers.activations:Tanh) was built for plugin API 0; "
        "this lenetkit has 2: update the older one"
    )


def test_a_distribution_found_twice_is_one(distribution: Callable[..., Distribution]) -> None:
    """As when the same folder is on `sys.path` twice."""
    target = "lenetkit.layers.activations:ReLU"
    registry = layers(
        point("relu", target, distribution("one")), point("relu", target, distribution("one"))
    )
    assert registry.get("relu") is ReLU
    assert len(registry.entries()) == 1


def test_provider_is_the_distribution(distribution: Callable[..., Distribution]) -> None:
    registry = layers(point("a", "x:y", distribution("one", "1.2")), point("b", "x:y"))
    assert registry.entry("a").provider == Provider("one", "1.2")
    assert str(registry.entry("a").provider) == "one 1.2"
    assert registry.entry("b").provider == Provider("unknown", "0")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit"),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("assert False", "AssertionError"),
        ("Other = 1", "AttributeError: module 'bad_plugin' has no attribute 'Bad'"),
    ],
)
def test_a_plugin_that_does_not_load_names_its_distribution(
    module: Callable[[str, str], str],
    distribution: Callable[..., Distribution],
    source: str,
    reason: str,
) -> None:
    registry = layers(point("bad", f"{module('bad_plugin', source)}:Bad", distribution("one")))
    with pytest.raises(PluginError) as caught:
        registry.get("bad")
    message = str(caught.value)
    assert message.startswith("layer 'bad' of one 1.0 (bad_plugin:Bad) does not load: ")
    assert reason in message
    assert not message.endswith(": ")


def test_ctrl_c_while_a_plugin_loads_is_not_the_plugins_error(
    module: Callable[[str, str], str],
) -> None:
    name = module("bad_plugin", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        layers(point("bad", f"{name}:Bad")).get("bad")


def test_a_plugin_that_failed_is_tried_again(module: Callable[[str, str], str]) -> None:
    registry = layers(point("late", f"{module('late_plugin', 'x = 1')}:ReLU"))
    with pytest.raises(PluginError):
        registry.get("late")
    module("late_plugin", "from lenetkit.layers.activations import ReLU")
    import importlib

    importlib.invalidate_caches()
    assert registry.get("late") is ReLU


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("Bad = 3", "is not a subclass of lenetkit.layers.base.Layer"),
        ("class Bad: pass", "is not a subclass of lenetkit.layers.base.Layer"),
        ("def Bad(): pass", "is not a subclass of lenetkit.layers.base.Layer"),
        (
            "from lenetkit.losses import MeanSquaredError as Bad",
            "is not a subclass of lenetkit.layers.base",
        ),
        (
            "from lenetkit.layers.base import Layer\nclass Bad(Layer): pass",
            "is abstract: it does not define backward, forward, output_shape",
        ),
        (
            "from dataclasses import dataclass\nfrom lenetkit.layers.activations import ReLU\n"
            "@dataclass(frozen=True, kw_only=True)\nclass Bad(ReLU):\n    x: 'NoSuchType' = 1",
            "has unreadable options: NameError: name 'NoSuchType' is not defined",
        ),
    ],
)
def test_objects_that_are_not_layers_are_refused(
    module: Callable[[str, str], str],
    distribution: Callable[..., Distribution],
    source: str,
    reason: str,
) -> None:
    registry = layers(point("bad", f"{module('bad_plugin', source)}:Bad", distribution("one")))
    with pytest.raises(PluginError) as caught:
        registry.get("bad")
    assert str(caught.value).startswith(f"layer 'bad' of one 1.0 (bad_plugin:Bad) {reason}")


def test_name_of_a_class_imports_nothing() -> None:
    registry = layers(
        point("other", "no_such_module:X"), point("relu", "lenetkit.layers.activations:ReLU")
    )
    assert registry.name_of(ReLU) == "relu"


def test_name_of_a_class_registered_under_another_module(
    module: Callable[[str, str], str],
) -> None:
    name = module("again_plugin", "from lenetkit.layers.activations import ReLU as Again")
    registry = layers(point("again", f"{name}:Again"))
    registry.get("again")
    assert registry.name_of(ReLU) == "again"


def test_name_of_an_unregistered_class() -> None:
    with pytest.raises(PluginError) as caught:
        layers(point("relu", "lenetkit.layers.activations:ReLU")).name_of(Tanh)
    assert str(caught.value) == (
        "Tanh is not registered in lenetkit.layers; declare it as an entry point, or name it from "
        "Python: plugins={'NAME': Tanh}"
    )


def test_every_installed_class_has_the_name_it_is_found_by() -> None:
    registry = installed().registry(Layer)
    for name in registry.names():
        if registry.entry(name).provider.distribution == "lenetkit":
            assert registry.name_of(registry.get(name)) == name


def test_a_catalog_creates_each_registry_once() -> None:
    catalog = Catalog([point("a", "x:y")])
    assert catalog.registry(Layer) is catalog.registry(Layer)


def test_plugin_errors_in_a_spec_have_a_position(
    module: Callable[[str, str], str], distribution: Callable[..., Distribution]
) -> None:
    """A spec that does not use the plugin is unaffected."""
    name = module("bad_plugin", "raise RuntimeError('no GPU')")
    others = [e.point for entries in installed().entries().values() for e in entries]
    catalog = Catalog([*others, point("bad", f"{name}:Bad", distribution("one"))])
    text = (
        "lenetkit: 1\nname: n\ninput: [2]\n"
        "layers:\n  fc: {type: linear, out_features: 2}\n  x: {type: bad}\n"
    )
    with pytest.raises(SpecError) as caught:
        plan_tree(parse_text(text, "spec.yaml"), catalog)
    assert str(caught.value) == (
        "spec.yaml:6:13: layers.x: layer 'bad' of one 1.0 (bad_plugin:Bad) does not load: "
        "RuntimeError: no GPU"
    )
    fine = plan_tree(parse_text(text.replace("bad", "relu"), "spec.yaml"), catalog)
    assert fine.layers[1].type == "relu"


def test_a_plugins_layer_is_planned_under_its_name_and_provider(
    distribution: Callable[..., Distribution],
) -> None:
    others = [e.point for entries in installed().entries().values() for e in entries]
    target = f"{_Plugged.__module__}:_Plugged"
    mine = point("plugged", target, distribution("one", "3.1"))
    vars(mine)["load"] = lambda: _Plugged
    text = "lenetkit: 1\nname: n\ninput: [2]\nlayers: {x: plugged}\n"
    (layer,) = plan_tree(parse_text(text, "spec.yaml"), Catalog([*others, mine])).layers
    assert (layer.type, layer.provider) == ("plugged", Provider("one", "3.1"))


@dataclass(frozen=True, kw_only=True)
class _Plugged(ReLU):
    """A layer as a plugin would provide it."""


def test_a_distribution_for_api_1_is_refused_with_the_page_that_helps(
    distribution: Callable[..., Distribution],
) -> None:
    old = distribution("old")
    registry = layers(
        point("a", "lenetkit.layers.activations:Tanh", old),
        point("1", "old", old, group=API_GROUP),
    )
    page = migration_page()
    with pytest.raises(PluginError) as caught:
        registry.get("a")
    assert str(caught.value).endswith(
        f"was built for plugin API 1; this lenetkit has 2: {page} says line by line what to change"
    )
    assert "`state_specs(self, in_shape)`" in page.read_text("utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "from lenetkit.layer import Layer",
        "from lenetkit.kernels.base import Window",
        "from lenetkit.authoring import ParamSpec; ParamSpec((1,), trainable=False)",
        "from lenetkit.authoring import Call; Call(None).kernels",
    ],
)
def test_code_that_looks_like_api_1_leads_to_the_page(tmp_path: Path, line: str) -> None:
    path = tmp_path / "old.py"
    path.write_text(f"{line}\n", "utf-8")
    with pytest.raises(PluginError) as caught:
        add_file(Catalog(()), path)
    assert str(caught.value).endswith(
        f"\n  it looks written for plugin API 1; {migration_page()} says what to change"
    )


def test_other_errors_do_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import lenetkit_nowhere\n", "utf-8")
    with pytest.raises(PluginError) as caught:
        add_file(Catalog(()), path)
    assert "API" not in str(caught.value)
