"""How far from optimal a stage ends: a certificate, taken over all of its training data after its last step.

The objective of a stage is F = f + h: f is the loss L and all quadratic penalties, h is L1, group lasso and the
constraint of `Within`; what is frozen is a constant. At the last w, with g = the gradient of f and
G = w - prox_h(w - g) in the identity metric, ||G|| is zero exactly if w is stationary.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from den.config import Training
from den.networks.layers import Chain
from den.penalties import L2, Drift, Penalty, Within, block, gradient
from den.proximal import ProximalPoint, storage_of, window
from den.tasks import Split
from den.training import Fit, Learner, Loss, Moments, blocks, fit, logistic, require_gradients


class Certificate(NamedTuple):
    """What a stage ends with.

    norm: ||G||. size: ||grad L|| + ||grad f - grad L|| + ||g - G||, what G is to be compared with. dead: units of each
    hidden layer that no training example activates; empty if the network is no chain of layers. seconds: the time that
    the certificate took.
    """

    norm: float
    size: float
    dead: tuple[int, ...]
    seconds: float

    def residual(self, scale: float) -> float:
        """Return ||G|| relative to the gradients it is the balance of, in [0, 1].

        scale: the norm of the loss's gradient where the task begins, below which no size counts.
        """
        return self.norm / max(self.size, scale, torch.finfo(torch.float32).tiny)


class Scale(NamedTuple):
    """The norm of the loss's gradient where a task begins, and the seconds that it took."""

    norm: float
    seconds: float = 0.0

    @property
    def earlier(self) -> "Scale":
        """The same norm for a later stage of the task; its seconds are reported by this one."""
        return Scale(self.norm)


class Solution(NamedTuple):
    """A training run and its certificate, if there is one."""

    fit: Fit
    certificate: Certificate | None = None


def solve(
    network: Learner,
    split: Split,
    training: Training,
    generator: Generator,
    penalties: Sequence[Penalty] = (),
    loss: Loss = logistic,
    moments: Moments | None = None,
) -> Solution:
    """Train the network's parameters in place on the split, and certify what comes of it. Raises Diverged."""
    fitted = fit(network, split, training, generator, penalties, loss, moments)
    return Solution(fitted, certify(network, split, penalties, loss))


def certify(network: Learner, split: Split, penalties: Sequence[Penalty] = (), loss: Loss = logistic) -> Certificate:
    """Return the certificate of a network that was trained on the split under the penalties; nothing changes."""
    start = time.perf_counter()
    parameters = network.parameters()
    objective = [penalty.objective for penalty in penalties]
    with _gradients(parameters):
        dead = _add_loss_gradients(network, parameters, split, loss)
        with torch.no_grad():
            _leave_out_frozen(objective)
            of_loss = [gradient(tensor).clone() for tensor in parameters]
            _add_quadratic_gradients(objective, parameters)
            _leave_out_frozen(objective)
            smooth = [gradient(tensor).clone() for tensor in parameters]
        mapped = _mapped([one for one in objective if not isinstance(one, L2 | Drift)], parameters, smooth)
    quadratic, balance = _difference(smooth, of_loss), _difference(smooth, mapped)
    size = _norm(of_loss) + _norm(quadratic) + _norm(balance)
    return Certificate(_norm(mapped), size, dead, time.perf_counter() - start)


def scale_of(network: Learner, split: Split, loss: Loss = logistic) -> Scale:
    """Return the norm of the loss's gradient over the split."""
    start = time.perf_counter()
    parameters = network.parameters()
    with _gradients(parameters):
        _add_loss_gradients(network, parameters, split, loss)
        norm = _norm([gradient(tensor) for tensor in parameters])
    return Scale(norm, time.perf_counter() - start)


@contextmanager
def _gradients(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Let the parameters require gradients, and leave none behind."""
    require_gradients(parameters, True)
    try:
        yield
    finally:
        require_gradients(parameters, False)


def _add_loss_gradients(network: Learner, parameters: Sequence[Tensor], split: Split, loss: Loss) -> tuple[int, ...]:
    """Add the gradients of the mean loss over the split; return the dead units of each hidden layer of a chain."""
    active: list[Tensor] = []
    for rows in blocks(len(split)):
        x, y = split.inputs(rows), split.targets(rows)
        if isinstance(network, Chain):
            reached = network.activations(x)
            logits = network.head(reached[-1] if reached else x)
            now = [(layer.detach() > 0).transpose(0, 1).flatten(1).any(dim=1) for layer in reached]
            active = [a | b for a, b in zip(active, now, strict=True)] if active else now
        else:
            logits = network(x)
        (loss(logits, y) * (len(y) / len(split))).backward()
    return tuple(int((~layer).sum()) for layer in active)


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
                    now = block(w, old)
                    window(by_storage[storage_of(w)], now).add_(now - old, alpha=2 * penalty.strength)


def _leave_out_frozen(penalties: Sequence[Penalty]) -> None:
    """Set the gradients of frozen units to zero: they are constants."""
    for penalty in penalties:
        if isinstance(penalty, Within):
            for tensor in penalty.now:
                if tensor.requires_grad:
                    gradient(tensor).index_fill_(0, penalty.frozen, 0)


@torch.no_grad()
def _mapped(penalties: Sequence[Penalty], parameters: Sequence[Tensor], smooth: Sequence[Tensor]) -> list[Tensor]:
    """Return G = w - prox_h(w - g) in the identity metric, h being the penalties; nothing changes, to the bit."""
    kept = [tensor.clone() for tensor in parameters]
    for tensor, g in zip(parameters, smooth, strict=True):
        tensor.sub_(g)
    ProximalPoint(penalties, parameters, _ones)(1.0, 1.0)
    mapped = _difference(kept, parameters)
    for tensor, before in zip(parameters, kept, strict=True):
        tensor.copy_(before)
    return mapped


def _ones(parameter: Tensor, metric: Tensor) -> None:
    metric.fill_(1)


def _difference(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
    return [one - other for one, other in zip(a, b, strict=True)]


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(tensor.detach().double().square().sum().item() for tensor in tensors))
