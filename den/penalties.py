"""Penalties: what training adds to the loss.

Smooth ones add their exact gradient before the optimiser's step; the others are proximal steps after it, which is
where exact zeros come from. A proximal step's threshold is the learning rate times the strength.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softshrink

from den.graphs import Rate


class Penalty(Protocol):
    """A term of the objective, bound to the tensors it weighs on."""

    def add_gradients(self) -> None:
        """Add the penalty's gradient to the tensors' gradients."""

    def proximal_step(self, learning_rate: Rate) -> None:
        """Move the tensors to the penalty's proximal point."""


class Smooth:
    """A penalty with a gradient and no proximal step."""

    def proximal_step(self, learning_rate: Rate) -> None:
        """Do nothing."""


class Proximal:
    """A penalty with a proximal step and no gradient."""

    def add_gradients(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, eq=False)
class L2(Proximal):
    """strength * sum ||w||^2: weight decay.

    Smooth, and yet a proximal step, like Drift: as a gradient it would be all that a silent unit hears, and Adam would
    make full steps of it.
    """

    tensors: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        return self.strength * sum((w.square().sum() for w in self.tensors), torch.zeros(()))

    def proximal_step(self, learning_rate: Rate) -> None:
        for w in self.tensors:
            w.div_(1 + 2 * learning_rate * self.strength)


@dataclass(frozen=True, eq=False)
class Drift(Proximal):
    """strength * sum ||w - before||^2 over the block of w that `before` covers (Eq. 6; the L2 baseline).

    Smooth, and yet a proximal step: as a gradient Adam would rescale it, and its strength would not matter.
    """

    tensors: Sequence[Tensor]
    before: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        moves = ((_block(w, old) - old).square().sum() for w, old in zip(self.tensors, self.before, strict=True))
        return self.strength * sum(moves, torch.zeros(()))

    def proximal_step(self, learning_rate: Rate) -> None:
        pull = 2 * learning_rate * self.strength
        for w, old in zip(self.tensors, self.before, strict=True):
            _block(w, old).lerp_(old, pull / (1 + pull))


@dataclass(frozen=True, eq=False)
class Fisher(Smooth):
    """strength / 2 * sum importance * (w - centre)^2 (EWC; Kirkpatrick et al. 2017, Eq. 3)."""

    tensors: Sequence[Tensor]
    centre: Sequence[Tensor]
    importance: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        terms = zip(self.tensors, self.centre, self.importance, strict=True)
        return self.strength / 2 * sum((((w - c).square() * f).sum() for w, c, f in terms), torch.zeros(()))

    def add_gradients(self) -> None:
        for w, centre, importance in zip(self.tensors, self.centre, self.importance, strict=True):
            _gradient(w).addcmul_(w.detach() - centre, importance, value=self.strength)


@dataclass(frozen=True, eq=False)
class L1(Proximal):
    """strength * sum |w| (Eqs. 2, 3, 5): the soft threshold."""

    tensors: Sequence[Tensor]
    strength: float

    def proximal_step(self, learning_rate: Rate) -> None:
        for w in self.tensors:
            w.copy_(soft_threshold(w, learning_rate * self.strength))


@dataclass(frozen=True, eq=False)
class GroupLasso(Proximal):
    """strength * sum over units ||incoming weights||_2 (Eq. 5): whole units go to zero.

    After an L1 step this is the exact proximal point of both penalties together.
    """

    tensors: Sequence[Tensor]
    strength: float

    def proximal_step(self, learning_rate: Rate) -> None:
        for w in self.tensors:
            norms = w.flatten(1).norm(dim=1).clamp_min_(torch.finfo(w.dtype).tiny)
            w.mul_(unit_wise((1 - learning_rate * self.strength / norms).clamp_min_(0), w))


@dataclass(frozen=True, eq=False)
class GradientOf(Smooth):
    """L2 or Drift as a gradient of the loss, which the optimiser rescales."""

    penalty: L2 | Drift

    def add_gradients(self) -> None:
        with torch.enable_grad():
            found = torch.autograd.grad(self.penalty.value(), list(self.penalty.tensors))
        for w, gradient in zip(self.penalty.tensors, found, strict=True):
            _gradient(w).add_(gradient)


@dataclass(frozen=True, eq=False)
class Unscaled(Proximal):
    """A proximal step of the penalty's own strength, whatever the learning rate."""

    penalty: Penalty

    def proximal_step(self, learning_rate: Rate) -> None:
        self.penalty.proximal_step(1.0)


@dataclass(frozen=True, eq=False)
class Within(Proximal):
    """A layer's old units stay within `radius` of what they were: the projection onto that set.

    now, before: weight and bias of the layer, and of its old units on its old inputs. Units in `frozen` do not move at
    all, and read nothing but old inputs.
    """

    now: tuple[Tensor, Tensor]
    before: tuple[Tensor, Tensor]
    frozen: Tensor
    radius: float

    def proximal_step(self, learning_rate: Rate) -> None:
        old_weight, old_bias = self.before
        weight, bias = _block(self.now[0], old_weight), _block(self.now[1], old_bias)
        moved_weight, moved_bias = weight - old_weight, bias - old_bias
        length = drift(moved_weight, moved_bias)
        inner = self.radius * (1 - 1e-6) - 2e-7 * self.size  # rounding to float32 must not carry a unit out again
        shrink, far = inner.clamp_min(0) / length, length > self.radius
        nearer = moved_weight.mul_(unit_wise(shrink, weight)).add_(old_weight)
        torch.where(unit_wise(far, weight), nearer, weight, out=weight)
        torch.where(far, moved_bias.mul_(shrink).add_(old_bias), bias, out=bias)
        self._restore()

    @cached_property
    def size(self) -> Tensor:
        """How far each old unit is from zero."""
        return drift(*self.before)

    def _restore(self) -> None:
        old_weight, old_bias = self.before
        self.now[0].index_fill_(0, self.frozen, 0)
        _block(self.now[0], old_weight)[self.frozen] = old_weight[self.frozen]
        self.now[1][self.frozen] = old_bias[self.frozen]


def soft_threshold(w: Tensor, threshold: Rate) -> Tensor:
    """Return w moved towards zero by the threshold, and zero where it is within."""
    if isinstance(threshold, Tensor):  # softshrink takes none
        return w - w.clamp(-threshold, threshold)
    return softshrink(w, threshold)


def drift(moved_weight: Tensor, moved_bias: Tensor) -> Tensor:
    """Return how far each unit has moved (rho, Algorithm 4): over its incoming weights, the bias counted as one."""
    return (moved_weight.flatten(1).square().sum(dim=1) + moved_bias.square()).sqrt()


def unit_wise(values: Tensor, weight: Tensor) -> Tensor:
    """Return one value a unit, shaped to be multiplied with `weight`."""
    return values.view(-1, *[1] * (weight.dim() - 1))


def _block(tensor: Tensor, old: Tensor) -> Tensor:
    return tensor[tuple(slice(size) for size in old.shape)]


def _gradient(tensor: Tensor) -> Tensor:
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad
