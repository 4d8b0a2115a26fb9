"""EWC: fine-tuning held back where the Fisher information says it matters (Kirkpatrick et al. 2017)."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from den import config, measures
from den.methods import finetune
from den.methods.base import Measure, Measures, Stage, State
from den.methods.finetune import Finetune
from den.networks.layers import Chain, Layer
from den.penalties import Fisher, Penalty
from den.tasks import Task
from den.training import blocks


class Params(finetune.Params):
    """Parameters of EWC."""

    strength: NonNegativeFloat = 100.0
    "lambda of strength / 2 * sum F (w - w*)^2."
    samples: PositiveInt | None = None
    "Training examples the Fisher is averaged over; null for all."
    mode: Literal["separate", "online"] = "separate"
    "separate: one term a task; online: one running term around the newest parameters (Schwarz et al. 2018)."
    decay: float = Field(1.0, gt=0, le=1)
    "What is left of the running Fisher when a task is added; online only."


class Ewc(Finetune):
    """Penalise moves by the diagonal of the Fisher information, its labels sampled from the network itself.

    The separate terms of all tasks are one quadratic, kept as its curvature, sum F_s, and pull, sum F_s w*_s.
    """

    accepts: ClassVar[type[config.Params]] = Params
    params: Params
    curvature: list[Tensor] | None = None
    pull: list[Tensor] | None = None

    def stages(self, task: Task) -> Iterator[Stage]:
        yield Stage(measures.TRAIN, self.train)
        yield Stage(measures.FISHER_STAGE, self.consolidate)

    def penalties(self, task: Task) -> list[Penalty]:
        if self.curvature is None or self.pull is None:
            return []
        centre = [
            pull / f.clamp_min(torch.finfo(f.dtype).tiny) for pull, f in zip(self.pull, self.curvature, strict=True)
        ]
        return [Fisher(self.network.shared(), centre, self.curvature, self.params.strength)]

    def consolidate(self, task: Task, generator: Generator) -> Measures:
        """Add the task's Fisher information to what holds the shared parameters."""
        chain, shared = self.network.chain(task.id), self.network.shared()
        rows = torch.randperm(len(task.train), generator=generator)[: self.params.samples].to(task.train.y.device)
        new = fisher(chain, task.train.inputs(rows), partial(sample_labels, generator=generator))[: len(shared)]
        if self.curvature is None or self.pull is None:
            self.curvature = [torch.zeros_like(f) for f in new]
            self.pull = [torch.zeros_like(f) for f in new]
        old = [f * self.params.decay for f in self.curvature] if self.params.mode == "online" else self.curvature
        self.curvature = [f + g for f, g in zip(old, new, strict=True)]
        pulls = [g * w for g, w in zip(new, shared, strict=True)]
        self.pull = [p + q for p, q in zip(self.pull, pulls, strict=True)]
        if self.params.mode == "online":
            self.pull = [f * w for f, w in zip(self.curvature, shared, strict=True)]
        return [Measure(measures.FISHER, sum(f.sum().item() for f in new)), Measure(measures.SAMPLES, len(rows))]

    def state(self) -> State:
        tensors, values = super().state()
        for name, kept in (("curvature", self.curvature), ("pull", self.pull)):
            tensors |= {f"{name}.{index}": tensor for index, tensor in enumerate(kept or [])}
        return State(tensors, values)

    def restore(self, state: State) -> None:
        super().restore(state)
        count = sum(name.startswith("curvature.") for name in state.tensors)
        self.curvature, self.pull = (
            [state.tensors[f"{name}.{index}"] for index in range(count)] or None for name in ("curvature", "pull")
        )


def sample_labels(answers: Tensor, generator: Generator) -> Tensor:
    """Return labels drawn from the network's own answers: the Fisher information is an expectation over those."""
    draws = torch.rand(answers.shape, generator=generator).to(answers.device)
    return (draws < answers.sigmoid()).to(torch.float32)


def fisher(chain: Chain[Layer], x: Tensor, label: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Return every parameter's Fisher information (diagonal): the mean square of an example's gradient of log p(y|x).

    label: returns labels y for the answers to some examples; examples come in order. Exact, for any batch and any row
    order: a layer's form knows every example's own gradient.
    """
    total = [torch.zeros_like(tensor) for tensor in chain.parameters()]
    for rows in blocks(len(x)):
        ins, outs = _forward(chain, x[rows])
        surprise = binary_cross_entropy_with_logits(outs[-1], label(outs[-1].detach()), reduction="sum")
        backs = torch.autograd.grad(surprise, outs)
        squares = [
            square
            for layer, a, back in zip(chain.layers, ins, backs, strict=True)
            for square in layer.form.squares(a.detach(), back)[: len(layer.parameters())]
        ]
        for summed, square in zip(total, squares, strict=True):
            summed += square
    return [tensor / len(x) for tensor in total]


def _forward(chain: Chain[Layer], x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return what goes into each layer and its weighted sums, before pooling and rectification."""
    ins, outs = [], []
    for layer in chain.layers:
        ins.append(x)
        outs.append(layer.form.sums(x, layer.weight, layer.bias).requires_grad_())
        x = layer.form.pool(outs[-1]).relu()
    return ins, outs
