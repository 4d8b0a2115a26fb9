"""Fine-tuning: one network, trained on task after task; the base of the methods that add a penalty to it."""

from collections.abc import Iterator
from typing import ClassVar, Self

import torch
from pydantic import NonNegativeFloat
from torch import Generator, Tensor

from den import config, measures
from den.methods.base import Measure, Measures, Method, Problem, Stage, State, pack, sizes_and_costs, unpack
from den.networks.dense import Dense
from den.penalties import L2, Penalty
from den.tasks import Task
from den.training import Fit, fit


class Params(config.Params):
    """Parameters of fine-tuning."""

    weight_decay: NonNegativeFloat = 0.0
    "Strength of the L2 penalty on the weights; the paper's incremental networks all have one."


class Finetune(Method):
    """Train the shared network on each task as it comes, and hope."""

    accepts: ClassVar[type[config.Params]] = Params

    def __init__(self, params: Params, problem: Problem, network: Dense) -> None:
        self.params, self.problem, self.network = params, problem, network

    @classmethod
    def build(cls, params: Params, problem: Problem, generator: Generator) -> Self:
        return cls(params, problem, Dense(problem.hidden(generator), one_head=problem.network.heads == "one"))

    def stages(self, task: Task) -> Iterator[Stage]:
        yield Stage(measures.TRAIN, self.train)

    def train(self, task: Task, generator: Generator) -> Measures:
        """Train on the task under the method's penalties."""
        self.network.add_head(task.outputs, self.problem.network, generator)
        chain = self.network.chain(task.id)
        decay = L2([layer.weight for layer in chain.layers], self.params.weight_decay)
        penalties = [decay, *self.penalties(task)]
        return report(fit(chain, task.train, self.problem.training, generator, penalties))

    def penalties(self, task: Task) -> list[Penalty]:
        """Return what holds the shared parameters back: nothing here."""
        return []

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        return self.network.chain(task_id)(x)

    def measure(self) -> Measures:
        heads, hidden = self.network.heads, self.network.hidden
        head = sum(layer.multiplications for layer in heads) / len(heads)
        trunk = sum(layer.multiplications for layer in hidden)
        return sizes_and_costs(self.problem, hidden, heads, trunk + head)

    def state(self) -> State:
        return State({**pack("hidden", self.network.hidden), **pack("heads", self.network.heads)}, {})

    def restore(self, state: State) -> None:
        self.network.hidden, self.network.heads = unpack("hidden", state.tensors), unpack("heads", state.tensors)


def report(*fits: Fit) -> Measures:
    """Return the steps of all fits and the loss of the last one."""
    return [Measure(measures.STEPS, sum(one.steps for one in fits)), Measure(measures.LOSS, fits[-1].loss)]
