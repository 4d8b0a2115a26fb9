"""Which units a head depends on, and a head as wide as the network again."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from den.networks.layers import Layer


def select(hidden: Sequence[Layer], head: Layer) -> list[Tensor]:
    """Return the units with a path of non-zero weights to the head, input features first (Algorithm 2, lines 2-5).

    Breadth-first from the head downwards: a whole layer's units are reached at once.
    """
    reached = [read(head.weight)]
    for layer in reversed(hidden):
        reached.insert(0, read(layer.weight[reached[0]]))
    return reached


def read(weight: Tensor) -> Tensor:
    """Return the inputs, of a convolution channels, that any unit reads with a weight that is not zero."""
    return weight.transpose(0, 1).flatten(1).any(dim=1).nonzero().squeeze(1)


def widen(head: Layer, selected: Tensor, inputs: int) -> Layer:
    """Return the head of a sub-network over all `inputs`, zero where a unit was not selected."""
    weight = torch.zeros(head.units, inputs, device=head.weight.device)
    weight[:, selected] = head.weight
    return replace(head, weight=weight)
