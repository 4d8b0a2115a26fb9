"""DNN-L1: fine-tuning under an L1 penalty, which makes the network sparse in every task (the paper's Fig. 4)."""

from typing import ClassVar

from pydantic import NonNegativeFloat
from torch import Generator

from den import config, measures
from den.methods import finetune
from den.methods.base import Measure, Measures
from den.methods.finetune import Finetune
from den.networks.reach import select
from den.penalties import L1, Penalty
from den.tasks import Task


class Params(finetune.Params):
    """Parameters of DNN-L1."""

    sparsity: NonNegativeFloat = 3e-5
    "mu: L1 on the weights of all layers."


class DnnL1(Finetune):
    """Train the whole network on each task under L1, and count the units with a path to the task's head."""

    accepts: ClassVar[type[config.Params]] = Params
    params: Params

    def train(self, task: Task, generator: Generator) -> Measures:
        measured = super().train(task, generator)
        selected = select(self.network.hidden, self.network.head(task.id))
        return [
            *measured,
            *(Measure(measures.SELECTED_UNITS, len(units), layer) for layer, units in enumerate(selected)),
        ]

    def penalties(self, task: Task) -> list[Penalty]:
        return [L1([layer.weight for layer in self.network.chain(task.id).layers], self.params.sparsity)]
