"""Certificates: how far from optimal a stage ends, computed over all of its training data after its last step.

The objective of a stage is F = f + h: f is the loss L plus all quadratic penalties, h is L1, group lasso and the
constraint of `Within`. Frozen parameters are constants. Let w be the last parameters, g the gradient of f, and
G = w - prox_h(w - g) in the identity metric. ||G|| is zero exactly if w is stationary.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from den.config import Training
from den.networks.layers import Chain, active
from den.penalties import L2, Drift, Penalty, Within, block, gradient
from den.proximal import ProximalPoint, storage_of, window
from den.tasks import Examples
from den.training import Fit, Learner, Loss, Moments, blocks, fit, logistic, require_gradients


class Certificate(NamedTuple):
    """The optimality of a stage's last parameters.

    norm: ||G||. size: ||grad L|| + ||grad f - grad L|| + ||g - G||, the scale that ||G|| is compared with.
    dead: per hidden layer, the number of units that no training example activates; empty if the network is not a
    chain of layers. seconds: the time that the certificate took.
    """

    norm: float
    size: float
    dead: tuple[int, ...]
    seconds: float

    def residual(self, scale: float) -> float:
        """Return ||G|| relative to the gradients that it balances: a number from 0 to 1.

        scale: the norm of the loss's gradient at the start of the task; a smaller size is replaced by it.
        """
        return self.norm / max(self.size, scale, torch.finfo(torch.float32).tiny)


class Scale(NamedTuple):
    """The norm of the loss's gradient at the start of a task, and the seconds that it took to compute."""

    norm: float
    seconds: float = 0.0

    @property
    def earlier(self) -> "Scale":
        """The same norm for a later stage of the task, without seconds: the first stage reports them."""
        return Scale(self.norm)


class Solution(NamedTuple):
    """A training run and its certificate, if there is one."""

    fit: Fit
    certificate: Certificate | None = None


def solve(
    network: Learner,
    examples: Examples,
    training: Training,
    generator: Generator,
    penalties: Sequence[Penalty] = (),
    loss: Loss = logistic,
    moments: Moments | None = None,
) -> Solution:
    """Train the network's parameters in place on the examples, and certify the result. Raises Diverged."""
    fitted = fit(network, examples, training, generator, penalties, loss, moments)
    return Solution(fitted, certify(network, examples, penalties, loss))


def certify(
    network: Learner, examples: Examples, penalties: Sequence[Penalty] = (), loss: Loss = logistic
) -> Certificate:
    """Return the certificate of a network that was trained on the examples under the penalties.

    The network does not change.
    """
    start = time.perf_counter()
    parameters = network.parameters()
    objective = [penalty.objective for penalty in penalties]
    with _gradients(parameters):
        dead = _add_loss_gradients(network, parameters, examples, loss)
        with torch.no_grad():
            _leave_out_frozen(objective)
            of_loss = [gradient(tensor).clone() for tensor in parameters]
            _add_quadratic_gradients(objective, parameters)
            _leave_out_frozen(objective)
            smooth = [gradient(tensor).clone() for tensor in parameters]
        nonsmooth = [penalty for penalty in objective if not isinstance(penalty, L2 | Drift)]
        mapped = _mapped(nonsmooth, parameters, smooth)
    quadratic, balance = _difference(smooth, of_loss), _difference(smooth, mapped)
    size = _norm(of_loss) + _norm(quadratic) + _norm(balance)
    return Certificate(_norm(mapped), size, dead, time.perf_counter() - start)


def scale_of(network: Learner, examples: Examples, loss: Loss = logistic) -> Scale:
    """Return the norm of the gradient of the mean loss over the examples."""
    start = time.perf_counter()
    parameters = network.parameters()
    with _gradients(parameters):
        _add_loss_gradients(network, parameters, examples, loss)
        norm = _norm([gradient(tensor) for tensor in parameters])
    return Scale(norm, time.perf_counter() - start)


@contextmanager
def _gradients(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Let the parameters require gradients inside the context; afterwards none requires or has one."""
    require_gradients(parameters, True)
    try:
        yield
    finally:
        require_gradients(parameters, False)


def _add_loss_gradients(
    network: Learner, parameters: Sequence[Tensor], examples: Examples, loss: Loss
) -> tuple[int, ...]:
    """Add the gradients of the mean loss over the examples; return the dead units of each hidden layer of a chain."""
    fired: list[Tensor] = []
    for rows in blocks(len(examples)):
        x, y = examples.inputs(rows), examples.targets(rows)
        if isinstance(network, Chain):
            activations = network.activations(x)
            logits = network.head(activations[-1] if activations else x)
            now = active(activations)
            fired = [a | b for a, b in zip(fired, now, strict=True)] if fired else now
        else:
            logits = network(x)
        (loss(logits, y) * (len(y) / len(examples))).backward()
    return tuple(int((~layer).sum()) for layer in fired)


def _add_quadratic_gradients(penalties: Sequence[Penalty], parameters: Sequence[Tensor]) -> None:
    """Add the gradients of all quadratic penalties, L2 and Drift among them, to those of the parameters."""
    by_storage = {storage_of(tensor): gradient(tensor) for tensor in parameters}
    for penalty in penalties:
        penalty.add_gradients()
        if isinstance(penalty, L2):
            for w in filter(Tensor.numel, penalty.tensors):
                window(by_storage[storage_of(w)], w).add_(w, alpha=2 * penalty.strength)
        elif isinstance(penalty, Drift):
            for w, old in zip(penalty.tensors, penalty.before, strict=True):
                if old.numel():
                    moved = block(w, old)
                    window(by_storage[storage_of(w)], moved).add_(moved - old, alpha=2 * penalty.strength)


def _leave_out_frozen(penalties: Sequence[Penalty]) -> None:
    """Set the gradients of frozen units to zero: they are constants."""
    for penalty in penalties:
        if isinstance(penalty, Within):
            for tensor in penalty.now:
                if tensor.requires_grad:
                    gradient(tensor).index_fill_(0, penalty.frozen, 0)


@torch.no_grad()
def _mapped(penalties: Sequence[Penalty], parameters: Sequence[Tensor], smooth: Sequence[Tensor]) -> list[Tensor]:
    """Return G = w - prox_h(w - g) in the identity metric, with the penalties as h.

    The parameters change on the way, and are then restored to the bit.
    """
    before = [tensor.clone() for tensor in parameters]
    for tensor, g in zip(parameters, smooth, strict=True):
        tensor.sub_(g)
    ProximalPoint(penalties, parameters, _ones)(1.0, 1.0)
    mapped = _difference(before, parameters)
    for tensor, old in zip(parameters, before, strict=True):
        tensor.copy_(old)
    return mapped


def _ones(parameter: Tensor, metric: Tensor) -> None:
    metric.fill_(1)


def _difference(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(tensor.detach().double().square().sum().item() for tensor in tensors))
