"""`lenetkit spec`."""

from __future__ import annotations

import click

from lenetkit.cli.arguments import plugin_option, set_option, spec_argument
from lenetkit.network.plan import load_plan
from lenetkit.spec.merge import Override


@click.command(name="spec", epilog="Example: lenetkit spec lenet5-sigmoid > mine.yaml")
@spec_argument
@set_option
@plugin_option
def command(spec: str, changes: tuple[str, ...]) -> None:
    """Print a spec with everything resolved, as YAML.

    `extends` and --set are applied, defaults and inferred options written out.
    """
    plan = load_plan(spec, [Override.from_text(text) for text in changes])
    click.echo(plan.to_yaml(), nl=False)
