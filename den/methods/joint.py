"""Joint: one network trained on all tasks so far at once, the data of old tasks kept; what sharing could reach."""

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
from den.tasks import Split, Task
from den.training import Loss, length, softmax

UNASKED = 2  # a target of neither 0 nor 1: the output belongs to another task


class Params(finetune.Params):
    """Parameters of joint training."""

    every_task: bool = True
    "Train from scratch on tasks 1..t for every t; false: for the last t only."
    steps: config.Steps | None = None
    "Training steps whatever the number of tasks; null for the stage's own length times the stream's tasks."


@dataclass(frozen=True, eq=False)
class AllHeads:
    """A network that answers for every task at once: the heads' outputs side by side."""

    hidden: Sequence[Layer]
    heads: Sequence[Layer]

    def __call__(self, x: Tensor) -> Tensor:
        features = Chain(self.hidden, self.heads[0]).features(x)
        return torch.cat([head(features) for head in self.heads], dim=1)

    def parameters(self) -> list[Tensor]:
        return [tensor for layer in (*self.hidden, *self.heads) for tensor in layer.parameters()]


class Joint(Method):
    """Train from scratch on the tasks so far, with the same number of steps whatever their number."""

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
        for known in self.tasks:
            self.network.add_head(known.outputs, self.problem.network, generator)
        training = prolonged(self.problem, len(self.tasks[0].train), self.params.steps)
        hidden, heads = self.network.hidden, self.network.heads
        return learn_together(hidden, heads, self.tasks, training, generator, self.params.weight_decay)

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor | None:
        return self.network.chain(task_id)(x) if self.network.heads else None

    def measure(self) -> Measures:
        heads, hidden = self.network.heads, self.network.hidden
        kept = self.bytes_kept(Kept(of_layers([*hidden, *heads]), self.replayed))
        if not heads:
            return kept
        trunk = sum(layer.multiplications for layer in hidden)
        return [*sizes_and_costs(self.problem, hidden, heads, trunk + heads[0].multiplications), *kept]

    def state(self) -> State:
        tensors = {**pack("hidden", self.network.hidden), **pack("heads", self.network.heads)}
        return State(tensors, {"replayed": self.replayed})

    def restore(self, state: State) -> None:
        self.network = Dense(unpack("hidden", state.tensors), one_head=self.problem.network.heads == "one")
        self.network.heads = unpack("heads", state.tensors)
        self.replayed = state.values.get("replayed", 0)


def prolonged(problem: Problem, examples: int, steps: int | None) -> config.Training:
    """Return the training settings with a constant number of steps: `steps`, or a stage's own for each of all tasks."""
    own = length(problem.training, examples)
    return problem.training.model_copy(update={"steps": steps or own * problem.tasks, "epochs": None})


def learn_together(
    hidden: Sequence[Layer],
    heads: Sequence[Layer],
    tasks: Sequence[Task],
    training: config.Training,
    generator: Generator,
    weight_decay: float,
) -> Measures:
    """Train one network in place on the data of all tasks at once; `heads`: one per task, or one for all."""
    decay = L2([layer.weight for layer in (*hidden, *heads)], weight_decay)
    together = join([task.train for task in tasks], one_head=len(heads) < len(tasks))
    return learn(AllHeads(hidden, heads), together, training, generator, [decay], ASKED[training.loss])


def join(splits: list[Split], one_head: bool) -> Split:
    """Return the splits as one, each row asked only for its own task's outputs."""
    x = torch.cat([split.x for split in splits])
    if one_head:
        return replace(splits[0], x=x, y=torch.cat([split.y for split in splits]))
    y = torch.full((len(x), sum(split.y.shape[1] for split in splits)), UNASKED, dtype=torch.uint8, device=x.device)
    row = column = 0
    for split in splits:
        rows, columns = split.y.shape
        y[row : row + rows, column : column + columns] = split.y
        row, column = row + rows, column + columns
    return replace(splits[0], x=x, y=y)


def asked_logistic(logits: Tensor, y: Tensor) -> Tensor:
    """Mean one-versus-rest logistic loss over the outputs that were asked for."""
    asked = (y != UNASKED).to(logits.dtype)
    return binary_cross_entropy_with_logits(logits, y * asked, weight=asked, reduction="sum") / asked.sum()


def asked_softmax(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of one class among the outputs that were asked for."""
    asked = y != UNASKED
    return softmax(logits.masked_fill(~asked, torch.finfo(logits.dtype).min), y * asked)


ASKED: dict[str, Loss] = {"logistic": asked_logistic, "softmax": asked_softmax}
