"""`lenetkit spec`."""

from __future__ import annotations

import click

from lenetkit.cli.arguments import SHORT, with_plan
from lenetkit.cli.output import echo
from lenetkit.network.plan import Plan


@click.command(name="spec", epilog="Example: lenetkit spec lenet5-sigmoid > mine.yaml")
@with_plan(short=tuple(SHORT))
def command(plan: Plan) -> None:
    """Print a spec with everything resolved, as YAML.

    `extends` and --set are applied; defaults and inferred options are written out.
    """
    echo(plan.to_yaml(), nl=False)
