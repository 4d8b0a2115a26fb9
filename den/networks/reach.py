"""Selection of the units that a head depends on, and the way back to a head over all units."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from den.networks.layers import Layer


def select(hidden: Sequence[Layer], head: Layer) -> list[Tensor]:
    """Return the units with a path of non-zero weights to the head (Algorithm 2, lines 2-5).

    Returns index tensors, int64: of the input features first, then of each hidden layer. The search is breadth-first
    from the head downwards, one layer at a time.
    """
    reached = [read(head.weight)]
    for layer in reversed(hidden):
        reached.insert(0, read(layer.weight[reached[0]]))
    return reached


def read(weight: Tensor) -> Tensor:
    """Return the inputs (channels for a convolution) that any unit reads with a non-zero weight: indices, int64."""
    return weight.transpose(0, 1).flatten(1).any(dim=1).nonzero().squeeze(1)


def widen(head: Layer, selected: Tensor, inputs: int) -> Layer:
    """Return the head of a sub-network over all `inputs`; its weight is zero on units that are not selected."""
    weight = torch.zeros(head.units, inputs, device=head.weight.device)
    weight[:, selected] = head.weight
    return replace(head, weight=weight)
