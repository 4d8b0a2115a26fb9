"""Which units a head depends on, and a head as wide as the network again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from den.networks.layers import Layer


def select(hidden: Sequence[Layer], head: Layer) -> list[Tensor]:
    """Return the units with a path of non-zero weights to the head, input features first (Algorithm 2, lines 2-5).

    Breadth-first from the head downwards: a whole layer's units are reached at once.
    """
    reached = [head.weight.any(dim=0).nonzero().squeeze(1)]
    for layer in reversed(hidden):
        reached.insert(0, layer.weight[reached[0]].any(dim=0).nonzero().squeeze(1))
    return reached


def widen(head: Layer, selected: Tensor, inputs: int) -> Layer:
    """Return the head of a sub-network over all `inputs`, zero where a unit was not selected."""
    weight = torch.zeros(head.units, inputs, device=head.weight.device)
    weight[:, selected] = head.weight
    return Layer(weight, head.bias)
