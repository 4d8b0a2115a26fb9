"""Single task: one network per task. Tasks share nothing, and nothing is forgotten."""

from collections.abc import Iterator
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from den import config, measures
from den.memory import Kept, of_layers
from den.methods import finetune
from den.methods.base import Measure, Measures, Method, Problem, Stage, State, pack, sizes_and_costs, unpack
from den.methods.reporting import learn
from den.networks.layers import Chain, Layer, fresh, to
from den.penalties import L2
from den.tasks import Task


class SingleTask(Method):
    """Train a new network on each task. R[t, i] = R[i, i], and the capacity is the number of tasks."""

    accepts: ClassVar[type[config.Params]] = finetune.Params

    def __init__(self, params: finetune.Params, problem: Problem) -> None:
        self.params, self.problem = params, problem
        self.networks: list[Chain[Layer]] = []

    @classmethod
    def build(cls, params: finetune.Params, problem: Problem, generator: Generator) -> Self:
        return cls(params, problem)

    def stages(self, task: Task) -> Iterator[Stage]:
        yield Stage(measures.TRAIN, self.train)

    def train(self, task: Task, generator: Generator) -> Measures:
        """Train a new network."""
        hidden = self.problem.hidden(generator)
        head = fresh(task.outputs, hidden[-1].units, self.problem.network, generator)
        network = Chain(hidden, *to([head], self.problem.device))
        self.networks.append(network)
        decay = L2([layer.weight for layer in network.layers], self.params.weight_decay)
        return learn(network, task.train, self.problem.training, generator, [decay], self.problem.loss)

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        return self.networks[task_id](x)

    def measure(self) -> Measures:
        hidden = [layer for chain in self.networks for layer in chain.hidden]
        heads = [chain.head for chain in self.networks]
        multiplications = sum(layer.multiplications for layer in (*hidden, *heads)) / len(heads)
        summed = [
            measure
            for measure in sizes_and_costs(self.problem, hidden, heads, multiplications)
            if measure.measure not in ("units", "capacity")
        ]
        units = [
            Measure(measures.UNITS, width * len(heads), index)
            for index, width in enumerate(self.problem.base.widths, start=1)
        ]
        return [*units, *summed, Measure(measures.CAPACITY, len(heads)), *self.bytes_kept(self.kept())]

    def kept(self) -> Kept:
        """Return the bytes that the method keeps: those of all networks."""
        return Kept(answer=of_layers(layer for chain in self.networks for layer in chain.layers))

    def state(self) -> State:
        return State(pack("layers", [layer for chain in self.networks for layer in chain.layers]), {})

    def restore(self, state: State) -> None:
        layers, depth = unpack("layers", state.tensors), len(self.problem.base.widths) + 1
        chains = (layers[start : start + depth] for start in range(0, len(layers), depth))
        self.networks = [Chain(chain[:-1], chain[-1]) for chain in chains]
