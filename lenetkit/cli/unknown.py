"""What an option that a command does not have may mean."""

from __future__ import annotations

import click

from lenetkit.errors import nearest
from lenetkit.registry.catalog import GROUPS, installed
from lenetkit.registry.synonyms import option_meant, option_note, plain
from lenetkit.spec.sections import spec_keys

_PLACES = {
    "layer": "'layers.NAME={{type: {}, after: LAYER}}'",
    "loss": "loss={}",
    "optimizer": "train.optimizer.type={}",
    "schedule": "train.schedule.type={}",
    "initializer": "init={}",
    "data set": "data.type={}",
}


def hint(option: str, command: click.Command) -> str:
    """To append to `no such option '--momentum'`: an option of the command, or what to `--set`."""
    name = option.lstrip("-").replace("-", "_")
    valid = [each for param in command.params for each in param.opts if each.startswith("--")]
    own = {each.removeprefix("--").replace("-", "_"): each for each in valid}
    if meant := option_meant(name, own):
        return f"; did you mean '{own[meant]}'?"
    if change := _change(name):
        return f"; write --set {change}" if "set" in own else f"; it is {change} in a spec"
    if note := option_note(name):
        return f": {note}"
    near = nearest(name, own) if len(name) > 2 else None  # two letters are close to anything
    return f"; did you mean '{own[near]}'?" if near else f"; valid: {', '.join(sorted(valid))}"


def _change(name: str) -> str | None:
    """What to set for it: the key that is called so, or the type."""
    if place := option_meant(name, (), spec_keys(installed())):
        return place if isinstance(place, str) else f"{place.path}=…{place.whose}"
    for base in GROUPS.values():
        for each in installed().registry(base).names():
            if base.kind in _PLACES and plain(each) == plain(name):
                return _PLACES[base.kind].format(each)
    return None
