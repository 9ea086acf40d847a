"""`lenetkit summary`."""

from __future__ import annotations

from typing import Any

import click

from lenetkit.arrays import Shape, shape_text
from lenetkit.cli.arguments import json_option, with_plan
from lenetkit.cli.output import echo, print_json, table
from lenetkit.network.layer_plan import LayerPlan
from lenetkit.network.plan import Plan

_RIGHT = ("output", "rec. field", "params", "MACs", "connections")
_HEADERS = ("layer", "type", "provider", *_RIGHT)


@click.command(name="summary", epilog="Example: lenetkit summary specs/lenet5.yaml")
@with_plan()
@json_option
def command(plan: Plan, as_json: bool) -> None:
    """Show a network layer by layer: shapes, parameters, cost.

    The receptive field ('rec. field') is the height × width of the input, in pixels, that a value
    depends on; '?' after a layer that does not say what it reads. MACs are multiply-adds per image
    in the forward pass; connections count each unit's inputs and its bias, as LeCun et al. (1998)
    do. Needs no data.
    """
    if as_json:
        print_json(facts(plan))
        return
    echo(f"{plan.spec.name}: input {shape_text(plan.spec.input)}\n")
    numbers = (plan.count(), plan.cost.macs, plan.cost.connections)
    total = ("total", "", "", "", "", *(f"{number:,}" for number in numbers))
    echo(table([*map(_row, plan.layers, plan.receptive_fields())], _HEADERS, _RIGHT, total))
    untrained = plan.count() - plan.count(trainable_only=True)
    if untrained:
        echo(f"\n{untrained:,} of the parameters are not trained.")


def facts(plan: Plan) -> dict[str, Any]:
    """The summary as JSON values."""
    return {
        "name": plan.spec.name,
        "input": list(plan.spec.input),
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "provider": layer.provider.distribution if layer.provider else None,
                "output_shape": list(layer.out_shape),
                "receptive_field": list(field) if field else None,
                "params": layer.count(),
                "trainable_params": layer.count(trainable_only=True),
                "macs": layer.cost.macs,
                "connections": layer.cost.connections,
            }
            for layer, field in zip(plan.layers, plan.receptive_fields(), strict=True)
        ],
        "total_params": plan.count(),
        "trainable_params": plan.count(trainable_only=True),
        "total_macs": plan.cost.macs,
        "total_connections": plan.cost.connections,
    }


def _row(layer: LayerPlan, field: Shape | None) -> list[str]:
    provider = layer.provider.distribution if layer.provider else ""
    numbers = (layer.count(), layer.cost.macs, layer.cost.connections)
    seen = shape_text(field) if field else "?"
    shown = [f"{number:,}" if number else "" for number in numbers]
    return [layer.name, layer.type, provider, shape_text(layer.out_shape), seen, *shown]
