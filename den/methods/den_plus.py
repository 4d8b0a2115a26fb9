"""DEN with three changes that improve it: two departures of the released code, and a small start."""

from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Generator, Tensor

from den import config
from den.config import AsBefore
from den.methods import den
from den.methods.base import Measures
from den.methods.den import Den
from den.methods.quirks.expansion import HeadLearnsInExpansion
from den.networks.layers import Chain, Layer, active
from den.networks.reach import select
from den.penalties import Penalty
from den.tasks import Task
from den.training import blocks


class Params(den.Params):
    """Parameters of DEN+: those of DEN, and of the pull in Eq. 4."""

    anchor: Annotated[NonNegativeFloat | None, AsBefore(None)] = None
    "lambda of Eq. 4: squared distance from the network of the previous task; null: as in Eq. 6; 0: none, as in DEN."


class SmallStart(Den):
    """The network starts with the units that the first task needs; later tasks add what they need.

    Eq. 2 leaves most units of a base network silent or unread. They answer nothing, and they count as capacity.
    """

    def close(self, task: Task, generator: Generator) -> Measures:
        if task.id == 0:
            self.keep(self.activated(task))
            self.keep(select(self.network.hidden, self.head)[1:])
        return super().close(task, generator)

    def activated(self, task: Task) -> list[Tensor]:
        """Return the units that some training example activates, per hidden layer."""
        chain = self.network.whole(self.head)
        fired = [active(chain.activations(task.train.inputs(rows))) for rows in blocks(len(task.train))]
        return [torch.stack(layer).any(dim=0).nonzero().squeeze(1) for layer in zip(*fired, strict=True)]

    def keep(self, units: list[Tensor]) -> None:
        """Drop all other units; a network that answers with its biases alone stays as it is."""
        if all(map(len, units)):
            self.head = self.network.keep(units, self.head)


class DenPlus(SmallStart, HeadLearnsInExpansion):
    """DEN that starts small, and in which retraining leaves an error for the new units to reduce.

    In the paper, selective retraining solves the task on its own, by moving old units as far as necessary. Eq. 5 then
    has no error left for the new units, and Eq. 6 reverts the moves. Here, retraining stays near the old network (Eq. 4
    with a pull like that of Eq. 6), and new units and the head learn the rest. Eq. 6 then has little to revert: fewer
    units split, and the network forgets less.
    """

    accepts: ClassVar[type[config.Params]] = Params
    params: Params

    def retraining(self, part: Chain[Layer]) -> list[Penalty]:
        strength = self.params.drift if self.params.anchor is None else self.params.anchor
        return [*super().retraining(part), replace(self.anchor(part), strength=strength)]
