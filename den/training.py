"""fit(): the only training loop of the project."""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from den.config import SettingsError, Training
from den.graphs import Rate, launched
from den.penalties import Penalty
from den.proximal import ProximalPoint
from den.tasks import Split

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
DIVERGED = 1e4
CHECK_EVERY = 50
EVALUATION_BATCH = 1000

Loss = Callable[[Tensor, Tensor], Tensor]


class Diverged(ArithmeticError):
    """The loss is not a number any more, or beyond all reason; the message names the step."""


class Learner(Protocol):
    """Something with parameters that answers."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def parameters(self) -> list[Tensor]: ...


class Fit(NamedTuple):
    """What a training run reports: its steps, the mean loss over its last steps and that of the very last one.

    Penalties are left out of the losses.
    """

    steps: int
    loss: float
    last: float = math.nan


def set_up_torch() -> None:
    """Set torch up for a cell: one thread, float32 and results that repeat, on a GPU too; then take a step.

    The first step of a process loads much of torch, and is no part of a stage's time.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False  # of all products, convolutions alone are rounded to ten bits by default
    torch.backends.cudnn.deterministic = True  # some of its convolutions add up in any order
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight], fused=True).step()


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a step frees; it would return it, and fault in every page again a step later."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 25)
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 29)


def device_of(training: Training) -> torch.device:
    """Return where to train: `auto` takes a GPU where there is one. Raises SettingsError for one that is not there."""
    wish = training.device
    if wish == "cuda" and not torch.cuda.is_available():
        raise SettingsError("training.device: cuda asked, and torch sees no GPU; use auto or cpu")
    return torch.device(wish if wish != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean over examples and outputs of the one-versus-rest logistic loss."""
    return binary_cross_entropy_with_logits(logits, y)


def fit(
    network: Learner,
    split: Split,
    training: Training,
    generator: Generator,
    penalties: Sequence[Penalty] = (),
    loss: Loss = cross_entropy,
) -> Fit:
    """Train the network's parameters in place on the split.

    Raises Diverged with the number of the step whose loss is no number or beyond 10,000.
    """
    parameters, device = network.parameters(), split.y.device
    steps, batch = length(training, len(split)), min(training.batch_size, len(split))
    optimizer = _optimizer(parameters, training, device)
    proximal = ProximalPoint(penalties, parameters, partial(METRICS[training.optimizer], optimizer))
    step = partial(_step, network, split, optimizer, proximal, penalties, loss)
    take = launched(step, batch, device)
    check_every, losses = max(CHECK_EVERY, len(split) // batch), []  # on a GPU a check waits for all steps before it
    wait = waiting(training, len(split))
    _require_gradients(parameters, True)
    for number, rows in enumerate(_batches(len(split), batch, steps, generator, device)):
        rate = training.learning_rate * _pace(training, number, steps, len(split))
        losses.append(take(rows, rate, rate if number >= wait else 0.0))
        if len(losses) % check_every == 0:
            _refuse_divergence(losses, check_every)
    _require_gradients(parameters, False)
    _refuse_divergence(losses, check_every)
    return Fit(len(losses), torch.stack(losses[-CHECK_EVERY:]).mean().item(), losses[-1].item())


def length(training: Training, examples: int) -> int:
    """Return the steps of a stage on so many examples; an epoch leaves its incomplete last batch out."""
    return training.steps or (training.epochs or 0) * (examples // min(training.batch_size, examples))


def waiting(training: Training, examples: int) -> int:
    """Return the steps before penalties towards zero set in: a pass over the data, at most a tenth of the stage.

    A unit that is silent on the first batches has no metric yet, and would be ended by a single step.
    """
    batch = min(training.batch_size, examples)
    return min(examples // batch, length(training, examples) // 10)


@torch.no_grad()
def mean_loss(network: Learner, split: Split, loss: Loss = cross_entropy) -> float:
    """Return the loss over a whole split, penalties left out."""
    total = 0.0
    for rows in blocks(len(split)):
        y = split.targets(rows)
        total += loss(network(split.inputs(rows)), y).item() * len(y)
    return total / len(split)


def blocks(examples: int) -> Iterator[slice]:
    """Yield consecutive slices of one fixed size (the last may be short), for all that only reads."""
    for start in range(0, examples, EVALUATION_BATCH):
        yield slice(start, min(start + EVALUATION_BATCH, examples))


def _optimizer(parameters: list[Tensor], training: Training, device: torch.device) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.learning_rate, fused=True)
    return torch.optim.Adam(parameters, lr=training.learning_rate, fused=True, capturable=device.type == "cuda")


def _adam_metric(optimizer: torch.optim.Optimizer, parameter: Tensor, out: Tensor) -> None:
    """Write sqrt(v) + epsilon, what Adam divides its step by."""
    group, state = optimizer.param_groups[0], optimizer.state[parameter]
    if state:
        correction = (1 - group["betas"][1] ** state["step"]).rsqrt()
        torch.sqrt(state["exp_avg_sq"], out=out).mul_(correction).add_(group["eps"])
    else:
        out.fill_(group["eps"])


def _sgd_metric(optimizer: torch.optim.Optimizer, parameter: Tensor, out: Tensor) -> None:
    out.fill_(1)


METRICS = {"adam": _adam_metric, "sgd": _sgd_metric}


def _pace(training: Training, step: int, steps: int, examples: int) -> float:
    """Return the share of the learning rate that is left before a step, counted from 0, of a stage."""
    if training.schedule == "decay":
        return float(0.95 ** (step * min(training.batch_size, examples) // examples))
    return 1 - step / steps if training.schedule == "linear" else 1.0


def _step(
    network: Learner,
    split: Split,
    optimizer: torch.optim.Optimizer,
    proximal: ProximalPoint,
    penalties: Sequence[Penalty],
    loss: Loss,
    rows: Tensor,
    rate: Rate,
    towards_zero: Rate,
) -> Tensor:
    """Take one step on the rows of the split; return its loss. Waits for no value, so that it can be replayed."""
    value = loss(network(split.inputs(rows)), split.targets(rows))
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    optimizer.param_groups[0]["lr"] = rate
    with torch.no_grad():
        for penalty in penalties:
            penalty.add_gradients()
        optimizer.step()
        proximal(rate, towards_zero)
        for penalty in penalties:
            penalty.step(rate)
    return value.detach()


def _batches(examples: int, batch: int, steps: int, generator: Generator, device: torch.device) -> Iterator[Tensor]:
    """Yield the rows of each batch: a new shuffle every epoch, its incomplete last batch left out."""
    an_epoch = examples // batch
    for start in range(0, steps, an_epoch):
        order = torch.randperm(examples, generator=generator).to(device)
        for number in range(min(an_epoch, steps - start)):
            yield order[number * batch : (number + 1) * batch]


def _require_gradients(parameters: Sequence[Tensor], required: bool) -> None:
    for tensor in parameters:
        tensor.requires_grad_(required)
        tensor.grad = None


def _refuse_divergence(losses: Sequence[Tensor], recent: int) -> None:
    first = max(0, len(losses) - recent)
    for step, value in enumerate(torch.stack(list(losses[first:])).tolist(), start=first + 1):
        if not math.isfinite(value) or value > DIVERGED:
            raise Diverged(f"the loss is {value} at step {step}; lower training.learning_rate or the strengths")
