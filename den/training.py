"""Training: `fit`, the only training loop of the project, and the losses it minimises."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from den import proximal
from den.config import SettingsError, Training
from den.graphs import Rate, launched
from den.penalties import Penalty
from den.tasks import Examples
from den.thresholds import may_wait

DIVERGED = 1e4  # a larger loss counts as divergence
CHECK_EVERY = 50  # steps
EVALUATION_BATCH = 1000  # examples

Loss = Callable[[Tensor, Tensor], Tensor]


class Diverged(ArithmeticError):
    """The loss is not finite, or above 10,000; the message names the step."""


class Learner(Protocol):
    """A network that `fit` can train: it maps inputs to logits, and lists its parameters."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def parameters(self) -> list[Tensor]: ...


class Fit(NamedTuple):
    """The outcome of a training run.

    steps: their number. loss: the mean over the last steps. last: the loss of the last step. The losses do not include
    penalties.
    """

    steps: int
    loss: float
    last: float = math.nan


@dataclass
class Moments:
    """The optimiser state of the first `count` parameters of a network, which stages hand on."""

    count: int
    of: list[dict[str, Tensor]] = field(default_factory=list)


def set_up_torch() -> None:
    """Set torch up for a cell: one thread, full float32 and repeatable results, on a GPU too; then take one step.

    The first step of a process loads much of torch, and must not count as a stage's time.
    """
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # by default convolutions, unlike other products, round to ten bits
    torch.backends.cudnn.deterministic = True  # some convolutions of cuDNN add up in a varying order
    weight = torch.zeros(1, requires_grad=True)
    weight.sum().backward()
    torch.optim.Adam([weight], fused=True).step()


def device_of(training: Training) -> torch.device:
    """Return the device to train on; `auto` is a GPU if there is one.

    Raises SettingsError if the settings require a GPU and torch sees none.
    """
    name = training.device
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("training.device: cuda is set, but torch sees no GPU; use auto or cpu")
    return torch.device(name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def logistic(logits: Tensor, y: Tensor) -> Tensor:
    """Return the one-versus-rest logistic loss, a scalar: the mean over examples and outputs.

    logits, y: (examples, outputs) float32; y is 1 where the class is present.
    """
    return binary_cross_entropy_with_logits(logits, y)


def softmax(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross entropy of the present class among the outputs, a scalar: the mean over examples.

    logits, y: (examples, outputs) float32; y is 1 where the class is present. Raises SettingsError for one output.
    """
    if logits.shape[1] == 1:
        raise SettingsError("training.loss: softmax needs tasks of several classes, and this has one; use logistic")
    return cross_entropy(logits, y)


LOSSES: dict[str, Loss] = {"logistic": logistic, "softmax": softmax}


def fit(
    network: Learner,
    examples: Examples,
    training: Training,
    generator: Generator,
    penalties: Sequence[Penalty] = (),
    loss: Loss = logistic,
    moments: Moments | None = None,
) -> Fit:
    """Train the network's parameters in place on the examples; return the outcome.

    generator: shuffles the examples. moments: the optimiser state to start from; the state at the end replaces it.
    Raises Diverged, with the number of the step, if the loss is not finite or above 10,000.
    """
    parameters, device = network.parameters(), examples.y.device
    steps, batch = length(training, len(examples)), min(training.batch_size, len(examples))
    pass_steps = per_pass(training, len(examples))
    optimizer = _optimizer(parameters, training, device)
    if moments is not None:
        _resume(optimizer, parameters, moments)
    point = proximal.ProximalPoint(penalties, parameters, partial(METRICS[training.optimizer], optimizer))
    step = partial(_step, network, examples, optimizer, point, penalties, loss)
    take = launched(step, batch, device)
    check_every, losses = max(CHECK_EVERY, pass_steps), []  # a check on a GPU waits for all earlier steps
    wait = waiting(training, len(examples))
    require_gradients(parameters, True)
    for number, rows in enumerate(_batches(len(examples), batch, pass_steps, steps, generator, device)):
        rate = training.learning_rate * _pace(training, number, steps, len(examples))
        losses.append(take(rows, rate, rate if number >= wait else 0.0))
        if len(losses) % check_every == 0:
            _refuse_divergence(losses, check_every)
    require_gradients(parameters, False)
    _refuse_divergence(losses, check_every)
    if moments is not None:
        states = (optimizer.state[parameter] for parameter in parameters[: moments.count])
        moments.of = [{name: value for name, value in state.items() if value is not None} for state in states]
    return Fit(len(losses), torch.stack(losses[-CHECK_EVERY:]).mean().item(), losses[-1].item())


def length(training: Training, count: int) -> int:
    """Return the number of steps of a stage on `count` examples."""
    return training.steps or max((training.epochs or 0) * per_pass(training, count), training.minimum_steps)


def per_pass(training: Training, count: int) -> int:
    """Return the number of steps of one pass over `count` examples."""
    batch = min(training.batch_size, count)
    return count // batch if training.drop_last else -(-count // batch)


def waiting(training: Training, count: int) -> int:
    """Return the number of steps before penalties towards zero begin: one pass, and at most a tenth of the stage.

    A unit that is silent on the first batches has no metric yet, and a single step would set it to zero for good.
    """
    return min(per_pass(training, count), length(training, count) // 10)


@torch.no_grad()
def mean_loss(network: Learner, examples: Examples, loss: Loss = logistic) -> float:
    """Return the mean loss over all the examples, without penalties."""
    total = 0.0
    for rows in blocks(len(examples)):
        y = examples.targets(rows)
        total += loss(network(examples.inputs(rows)), y).item() * len(y)
    return total / len(examples)


def blocks(count: int) -> Iterator[slice]:
    """Yield consecutive slices of one fixed size over `count` examples; the last may be shorter.

    Everything that does not train reads its examples in these batches, so that sums have the same bits everywhere.
    """
    for start in range(0, count, EVALUATION_BATCH):
        yield slice(start, min(start + EVALUATION_BATCH, count))


def _optimizer(parameters: list[Tensor], training: Training, device: torch.device) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.learning_rate, momentum=training.momentum, fused=True)
    return torch.optim.Adam(parameters, lr=training.learning_rate, fused=True, capturable=device.type == "cuda")


def _resume(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], moments: Moments) -> None:
    optimizer.state.update(zip(parameters, moments.of, strict=False))
    if any("momentum_buffer" in state for state in moments.of):  # a fused step takes buffers of all or none
        for parameter in parameters[len(moments.of) :]:
            optimizer.state[parameter] = {"momentum_buffer": torch.zeros_like(parameter)}


def _adam_metric(optimizer: torch.optim.Optimizer, parameter: Tensor, out: Tensor) -> None:
    """Write sqrt(v) + epsilon, the divisor of Adam's step, into `out`."""
    group, state = optimizer.param_groups[0], optimizer.state.get(parameter)
    if state:
        beta, step = group["betas"][1], state["step"]
        correction = _kept_correction(beta, step.item()) if may_wait(step) else _correction(beta, step)
        root = torch.rsqrt(state["exp_avg_sq"], out=out).reciprocal_()  # torch.sqrt is slow on zeros (silent units)
        root.mul_(correction).add_(group["eps"])
    else:
        out.fill_(group["eps"])


def _correction(beta: float, step: Tensor) -> Tensor:
    """Return the factor that removes the bias of sqrt(v)."""
    return (1 - beta**step).rsqrt()


@lru_cache(maxsize=8)
def _kept_correction(beta: float, step: float) -> Tensor:
    """Return the same factor, computed once for all parameters of a step."""
    return _correction(beta, torch.tensor(step))


def _sgd_metric(optimizer: torch.optim.Optimizer, parameter: Tensor, out: Tensor) -> None:
    """Write 1 - momentum into `out`: at a fixed point, momentum adds up to 1 / (1 - momentum) gradients."""
    out.fill_(1 - optimizer.param_groups[0]["momentum"])


METRICS = {"adam": _adam_metric, "sgd": _sgd_metric}


def _pace(training: Training, step: int, steps: int, count: int) -> float:
    """Return the factor of the learning rate at a step, counted from 0, of a stage."""
    if training.schedule == "decay":
        return float(0.95 ** _passes(training, step, count))
    return 1 - step / steps if training.schedule == "linear" else 1.0


def _passes(training: Training, step: int, count: int) -> int:
    """Return the number of passes over the examples that a stage has completed before a step, counted from 0."""
    if training.drop_last:
        return step * min(training.batch_size, count) // count
    return step // per_pass(training, count)  # the last batch of a pass is smaller


def _step(
    network: Learner,
    examples: Examples,
    optimizer: torch.optim.Optimizer,
    point: proximal.ProximalPoint,
    penalties: Sequence[Penalty],
    loss: Loss,
    rows: Tensor,
    rate: Rate,
    towards_zero: Rate,
) -> Tensor:
    """Take one step on the given rows; return its loss. It reads no value, so that a graph can replay it."""
    value = loss(network(examples.inputs(rows)), examples.targets(rows))
    optimizer.zero_grad(set_to_none=True)
    value.backward()
    optimizer.param_groups[0]["lr"] = rate
    with torch.no_grad():
        for penalty in penalties:
            penalty.add_gradients()
        optimizer.step()
        point(rate, towards_zero)
        for penalty in penalties:
            penalty.step(rate)
    return value.detach()


def _batches(
    count: int, batch: int, pass_steps: int, steps: int, generator: Generator, device: torch.device
) -> Iterator[Tensor]:
    """Yield the rows of each batch: `pass_steps` batches of each shuffle."""
    for start in range(0, steps, pass_steps):
        order = torch.randperm(count, generator=generator).to(device)
        for number in range(min(pass_steps, steps - start)):
            yield order[number * batch : (number + 1) * batch]


def require_gradients(parameters: Sequence[Tensor], required: bool) -> None:
    """Let the tensors require gradients, or not, and delete the gradients they have."""
    for tensor in parameters:
        tensor.requires_grad_(required)
        tensor.grad = None


def _refuse_divergence(losses: Sequence[Tensor], recent: int) -> None:
    first = max(0, len(losses) - recent)
    for step, value in enumerate(torch.stack(list(losses[first:])).tolist(), start=first + 1):
        if not math.isfinite(value) or value > DIVERGED:
            raise Diverged(f"the loss is {value} at step {step}; lower training.learning_rate or the strengths")
