"""Departures of the released code in selective retraining (Algorithm 2)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn.functional import linear

from den.certificates import Solution
from den.methods.den import Den
from den.networks.layers import Chain, Layer
from den.networks.reach import widen
from den.penalties import L1, Penalty
from den.tasks import Task
from den.training import Fit


class OneStepHead(Den):
    """Eq. 3 is a single step from a random head: none of its weights is zero, and every unit is selected."""

    def sparse_head(self, task: Task, generator: Generator) -> tuple[Chain[Layer], Solution]:
        chain = Chain([], self.new_head(task, generator))
        brief = copy(self)
        training = self.problem.training.model_copy(update={"steps": 1, "epochs": None})
        brief.problem = replace(self.problem, training=training)
        sparsity = L1([chain.head.weight], self.params.head_sparsity)
        return chain, brief.fit(chain, self.features(task.train), generator, sparsity)


class FirstOutputSelects(Den):
    """Selection uses the weights of the head's first output only."""

    def select(self, head: Layer) -> list[Tensor]:
        return super().select(head.part(slice(1), slice(None)))


class AllInputs(Den):
    """Selection includes all input features."""

    def select(self, head: Layer) -> list[Tensor]:
        inputs = torch.arange(self.problem.shape[0], device=head.weight.device)
        return [inputs, *super().select(head)[1:]]


@dataclass(eq=False)
class OneRow(Layer):
    """A head whose outputs share one row of weights, and so differ by constants."""

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight) + self.bias


class OneRowHead(Den):
    """The sub-network is trained under the head's first row for all outputs, so that its loss stays high."""

    def subnetwork(self, selected: Sequence[Tensor], head: Layer) -> Chain[Layer]:
        chain = super().subnetwork(selected, head)
        return Chain(chain.hidden, OneRow(chain.head.weight[:1].clone(), chain.head.bias, biased=head.biased))

    def whole_head(self, part: Chain[Layer], selected: Sequence[Tensor], head: Layer) -> Layer:
        weight = head.weight.clone()
        weight[:1] = widen(part.head, selected[-1], head.inputs).weight
        return replace(head, weight=weight, bias=part.head.bias)


class AnchoredRetraining(Den):
    """Eq. 4 stays near the network of the previous task."""

    def retraining(self, part: Chain[Layer]) -> list[Penalty]:
        return [*super().retraining(part), self.anchor(part)]


class SparseEverywhere(Den):
    """L1 sparsity also acts on all weights that Eqs. 4 and 6 train."""

    def retraining(self, part: Chain[Layer]) -> list[Penalty]:
        return [*super().retraining(part), *self.sparse(part)]

    def stay(self) -> list[Penalty]:
        return [*super().stay(), *self.sparse(self.network.whole(self.head))]


class LastBatchLoss(Den):
    """The loss of the last mini-batch of Eq. 4 decides on expansion."""

    def task_loss(self, task: Task, fitted: Fit) -> float:
        return fitted.last
