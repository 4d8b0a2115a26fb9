"""Departures of the released code in how every stage is trained and begins."""

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from den.certificates import Solution
from den.methods.base import Measures
from den.methods.den import Den
from den.networks.expandable import Grown
from den.networks.layers import Chain, Layer
from den.penalties import L1, L2, Penalty
from den.tasks import Split, Task


class DecayEverywhere(Den):
    """Every stage decays every weight that it trains, old ones in Eq. 6 included."""

    def fit(self, chain: Chain, split: Split, generator: Generator, *penalties: Penalty) -> Solution:
        others = [penalty for penalty in penalties if not isinstance(penalty, L2)]
        decay = L2([tensor for tensor in chain.parameters() if tensor.dim() > 1], self.params.weight_decay)
        return super().fit(chain, split, generator, *others, decay)


class PenalisedBiases(Den):
    """Sparsity and decay weigh on biases, too."""

    def fit(self, chain: Chain, split: Split, generator: Generator, *penalties: Penalty) -> Solution:
        return super().fit(chain, split, generator, *(with_biases(penalty, chain) for penalty in penalties))


class RandomBiases(Den):
    """Biases begin at random, as far from zero as Glorot's rule would have it for a vector."""

    def first_task(self, task: Task, generator: Generator) -> Measures:
        for layer in self.network.hidden:
            layer.bias.copy_(random_biases(layer.units, generator))
        return super().first_task(task, generator)

    def new_head(self, task: Task, generator: Generator) -> Layer:
        head = super().new_head(task, generator)
        return replace(head, bias=random_biases(head.units, generator).to(head.bias.device))

    def extension(self, generator: Generator) -> Chain[Grown]:
        grown = super().extension(generator)
        for layer in grown.hidden:
            layer.bias.copy_(random_biases(len(layer.bias), generator))
        return grown


def with_biases(penalty: Penalty, chain: Chain) -> Penalty:
    """Return an L1 or L2 on the biases of the layers that it weighs on, too; other penalties as they are."""
    if not isinstance(penalty, L1 | L2):
        return penalty
    weighed = {id(tensor) for tensor in penalty.tensors}
    layers = [layer.parameters() for layer in chain.layers]
    touched = [layer for layer in layers if weighed & {id(tensor) for tensor in layer}]
    biases = [tensor for layer in touched for tensor in layer if tensor.dim() == 1]
    return replace(penalty, tensors=[*penalty.tensors, *biases])


def random_biases(units: int, generator: Generator) -> Tensor:
    """Return biases within sqrt(3 / units) of zero."""
    limit = math.sqrt(3 / units)
    return torch.empty(units).uniform_(-limit, limit, generator=generator)
