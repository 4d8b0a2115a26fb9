"""Penalties: the terms that training adds to the loss.

A penalty describes a term and holds its tensors: parameters, or views of them. `den.proximal` computes the proximal
point of all penalties together, and so produces exact zeros. Only `Fisher` acts through its gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from den.graphs import Rate


class Penalty:
    """A term of the objective. Most enter the joint proximal point only, and leave both methods below empty."""

    @property
    def objective(self) -> "Penalty":
        """The term itself, without the particular steps that train it."""
        return self

    def add_gradients(self) -> None:
        """Add the penalty's gradient to the gradients of its tensors, before the optimiser's step."""

    def step(self, rate: Rate) -> None:
        """Take the penalty's own step after the optimiser's, outside of the joint proximal point."""


@dataclass(frozen=True, eq=False)
class L2(Penalty):
    """strength * sum ||w||^2: weight decay."""

    tensors: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        return self.strength * sum((w.square().sum() for w in self.tensors), torch.zeros(()))


@dataclass(frozen=True, eq=False)
class Drift(Penalty):
    """strength * sum ||w - before||^2 over the block of w that `before` covers (Eq. 6; the L2 baseline)."""

    tensors: Sequence[Tensor]
    before: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        moves = ((block(w, old) - old).square().sum() for w, old in zip(self.tensors, self.before, strict=True))
        return self.strength * sum(moves, torch.zeros(()))


@dataclass(frozen=True, eq=False)
class L1(Penalty):
    """strength * sum |w| (Eqs. 2, 3, 5)."""

    tensors: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        return self.strength * sum((w.abs().sum() for w in self.tensors), torch.zeros(()))


@dataclass(frozen=True, eq=False)
class GroupLasso(Penalty):
    """strength * sum over units ||incoming weights||_2 (Eq. 5): whole units go to zero. A unit is a row of a tensor."""

    tensors: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        return self.strength * sum((w.flatten(1).norm(dim=1).sum() for w in self.tensors), torch.zeros(()))


@dataclass(frozen=True, eq=False)
class Within(Penalty):
    """The constraint that a layer's old units stay within `radius` of their former values.

    now: weight and bias of the layer. before: former weight and bias of its old units on its old inputs.
    frozen: indices of the units that do not move at all and read old inputs only, int64.
    """

    now: tuple[Tensor, Tensor]
    before: tuple[Tensor, Tensor]
    frozen: Tensor
    radius: float

    @cached_property
    def inner(self) -> Tensor:
        """The radius of each old unit (units,), reduced so that rounding to float32 cannot exceed it."""
        return (self.radius * (1 - 1e-6) - 2e-7 * drift(*self.before)).clamp_min(0)

    def lengths(self) -> Tensor:
        """Return how far each old unit has moved: (units,)."""
        (weight, bias), (old_weight, old_bias) = self.now, self.before
        return drift(block(weight, old_weight) - old_weight, block(bias, old_bias) - old_bias)

    def restore(self) -> None:
        """Reset the frozen units to their former values."""
        (weight, bias), (old_weight, old_bias) = self.now, self.before
        weight.index_fill_(0, self.frozen, 0)
        block(weight, old_weight)[self.frozen] = old_weight[self.frozen]
        bias[self.frozen] = old_bias[self.frozen]


@dataclass(frozen=True, eq=False)
class Fisher(Penalty):
    """strength / 2 * sum importance * (w - centre)^2 (EWC; Kirkpatrick et al. 2017, Eq. 3), as a gradient."""

    tensors: Sequence[Tensor]
    centre: Sequence[Tensor]
    importance: Sequence[Tensor]
    strength: float

    def value(self) -> Tensor:
        terms = zip(self.tensors, self.centre, self.importance, strict=True)
        return self.strength / 2 * sum((((w - c).square() * f).sum() for w, c, f in terms), torch.zeros(()))

    def add_gradients(self) -> None:
        for w, centre, importance in zip(self.tensors, self.centre, self.importance, strict=True):
            gradient(w).addcmul_(w.detach() - centre, importance, value=self.strength)


def drift(moved_weight: Tensor, moved_bias: Tensor) -> Tensor:
    """Return how far each unit has moved (rho, Algorithm 4): the norm over its incoming weights and its bias.

    moved_weight: (units, inputs, ...); moved_bias: (units,). Returns (units,).
    """
    return (moved_weight.flatten(1).square().sum(dim=1) + moved_bias.square()).sqrt()


def unit_wise(values: Tensor, weight: Tensor) -> Tensor:
    """Return values (units,) reshaped to broadcast over `weight` (units, ...)."""
    return values.view(-1, *[1] * (weight.dim() - 1))


def block(tensor: Tensor, old: Tensor) -> Tensor:
    """Return the part of `tensor` that a smaller tensor covers, from the first unit and first input on: a view."""
    return tensor[tuple(slice(size) for size in old.shape)]


def gradient(tensor: Tensor) -> Tensor:
    """Return the tensor's gradient; if it has none, set it to zeros first."""
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad
