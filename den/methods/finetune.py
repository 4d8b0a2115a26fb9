"""Fine-tuning: one network is trained on task after task. Methods that add a penalty derive from it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import ClassVar, Self

import torch
from pydantic import NonNegativeFloat
from torch import Generator, Tensor

from den import config, measures
from den.memory import Kept, of_layers, size
from den.methods.base import Measures, Method, Problem, Stage, State, pack, sizes_and_costs, unpack
from den.methods.reporting import learn
from den.networks.dense import Dense
from den.penalties import L2, Penalty
from den.tasks import Task
from den.training import Moments


class Params(config.Params):
    """Parameters of fine-tuning."""

    weight_decay: NonNegativeFloat = 0.0
    "Strength of the L2 penalty on the weights; all incremental networks of the paper have one."


class Finetune(Method):
    """Train the shared network on each task, with nothing that protects earlier tasks."""

    accepts: ClassVar[type[config.Params]] = Params
    keeps_moments: ClassVar[bool] = True

    def __init__(self, params: Params, problem: Problem, network: Dense) -> None:
        self.params, self.problem, self.network = params, problem, network
        self.moments: list[dict[str, Tensor]] = []

    @classmethod
    def build(cls, params: Params, problem: Problem, generator: Generator) -> Self:
        return cls(params, problem, Dense(problem.hidden(generator), one_head=problem.network.heads == "one"))

    def stages(self, task: Task) -> Iterator[Stage]:
        yield Stage(measures.TRAIN, self.train)

    def train(self, task: Task, generator: Generator) -> Measures:
        """Add the task's head, and train on the task under the method's penalties."""
        self.network.add_head(task.outputs, self.problem.network, generator)
        chain = self.network.chain(task.id)
        decay = L2([layer.weight for layer in chain.layers], self.params.weight_decay)
        penalties = [decay, *self.penalties(task)]
        training, loss, moments = self.problem.training, self.problem.loss, self.kept_moments()
        measured = learn(chain, task.train, training, generator, penalties, loss, moments)
        self.moments = moments.of if moments else []
        return measured

    def kept_moments(self) -> Moments | None:
        """Return the optimiser state of the shared parameters; None if each stage starts a new optimiser."""
        if self.problem.training.optimizer_state == "reset":
            return None
        return Moments(len(self.network.shared()), self.moments)

    def penalties(self, task: Task) -> list[Penalty]:
        """Return the penalties on the shared parameters: none here."""
        return []

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        return self.network.chain(task_id)(x)

    def measure(self) -> Measures:
        heads, hidden = self.network.heads, self.network.hidden
        head = sum(layer.multiplications for layer in heads) / len(heads)
        trunk = sum(layer.multiplications for layer in hidden)
        sizes = sizes_and_costs(self.problem, hidden, heads, trunk + head)
        return [*sizes, *self.bytes_kept(self.kept())]

    def kept(self) -> Kept:
        """Return the bytes that the method keeps between tasks: of the network, and of optimiser state that is kept."""
        moments = size([tensor for state in self.moments for tensor in state.values()])
        return Kept(answer=of_layers([*self.network.hidden, *self.network.heads]), learn=moments)

    def state(self) -> State:
        moments = {f"moments.{i}.{name}": state[name] for i, state in enumerate(self.moments) for name in state}
        tensors = {**pack("hidden", self.network.hidden), **pack("heads", self.network.heads), **moments}
        return State(tensors, {"peak": astuple(self.peak)})

    def restore(self, state: State) -> None:
        self.network.hidden, self.network.heads = unpack("hidden", state.tensors), unpack("heads", state.tensors)
        self.moments = unpack_moments(state.tensors)
        self.peak = Kept(*state.values.get("peak", ()))


def unpack_moments(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return copies of the optimiser state of each shared parameter, in order."""
    moments: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        if name.startswith("moments."):
            _, index, moment = name.split(".")
            moments[int(index)][moment] = tensor.clone()
    return [moments[index] for index in sorted(moments)]
