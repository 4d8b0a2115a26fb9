"""L2: fine-tuning near the network of the previous task (the paper's DNN-L2)."""

from typing import ClassVar

from pydantic import NonNegativeFloat

from den import config
from den.memory import Kept, size
from den.methods import finetune
from den.methods.finetune import Finetune
from den.penalties import Drift, Penalty
from den.tasks import Task


class Params(finetune.Params):
    """Parameters of L2."""

    strength: NonNegativeFloat = 0.01
    "lambda of strength * ||W - W(t-1)||^2."


class L2(Finetune):
    """Penalise the squared distance of the shared parameters from their values after the previous task."""

    accepts: ClassVar[type[config.Params]] = Params
    params: Params

    def penalties(self, task: Task) -> list[Penalty]:
        if task.id == 0:
            return []
        shared = self.network.shared()
        before = [tensor.clone() for tensor in shared]
        self.note(Kept(learn=size(before)))
        return [Drift(shared, before, self.params.strength)]
