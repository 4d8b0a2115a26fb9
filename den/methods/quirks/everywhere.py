"""Departures of the released code in how every stage is trained and begins."""

import math

import torch
from torch import Generator, Tensor

from den.methods.base import Measures
from den.methods.den import Den
from den.networks.expandable import Grown
from den.networks.layers import Chain, Layer
from den.penalties import L1, L2, Drift, GradientOf, GroupLasso, Penalty, Unscaled
from den.tasks import Split, Task
from den.training import Fit


class PenalisedBiases(Den):
    """Sparsity and decay weigh on biases, too."""

    def penalised(self, chain: Chain[Layer]) -> list[Tensor]:
        return chain.parameters()


class PenaltiesAsGradients(Den):
    """Decay and the pull of Eq. 6 are gradients, which Adam rescales; decay weighs on old weights, too."""

    def stay(self) -> list[Penalty]:
        pull, _, *more = super().stay()
        return [pull, self.decay(self.network.whole(self.head)), *more]

    def fit(self, chain: Chain, split: Split, generator: Generator, *penalties: Penalty) -> Fit:
        return super().fit(chain, split, generator, *map(as_gradient, penalties))


class UnscaledThresholds(Den):
    """The thresholds of L1 and group sparsity are the strengths themselves, whatever the learning rate."""

    def fit(self, chain: Chain, split: Split, generator: Generator, *penalties: Penalty) -> Fit:
        return super().fit(chain, split, generator, *map(unscaled, penalties))


class RandomBiases(Den):
    """Biases begin at random, as far from zero as Glorot's rule would have it for a vector."""

    def first_task(self, task: Task, generator: Generator) -> Measures:
        for layer in self.network.hidden:
            layer.bias.copy_(random_biases(layer.units, generator))
        return super().first_task(task, generator)

    def new_head(self, task: Task, generator: Generator) -> Layer:
        head = super().new_head(task, generator)
        return Layer(head.weight, random_biases(head.units, generator).to(head.bias.device))

    def extension(self, generator: Generator) -> Chain[Grown]:
        grown = super().extension(generator)
        for layer in grown.hidden:
            layer.bias.copy_(random_biases(len(layer.bias), generator))
        return grown


def as_gradient(penalty: Penalty) -> Penalty:
    """Return a smooth penalty as a gradient; others as they are."""
    return GradientOf(penalty) if isinstance(penalty, L2 | Drift) else penalty


def unscaled(penalty: Penalty) -> Penalty:
    """Return a sparsity with a threshold that the learning rate does not scale; others as they are."""
    return Unscaled(penalty) if isinstance(penalty, L1 | GroupLasso) else penalty


def random_biases(units: int, generator: Generator) -> Tensor:
    """Return biases within sqrt(3 / units) of zero."""
    limit = math.sqrt(3 / units)
    return torch.empty(units).uniform_(-limit, limit, generator=generator)
