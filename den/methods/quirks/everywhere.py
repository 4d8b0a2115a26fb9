"""Departures of the released code in the training and the initialisation of every stage."""

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
from den.tasks import Examples, Task


class DecayEverywhere(Den):
    """Each stage decays all weights that it trains, also the old ones in Eq. 6."""

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        others = [penalty for penalty in penalties if not isinstance(penalty, L2)]
        decay = L2([tensor for tensor in chain.parameters() if tensor.dim() > 1], self.params.weight_decay)
        return super().fit(chain, examples, generator, *others, decay)


class PenalisedBiases(Den):
    """Sparsity and decay act on biases, too."""

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        return super().fit(chain, examples, generator, *(with_biases(penalty, chain) for penalty in penalties))


class RandomBiases(Den):
    """Biases start at random, within the limit of Glorot's rule for a vector."""

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
    """Return an L1 or L2 penalty that also includes the biases of its layers; other penalties unchanged."""
    if not isinstance(penalty, L1 | L2):
        return penalty
    penalised = {id(tensor) for tensor in penalty.tensors}
    layers = [layer.parameters() for layer in chain.layers]
    touched = [layer for layer in layers if penalised & {id(tensor) for tensor in layer}]
    biases = [tensor for layer in touched for tensor in layer if tensor.dim() == 1]
    return replace(penalty, tensors=[*penalty.tensors, *biases])


def random_biases(units: int, generator: Generator) -> Tensor:
    """Return random biases (units,), uniform within sqrt(3 / units) of zero."""
    limit = math.sqrt(3 / units)
    return torch.empty(units).uniform_(-limit, limit, generator=generator)
