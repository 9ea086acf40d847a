"""`lenetkit summary`."""

from __future__ import annotations

from typing import Any

import click

from lenetkit.arrays import shape_text
from lenetkit.cli.arguments import (
    json_option,
    plugin_option,
    print_json,
    set_option,
    spec_argument,
    table,
)
from lenetkit.network.plan import LayerPlan, Plan, load_plan
from lenetkit.spec.merge import Override

_HEADERS = ("layer", "type", "provider", "output", "params", "MACs", "connections")
_RIGHT = ("output", "params", "MACs", "connections")


@click.command(name="summary", epilog="Example: lenetkit summary specs/lenet5.yaml")
@spec_argument
@set_option
@plugin_option
@json_option
def command(spec: str, changes: tuple[str, ...], as_json: bool) -> None:
    """Show a network layer by layer: shapes, parameters, cost.

    MACs are multiply-adds an image in the forward pass; connections count each unit's inputs and
    its bias, as LeCun et al. (1998) do. Needs no data.
    """
    plan = load_plan(spec, [Override.from_text(text) for text in changes])
    if as_json:
        print_json(facts(plan))
        return
    click.echo(f"{plan.spec.name}: input {shape_text(plan.spec.input)}\n")
    rows = [_row(layer) for layer in plan.layers]
    cost = plan.cost
    total = ("total", "", "", "", f"{plan.count():,}", f"{cost.macs:,}", f"{cost.connections:,}")
    lines = table([*rows, total], _HEADERS, _RIGHT).splitlines()
    lines.insert(-1, lines[1])
    click.echo("\n".join(lines))
    untrained = plan.count() - plan.count(trainable_only=True)
    if untrained:
        click.echo(f"\n{untrained:,} of the parameters are not trained.")


def facts(plan: Plan) -> dict[str, Any]:
    """What the summary says, as JSON values."""
    return {
        "name": plan.spec.name,
        "input": list(plan.spec.input),
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "provider": layer.provider.distribution if layer.provider else None,
                "output_shape": list(layer.out_shape),
                "params": layer.count(),
                "trainable_params": layer.count(trainable_only=True),
                "macs": layer.cost.macs,
                "connections": layer.cost.connections,
            }
            for layer in plan.layers
        ],
        "total_params": plan.count(),
        "trainable_params": plan.count(trainable_only=True),
        "total_macs": plan.cost.macs,
        "total_connections": plan.cost.connections,
    }


def _row(layer: LayerPlan) -> tuple[str, ...]:
    return (
        layer.name,
        layer.type,
        layer.provider.distribution if layer.provider else "",
        shape_text(layer.out_shape),
        f"{layer.count():,}" if layer.params else "",
        f"{layer.cost.macs:,}" if layer.cost.macs else "",
        f"{layer.cost.connections:,}" if layer.cost.connections else "",
    )
