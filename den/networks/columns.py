"""Columns: one chain per task, whose layers also read the layer below in all earlier columns.

A layer reads the units of all columns up to its own, side by side and oldest first. A column is therefore a chain
whose matrices hold its own weights W and the lateral weights U together. Earlier columns never read later ones.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from den.config import Network
from den.networks.blueprint import Blueprint
from den.networks.forms import DENSE, Form
from den.networks.layers import Chain, Layer, fresh

Columns = Sequence[Chain[Layer]]


def units(columns: Columns, depth: int) -> tuple[int, ...]:
    """Return the number of units in each of `depth` hidden layers, summed over the columns."""
    return tuple(sum(column.hidden[layer].units for column in columns) for layer in range(depth))


def new_column(columns: Columns, plan: Blueprint, outputs: int, network: Network, generator: Generator) -> Chain[Layer]:
    """Return an untrained column with the plan's inputs and widths, to the right of `columns`."""
    below = (width + earlier for width, earlier in zip(plan.widths, units(columns, len(plan.widths)), strict=True))
    shapes = zip((*plan.widths, outputs), (plan.inputs, *below), (*plan.forms, DENSE), strict=True)
    *hidden, head = (fresh(width, inputs, network, generator, form) for width, inputs, form in shapes)
    return Chain(hidden, head)


def climb(column: Chain[Layer], x: Tensor, earlier: Sequence[Tensor]) -> list[Tensor]:
    """Return the activations of each hidden layer: those of earlier columns, followed by the column's own."""
    reached = []
    for layer, lateral in zip(column.hidden, earlier, strict=True):
        x = torch.cat([lateral, layer(x).relu_()], dim=1)
        reached.append(x)
    return reached


def activations(columns: Columns, x: Tensor, forms: Sequence[Form]) -> list[Tensor]:
    """Return the activations of each hidden layer, all columns side by side; without columns they have no units."""
    reached = [x.new_empty(len(x), 0, *form.image) for form in forms]
    for column in columns:
        reached = climb(column, x, reached)
    return reached


def answer(columns: Columns, x: Tensor) -> Tensor:
    """Return the logits of the last column: (examples, outputs)."""
    last = columns[-1]
    return last.head(activations(columns, x, [layer.form for layer in last.hidden])[-1])
