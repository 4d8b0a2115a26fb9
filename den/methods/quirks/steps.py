"""Departures in how a step treats penalties: of the released code, and of this project up to version 0.5.0."""

from dataclasses import dataclass

import torch
from torch import Generator

from den.certificates import Solution
from den.graphs import Rate
from den.methods.den import Den
from den.networks.layers import Chain
from den.penalties import L1, L2, Drift, GroupLasso, Penalty, Within, block, drift, gradient, unit_wise
from den.tasks import Examples
from den.thresholds import shrunk


class PenaltiesAsGradients(Den):
    """Decay and the pull of Eq. 6 act through gradients; decay then includes the old weights of Eq. 6."""

    def stay(self) -> list[Penalty]:
        pull, _, *more = super().stay()  # the decay holds parts of tensors, and a gradient needs whole ones
        return [pull, self.decay(self.network.whole(self.head)), *more]

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        return super().fit(chain, examples, generator, *map(as_gradient, penalties))


class UnscaledThresholds(Den):
    """The thresholds of L1 and group sparsity are their strengths, whatever the learning rate and metric."""

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        return super().fit(chain, examples, generator, *map(unscaled, penalties))


class EuclideanSteps(Den):
    """Each penalty takes a proximal step of its own, in the Euclidean metric, after a step of Adam.

    At a fixed point of such a pair, m / s and a subgradient of the penalties add up to zero, where s is Adam's divisor.
    That solves another problem than the equations. Versions up to 0.5.0 took these steps.
    """

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        return super().fit(chain, examples, generator, *map(euclidean, penalties))


@dataclass(frozen=True, eq=False)
class GradientOf(Penalty):
    """An L2 or Drift penalty that acts through its gradient."""

    penalty: L2 | Drift

    @property
    def objective(self) -> Penalty:
        return self.penalty

    def add_gradients(self) -> None:
        with torch.enable_grad():
            gradients = torch.autograd.grad(self.penalty.value(), list(self.penalty.tensors))
        for w, added in zip(self.penalty.tensors, gradients, strict=True):
            gradient(w).add_(added)


@dataclass(frozen=True, eq=False)
class Euclidean(Penalty):
    """A penalty with its own proximal step in the Euclidean metric, scaled by the learning rate."""

    penalty: Penalty

    @property
    def objective(self) -> Penalty:
        return self.penalty

    def add_gradients(self) -> None:
        self.penalty.add_gradients()

    def step(self, rate: Rate) -> None:
        euclidean_step(self.penalty, rate)


@dataclass(frozen=True, eq=False)
class Unscaled(Euclidean):
    """The same step, not scaled by the learning rate."""

    def step(self, rate: Rate) -> None:
        euclidean_step(self.penalty, 1.0)


def as_gradient(penalty: Penalty) -> Penalty:
    """Return an L2 or Drift penalty as one that acts through its gradient; other penalties unchanged."""
    return GradientOf(penalty) if isinstance(penalty, L2 | Drift) else penalty


def unscaled(penalty: Penalty) -> Penalty:
    """Return an L1 or group lasso with a threshold that the learning rate does not scale; other penalties unchanged."""
    return Unscaled(penalty) if isinstance(penalty, L1 | GroupLasso) else penalty


def euclidean(penalty: Penalty) -> Penalty:
    """Return a penalty with its own Euclidean step; unchanged if it has steps of its own already."""
    return penalty if isinstance(penalty, GradientOf | Euclidean) else Euclidean(penalty)


def euclidean_step(penalty: Penalty, rate: Rate) -> None:
    """Move the penalty's tensors, in place, to its proximal point in the Euclidean metric."""
    match penalty:
        case L2(tensors, strength):
            for w in tensors:
                w.div_(1 + 2 * rate * strength)
        case Drift(tensors, before, strength):
            pull = 2 * rate * strength
            for w, old in zip(tensors, before, strict=True):
                block(w, old).lerp_(old, pull / (1 + pull))
        case L1(tensors, strength):
            for w in tensors:
                w.copy_(shrunk(w, rate * strength))
        case GroupLasso(tensors, strength):
            for w in tensors:
                norms = w.flatten(1).norm(dim=1).clamp_min_(torch.finfo(w.dtype).tiny)
                w.mul_(unit_wise((1 - rate * strength / norms).clamp_min_(0), w))
        case Within():
            project(penalty)


def project(within: Within) -> None:
    """Move each unit that is too far straight back towards its former values, in place."""
    old_weight, old_bias = within.before
    weight, bias = block(within.now[0], old_weight), block(within.now[1], old_bias)
    moved_weight, moved_bias = weight - old_weight, bias - old_bias
    length = drift(moved_weight, moved_bias)
    shrink, far = within.inner / length, length > within.radius
    nearer = moved_weight.mul_(unit_wise(shrink, weight)).add_(old_weight)
    torch.where(unit_wise(far, weight), nearer, weight, out=weight)
    torch.where(far, moved_bias.mul_(shrink).add_(old_bias), bias, out=bias)
    within.restore()
