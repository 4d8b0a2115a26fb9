"""DEN-Finetune: DEN, whose final network is then trained on all tasks at once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from pydantic import NonNegativeFloat, PositiveFloat
from torch import Generator
from torch.nn.functional import pad

from den import config, measures
from den.memory import Kept, of_data
from den.methods import den
from den.methods.base import Measures, Problem, Stage, State
from den.methods.den import Den
from den.methods.joint import learn_together, prolonged
from den.networks.expandable import Expandable
from den.networks.layers import Layer
from den.tasks import Task


class Params(den.Params):
    """Parameters of DEN-Finetune: those of DEN, and of the training on all tasks."""

    joint_steps: config.Steps | None = None
    "Training steps on all tasks; null: the length of a stage times the number of tasks."
    joint_weight_decay: NonNegativeFloat = 0.0
    "Squared L2 on weights."
    joint_learning_rate: PositiveFloat | None = None
    "Learning rate of the training on all tasks; null: that of the other stages."


class DenFinetune(Den):
    """Learn like DEN; after the last task, train all layers and heads on the data of all tasks."""

    accepts: ClassVar[type[config.Params]] = Params
    params: Params

    def __init__(self, params: Params, problem: Problem, network: Expandable) -> None:
        super().__init__(params, problem, network)
        self.tasks: list[Task] = []
        self.replayed = 0

    def stages(self, task: Task) -> Iterator[Stage]:
        """Yield the stages of Algorithm 1, and one more after those of the last task."""
        self.tasks.append(task)
        self.replayed = of_data(self.tasks)
        yield from super().stages(task)
        if len(self.tasks) == self.problem.tasks:
            yield Stage(measures.FINE_TUNING, self.fine_tuning)

    def fine_tuning(self, task: Task, generator: Generator) -> Measures:
        """Train the whole network, starting at DEN's weights; every task then answers with all of it."""
        widths = self.network.widths
        self.network.heads = [widened(head, widths[-1]) for head in self.network.heads]
        self.network.stamps = [widths] * len(self.network.heads)
        self.head = self.network.heads[-1]
        hidden, heads = self.network.hidden, self.network.heads
        decay = self.params.joint_weight_decay
        return learn_together(hidden, heads, self.tasks, self.joint_training(), generator, decay)

    def kept(self) -> Kept:
        """Return the bytes of the network, and of the data that fine-tuning uses again."""
        return replace(super().kept(), learn=self.replayed)

    def state(self) -> State:
        tensors, values = super().state()
        return State(tensors, {**values, "replayed": self.replayed})

    def restore(self, state: State) -> None:
        super().restore(state)
        self.replayed = state.values.get("replayed", 0)

    def joint_training(self) -> config.Training:
        """Return the training settings of the last stage."""
        training = prolonged(self.problem, len(self.tasks[0].train), self.params.joint_steps)
        rate = self.params.joint_learning_rate or training.learning_rate
        return training.model_copy(update={"learning_rate": rate})


def widened(head: Layer, inputs: int) -> Layer:
    """Return the head over `inputs` inputs; the added weights are zero."""
    return replace(head, weight=pad(head.weight, (0, inputs - head.inputs)))
