"""Ablations of DEN, as in the paper's Figures 4 and 5; each class replaces one or two stages.

The variants without Eq. 6 add its pull towards the network of the previous task to Eq. 4, as the L2 baseline does.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from den import measures
from den.memory import Kept, of_layers
from den.methods.base import Stage
from den.methods.den import Den
from den.networks.expandable import Grown
from den.networks.layers import Chain, Layer
from den.networks.reach import widen
from den.penalties import Penalty
from den.tasks import Task


class DnnSelective(Den):
    """DNN-Selective: selective retraining of a network of fixed size under L2."""

    def stages(self, task: Task) -> Iterator[Stage]:
        if task.id == 0:
            yield Stage(measures.TRAIN, self.first_task)
        else:
            yield Stage(measures.SELECTIVE, self.selective_retraining)
            yield from self.growth()
            yield Stage(measures.CLOSING, self.close)

    def growth(self) -> Iterator[Stage]:
        """Yield the stages in which the network grows: none here."""
        yield from ()

    def retraining(self, part: Chain[Layer]) -> list[Penalty]:
        return [*super().retraining(part), self.anchor(part)]


class DenConstant(DnnSelective):
    """DEN-Constant: every task adds k units to each layer, and keeps them all."""

    def growth(self) -> Iterator[Stage]:
        yield Stage(measures.CONSTANT, self.dynamic_expansion)

    def expansion(self, grown: Chain[Grown]) -> list[Penalty]:
        return []

    def drop_unused(self, grown: Chain[Grown]) -> Chain[Grown]:
        return grown


class DenDynamic(DnnSelective):
    """DEN-Dynamic: selective retraining and dynamic expansion, without split and duplication."""

    def growth(self) -> Iterator[Stage]:
        if self.expands:
            yield Stage(measures.EXPANSION, self.dynamic_expansion)


class DenNoStamp(Den):
    """DEN-No-Stamp: every task answers with the whole present network."""

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        head = self.network.heads[task_id]
        units = torch.arange(head.inputs, device=head.weight.device)
        return self.network.whole(widen(head, units, self.network.widths[-1]))(x)

    def answering(self, layers: Iterable[Layer]) -> Kept:
        return Kept(answer=of_layers([*layers, *self.network.heads]))
