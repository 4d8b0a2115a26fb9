"""Progressive networks (Rusu et al. 2016): one column per task, which also reads all earlier, frozen columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from den import config, measures
from den.methods import finetune
from den.methods.base import Measure, Measures, sizes_and_costs
from den.methods.reporting import learn
from den.methods.single_task import SingleTask
from den.networks.columns import Columns, activations, answer, climb, new_column, units
from den.networks.forms import Form
from den.networks.layers import Chain, Layer, to
from den.penalties import L2
from den.tasks import Examples, Task
from den.training import blocks


class Params(finetune.Params):
    """Parameters of progressive networks."""

    column_width: Annotated[float, Field(gt=0, le=1)] = 0.5
    "Width of the columns after the first, relative to the base network; each layer has at least one unit."


@dataclass(frozen=True, eq=False)
class Learning:
    """A column in training. Its inputs are the features, followed by the activations of the earlier columns.

    shapes: of one example, and of its activations in each hidden layer of the earlier columns.
    """

    column: Chain[Layer]
    shapes: Sequence[tuple[int, ...]]

    def __call__(self, x: Tensor) -> Tensor:
        parts = x.split([math.prod(shape) for shape in self.shapes], dim=1)
        features, *earlier = (part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True))
        return self.column.head(climb(self.column, features, earlier)[-1])

    def parameters(self) -> list[Tensor]:
        return self.column.parameters()


class Progressive(SingleTask):
    """A network per task; each of its layers also reads the layer below in all earlier networks."""

    accepts: ClassVar[type[config.Params]] = Params
    heads: ClassVar[tuple[str, ...]] = ("per_task",)
    params: Params

    def train(self, task: Task, generator: Generator) -> Measures:
        """Train a new column; the first is as wide as the base network. Nothing else changes."""
        column = self.new_column(task, generator)
        forms = self.problem.base.forms
        earlier = zip(units(self.networks, len(forms)), forms, strict=True)
        learning = Learning(column, [self.problem.shape, *((count, *form.image) for count, form in earlier)])
        decay = L2([layer.weight for layer in column.layers], self.params.weight_decay)
        seen = with_activations(task.train, self.networks, forms)
        measured = learn(learning, seen, self.problem.training, generator, [decay], self.problem.loss)
        self.networks.append(column)
        return measured

    def new_column(self, task: Task, generator: Generator) -> Chain[Layer]:
        """Return an untrained column for the task."""
        plan = self.problem.base.narrowed(self.params.column_width) if self.networks else self.problem.base
        column = new_column(self.networks, plan, task.outputs, self.problem.network, generator)
        return Chain(to(column.hidden, self.problem.device), *to([column.head], self.problem.device))

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        return answer(self.networks[: task_id + 1], x)

    def measure(self) -> Measures:
        hidden = [layer for column in self.networks for layer in column.hidden]
        heads = [column.head for column in self.networks]
        sizes = sizes_and_costs(self.problem, hidden, heads, multiplications_per_answer(self.networks))
        together = enumerate(units(self.networks, len(self.problem.base.widths)), start=1)
        return [
            *(Measure(measures.UNITS, count, layer) for layer, count in together),
            *(measure for measure in sizes if measure.measure != "units"),
            *self.bytes_kept(self.kept()),
        ]


@torch.no_grad()
def with_activations(examples: Examples, columns: Columns, forms: Sequence[Form]) -> Examples:
    """Return the examples with the normalised features and the columns' activations, layer by layer, as flat inputs.

    x: (examples, features + activations) float32. Training does not change these activations, so a step costs only the
    new column.
    """
    earlier = zip(units(columns, len(forms)), forms, strict=True)
    width = math.prod(examples.x.shape[1:]) + sum(count * math.prod(form.image) for count, form in earlier)
    x = torch.empty(len(examples), width, device=examples.x.device)
    for rows in blocks(len(examples)):
        features = examples.inputs(rows)
        inputs = [features, *activations(columns, features, forms)]
        x[rows] = torch.cat([tensor.flatten(1) for tensor in inputs], dim=1)
    return Examples(x, examples.y, mean=0.0, deviation=1.0)


def multiplications_per_answer(columns: Columns) -> float:
    """Return the multiplications per answer, averaged over tasks: of all columns up to the task's, and of its head."""
    total = below = 0
    for column in columns:
        below += sum(layer.multiplications for layer in column.hidden)
        total += below + column.head.multiplications
    return total / len(columns)
