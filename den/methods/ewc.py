"""EWC: fine-tuning under a penalty weighted by the Fisher information (Kirkpatrick et al. 2017)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from den import config, measures
from den.config import AsBefore
from den.memory import Kept, size
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
    "Number of training examples for the estimate of the Fisher information; null for all."
    mode: Literal["separate", "online"] = "separate"
    "separate: one term per task; online: one running term around the newest parameters (Schwarz et al. 2018)."
    decay: float = Field(1.0, gt=0, le=1)
    "Factor of the running Fisher information when a task is added; online only."
    labels: Annotated[Literal["sampled", "true", "predicted", "expected"], AsBefore("sampled")] = "sampled"
    """Labels of the gradients. sampled: drawn from the network's answers. true: the data's own (the empirical Fisher).
    predicted: the likeliest. expected: all possible ones, weighted exactly by the network's answers, with one backward
    pass per output."""
    estimator: Annotated[Literal["per_example", "batch_mean"], AsBefore("per_example")] = "per_example"
    """per_example: squares of the gradients of single examples. batch_mean: squares of the mean gradients of batches of
    `training.batch_size`; these are smaller by about that factor."""

    @model_validator(mode="after")
    def exact_for_examples(self) -> Self:
        """Refuse an exact expectation over batches: it is the one over examples, divided by the batch size."""
        if (self.labels, self.estimator) == ("expected", "batch_mean"):
            raise ValueError("labels: expected goes with estimator: per_example; divide strength by the batch size")
        return self


class Ewc(Finetune):
    """Penalise moves of the shared parameters, weighted by the diagonal of the Fisher information.

    The separate terms of all tasks s add up to one quadratic. curvature: sum F_s. pull: sum F_s w*_s.
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
        """Add the task's Fisher information to the quadratic; return measures of it."""
        shared = self.network.shared()
        rows = torch.randperm(len(task.train), generator=generator)[: self.params.samples].to(task.train.y.device)
        new = self.information(task, rows, generator)[: len(shared)]
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

    def kept(self) -> Kept:
        """Return the bytes of the network, and of the curvature and the pull."""
        network = super().kept()
        return replace(network, learn=network.learn + size([*(self.curvature or []), *(self.pull or [])]))

    def information(self, task: Task, rows: Tensor, generator: Generator) -> list[Tensor]:
        """Return the Fisher information on the given rows of the task, one tensor per parameter, in its shape."""
        inputs = self.network.chain(task.id), task.train.inputs(rows), task.train.targets(rows)
        surprise = partial(SURPRISES[self.problem.training.loss], labels=self.params.labels, generator=generator)
        if self.params.estimator == "batch_mean":
            return fisher_of_batches(*inputs, surprise, self.problem.training.batch_size)
        return fisher(*inputs, surprise)

    def state(self) -> State:
        tensors, values = super().state()
        for name, quadratic in (("curvature", self.curvature), ("pull", self.pull)):
            tensors |= {f"{name}.{index}": tensor for index, tensor in enumerate(quadratic or [])}
        return State(tensors, values)

    def restore(self, state: State) -> None:
        super().restore(state)
        count = sum(name.startswith("curvature.") for name in state.tensors)
        self.curvature, self.pull = (
            [state.tensors[f"{name}.{index}"] for index in range(count)] or None for name in ("curvature", "pull")
        )


Surprises = Callable[[Tensor, Tensor], Sequence[Tensor]]
"""Takes logits and labels of some examples; returns the scalars to differentiate, sums over the examples."""


def surprises(answers: Tensor, y: Tensor, labels: str, generator: Generator) -> list[Tensor]:
    """Return the sums over examples of the terms whose gradients are squared per example and added up.

    answers, y: (examples, outputs), logits and labels. The term is -log p(labels), the sum over outputs c of logistic
    losses, with the gradient sum_c (p_c - y_c) dz_c. The outputs of labels drawn by p are independent, so
    E (sum_c (p_c - y_c) dz_c)^2 = sum_c p_c (1 - p_c) (dz_c)^2. `expected` therefore returns one sum per output, of
    sqrt(p_c (1 - p_c)) z_c, with a constant root.
    """
    if labels == "expected":
        p = answers.detach().sigmoid()
        return list(((p * (1 - p)).sqrt() * answers).sum(dim=0))
    if labels == "sampled":
        y = sample_labels(answers.detach(), generator)
    elif labels == "predicted":
        y = (answers > 0).to(torch.float32)
    return [binary_cross_entropy_with_logits(answers, y, reduction="sum")]


def class_surprises(answers: Tensor, y: Tensor, labels: str, generator: Generator) -> list[Tensor]:
    """Return the same sums if one of the outputs is the class: of -log p(label) = -log softmax.

    `expected` returns one sum per output k, of sqrt(p_k) (-log p_k), with a constant root: E over labels drawn by p.
    """
    losses, p = -answers.log_softmax(dim=1), answers.detach().softmax(dim=1)
    if labels == "expected":
        return list((p.sqrt() * losses).sum(dim=0))
    if labels == "sampled":
        draws = torch.rand(len(answers), 1, generator=generator).to(answers.device)
        chosen = (draws > p.cumsum(dim=1)).sum(dim=1).clamp_max(p.shape[1] - 1)
        y = one_hot(chosen, p.shape[1]).to(torch.float32)
    elif labels == "predicted":
        y = one_hot(answers.argmax(dim=1), p.shape[1]).to(torch.float32)
    return [(losses * y).sum()]


SURPRISES = {"logistic": surprises, "softmax": class_surprises}


def sample_labels(answers: Tensor, generator: Generator) -> Tensor:
    """Return labels (examples, outputs) drawn from the network's answers; the Fisher information averages over them."""
    draws = torch.rand(answers.shape, generator=generator).to(answers.device)
    return (draws < answers.sigmoid()).to(torch.float32)


def fisher(chain: Chain[Layer], x: Tensor, y: Tensor, terms: Surprises) -> list[Tensor]:
    """Return the diagonal Fisher information per parameter: the mean square of an example's gradient of log p(y|x).

    x: inputs. y: (examples, outputs). The result is exact for any batch size and row order, because a layer's form
    computes the gradients of single examples.
    """
    total = [torch.zeros_like(tensor) for tensor in chain.parameters()]
    for rows in blocks(len(x)):
        inputs, sums = _forward(chain, x[rows])
        for term in terms(sums[-1], y[rows]):
            gradients = torch.autograd.grad(term, sums, retain_graph=True)
            for summed, square in zip(total, _squares(chain, inputs, gradients), strict=True):
                summed += square
    return [tensor / len(x) for tensor in total]


def fisher_of_batches(chain: Chain[Layer], x: Tensor, y: Tensor, terms: Surprises, size: int) -> list[Tensor]:
    """Return, per parameter, the mean over complete batches of the square of the batch's mean gradient of log p(y|x).

    For gradients with mean g and variance v, the result is g^2 + v / size, and that of `fisher` is g^2 + v. With
    sampled labels g is 0, and the result is the Fisher information divided by the batch size. Fewer examples than
    `size` form one batch.
    """
    size, parameters = min(size, len(x)), chain.parameters()
    batches = len(x) // size
    total = [torch.zeros_like(tensor) for tensor in parameters]
    for tensor in parameters:
        tensor.requires_grad_()
    for inputs, labels in zip(x.split(size)[:batches], y.split(size)[:batches], strict=True):
        (term,) = terms(chain(inputs), labels)
        for summed, gradient in zip(total, torch.autograd.grad(term / size, parameters), strict=True):
            summed += gradient.square()
    for tensor in parameters:
        tensor.requires_grad_(False)
    return [tensor / batches for tensor in total]


def _squares(chain: Chain[Layer], inputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield, per parameter, the squares of the gradients of single examples, summed over examples.

    inputs: of each layer. gradients: of each layer's weighted sums.
    """
    for layer, x, back in zip(chain.layers, inputs, gradients, strict=True):
        yield from layer.form.squares(x.detach(), back)[: len(layer.parameters())]


def _forward(chain: Chain[Layer], x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the inputs of each layer, and its weighted sums before pooling and rectification."""
    inputs, sums = [], []
    for layer in chain.layers:
        inputs.append(x)
        sums.append(layer.form.sums(x, layer.weight, layer.bias).requires_grad_())
        x = layer.form.pool(sums[-1]).relu()
    return inputs, sums
