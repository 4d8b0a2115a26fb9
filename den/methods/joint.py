"""Joint training: one network is trained on all tasks so far at once. It bounds what a shared network can reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from den import config, measures
from den.memory import Kept, of_data, of_layers
from den.methods import finetune
from den.methods.base import Measures, Method, Problem, Stage, State, pack, sizes_and_costs, unpack
from den.methods.reporting import learn
from den.networks.dense import Dense
from den.networks.layers import Chain, Layer
from den.penalties import L2
from den.tasks import Examples, Task
from den.training import Loss, length, softmax

MASKED = 2  # a target that is neither 0 nor 1: the output belongs to another task


class Params(finetune.Params):
    """Parameters of joint training."""

    every_task: bool = True
    "true: train from scratch on tasks 1..t for every t; false: only for the last t."
    steps: config.Steps | None = None
    "Training steps, for any number of tasks; null: the length of a stage times the number of tasks."


@dataclass(frozen=True, eq=False)
class AllHeads:
    """A network that answers for all tasks at once: the outputs of the heads, side by side."""

    hidden: Sequence[Layer]
    heads: Sequence[Layer]

    def __call__(self, x: Tensor) -> Tensor:
        features = Chain(self.hidden, self.heads[0]).features(x)
        return torch.cat([head(features) for head in self.heads], dim=1)

    def parameters(self) -> list[Tensor]:
        return [tensor for layer in (*self.hidden, *self.heads) for tensor in layer.parameters()]


class Joint(Method):
    """Train from scratch on the tasks so far, with a number of steps that does not depend on their number."""

    accepts: ClassVar[type[config.Params]] = Params

    def __init__(self, params: Params, problem: Problem) -> None:
        self.params, self.problem = params, problem
        self.network = Dense([])
        self.tasks: list[Task] = []
        self.replayed = 0

    @classmethod
    def build(cls, params: Params, problem: Problem, generator: Generator) -> Self:
        return cls(params, problem)

    def stages(self, task: Task) -> Iterator[Stage]:
        self.tasks.append(task)
        self.replayed = of_data(self.tasks)
        if self.params.every_task or len(self.tasks) == self.problem.tasks:
            yield Stage(measures.TRAIN, self.train)

    def train(self, task: Task, generator: Generator) -> Measures:
        """Train a new network on everything seen so far."""
        self.network = Dense(self.problem.hidden(generator), one_head=self.problem.network.heads == "one")
        for seen in self.tasks:
            self.network.add_head(seen.outputs, self.problem.network, generator)
        training = prolonged(self.problem, len(self.tasks[0].train), self.params.steps)
        hidden, heads = self.network.hidden, self.network.heads
        return learn_together(hidden, heads, self.tasks, training, generator, self.params.weight_decay)

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor | None:
        return self.network.chain(task_id)(x) if self.network.heads else None

    def measure(self) -> Measures:
        heads, hidden = self.network.heads, self.network.hidden
        memory = self.bytes_kept(Kept(of_layers([*hidden, *heads]), self.replayed))
        if not heads:
            return memory
        trunk = sum(layer.multiplications for layer in hidden)
        return [*sizes_and_costs(self.problem, hidden, heads, trunk + heads[0].multiplications), *memory]

    def state(self) -> State:
        tensors = {**pack("hidden", self.network.hidden), **pack("heads", self.network.heads)}
        return State(tensors, {"replayed": self.replayed})

    def restore(self, state: State) -> None:
        self.network = Dense(unpack("hidden", state.tensors), one_head=self.problem.network.heads == "one")
        self.network.heads = unpack("heads", state.tensors)
        self.replayed = state.values.get("replayed", 0)


def prolonged(problem: Problem, count: int, steps: int | None) -> config.Training:
    """Return the training settings with `steps` steps; None: those of a stage on `count` examples, times the tasks."""
    steps = steps or length(problem.training, count) * problem.tasks
    return problem.training.model_copy(update={"steps": steps, "epochs": None})


def learn_together(
    hidden: Sequence[Layer],
    heads: Sequence[Layer],
    tasks: Sequence[Task],
    training: config.Training,
    generator: Generator,
    weight_decay: float,
) -> Measures:
    """Train one network in place on the data of all tasks at once. heads: one per task, or one for all."""
    decay = L2([layer.weight for layer in (*hidden, *heads)], weight_decay)
    together = join([task.train for task in tasks], one_head=len(heads) < len(tasks))
    return learn(AllHeads(hidden, heads), together, training, generator, [decay], LOSSES[training.loss])


def join(parts: list[Examples], one_head: bool) -> Examples:
    """Return the examples of all tasks together; with several heads, each row masks the outputs of other tasks."""
    x = torch.cat([part.x for part in parts])
    if one_head:
        return replace(parts[0], x=x, y=torch.cat([part.y for part in parts]))
    y = torch.full((len(x), sum(part.y.shape[1] for part in parts)), MASKED, dtype=torch.uint8, device=x.device)
    row = column = 0
    for part in parts:
        rows, columns = part.y.shape
        y[row : row + rows, column : column + columns] = part.y
        row, column = row + rows, column + columns
    return replace(parts[0], x=x, y=y)


def masked_logistic(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean one-versus-rest logistic loss over the outputs that are not masked.

    logits, y: (examples, outputs) float32; y is 0, 1 or MASKED.
    """
    active = (y != MASKED).to(logits.dtype)
    return binary_cross_entropy_with_logits(logits, y * active, weight=active, reduction="sum") / active.sum()


def masked_softmax(logits: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross entropy of the class among the outputs that are not masked.

    logits, y: (examples, outputs) float32; y is 0, 1 or MASKED.
    """
    active = y != MASKED
    return softmax(logits.masked_fill(~active, torch.finfo(logits.dtype).min), y * active)


LOSSES: dict[str, Loss] = {"logistic": masked_logistic, "softmax": masked_softmax}
