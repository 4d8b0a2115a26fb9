"""The proximal point of all penalties together, in the optimiser's own metric.

The optimiser moves w to u = w - a m / s: a is the learning rate, s is 1 for SGD and sqrt(v) + epsilon for Adam. The
proximal step then moves u to the minimiser of sum s (w - u)^2 / (2 a) + penalties(w). At a fixed point of the two
steps, the gradient of the loss and a subgradient of the penalties add up to zero: w is a stationary point of the
objective. A proximal step in another metric, such as the threshold a * strength after a step of Adam, has other fixed
points.

Penalties towards zero have their own rate, which is zero at first: a unit that no example has activated yet has
s = epsilon, and a single step would set it to zero for good.

Sources: Yun, Lozano and Yang, "Adaptive Proximal Gradient Methods for Structured Neural Networks" (NeurIPS 2021);
Melchior, Joseph and Moolekamp, "Proximal Adam" (2019).
"""

import math
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from den.graphs import Rate
from den.penalties import L1, L2, Drift, GroupLasso, Penalty, Within, block, unit_wise
from den.thresholds import CLOSE, STEPS, dot, fold, group_threshold, may_wait, norm, soft_threshold

HALVINGS = 30  # bisection steps for a multiplier under sparsity, on a logarithmic scale
LOWEST, MOST = 1e-20, 1e15  # of that bisection: the lower end relative to the upper, and the largest upper end
TINY = torch.finfo(torch.float32).tiny

Metric = Callable[[Tensor, Tensor], object]
"Writes s of a parameter, its first argument, into its second, a tensor of the same shape."


class Term(NamedTuple):
    """A penalty's tensor w, its part of the metric D, the strength, and the centre of a quadratic; None means zero."""

    w: Tensor
    metric: Tensor
    strength: float
    centre: Tensor | None = None


class ProximalPoint:
    """The joint proximal step of penalties; it changes the parameters in place.

    The metric D of a parameter starts as s. Each folded quadratic adds its curvature to it.
    """

    def __init__(self, penalties: Sequence[Penalty], parameters: Sequence[Tensor], metric: Metric) -> None:
        self.metric = metric
        self.parameters = {storage_of(parameter): parameter for parameter in parameters}
        self.metrics: dict[int, Tensor] = {}
        self.pulls: list[Term] = []
        self.decays: list[Term] = []
        self.sparse: list[Term] = []
        self.groups: list[Term] = []
        for penalty in penalties:
            self._add(penalty)
        self.balls = [self._ball(penalty) for penalty in penalties if isinstance(penalty, Within)]

    def _add(self, penalty: Penalty) -> None:
        match penalty:
            case Drift(tensors, before, strength):
                blocks = [block(w, old) for w, old in zip(tensors, before, strict=True)]
                self.pulls += self._terms(blocks, strength, before)
            case L2(tensors, strength):
                self.decays += self._terms(tensors, strength)
            case L1(tensors, strength):
                self.sparse += self._terms(tensors, strength)
            case GroupLasso(tensors, strength):
                self.groups += self._terms(tensors, strength)

    def _ball(self, within: Within) -> "Ball":
        ends = {storage_of(w): len(old) * w.stride(0) for w, old in zip(within.now, within.before, strict=True)}
        metrics = [self._metric_of(tensor) for tensor in within.now]
        sparse, groups = (
            [term for term in terms if term.w.storage_offset() < ends.get(storage_of(term.w), 0)]
            for terms in (self.sparse, self.groups)
        )
        return SparseBall(within, metrics, sparse, groups) if sparse or groups else Ball(within, metrics)

    def _terms(self, tensors: Sequence[Tensor], strength: float, centres: Sequence[Tensor] | None = None) -> list[Term]:
        pairs = zip(tensors, centres or repeat(None), strict=False)
        return [Term(w, window(self._metric_of(w), w), strength, old) for w, old in pairs if strength and w.numel()]

    def _metric_of(self, w: Tensor) -> Tensor:
        """Return the metric of the parameter that `w` is or views."""
        storage = storage_of(w)
        if storage not in self.metrics:
            constant = self.parameters.setdefault(storage, w)  # a bias that does not learn
            self.metrics[storage] = torch.empty_like(constant)
        return self.metrics[storage]

    def __call__(self, rate: Rate, towards_zero: Rate) -> None:
        """Move the parameters to the proximal point.

        rate: the learning rate. towards_zero: the rate of L2, L1 and the group lasso.
        """
        for storage, metric in self.metrics.items():
            self.metric(self.parameters[storage], metric)
        for w, metric, strength, centre in self.pulls:
            fold(w, metric, 2 * rate * strength, centre)
        starts = [ball.within.now for ball in self.balls] if waits(towards_zero) else self._shrink(towards_zero)
        for ball, start in zip(self.balls, starts, strict=True):
            ball.project(start, towards_zero)

    def _shrink(self, rate: Rate) -> list[tuple[Tensor, Tensor]]:
        """Apply the penalties towards zero; return the points from which the constraints start."""
        for w, metric, strength, _ in self.decays:
            fold(w, metric, 2 * rate * strength)
        starts = [ball.start() for ball in self.balls]
        for w, metric, strength, _ in self.sparse:
            soft_threshold(w, metric, rate * strength)
        for w, metric, strength, _ in self.groups:
            group_threshold(w, metric, rate * strength)
        return starts


def waits(rate: Rate) -> bool:
    """Return whether a rate is the number zero; the value of a tensor is not read."""
    return not isinstance(rate, Tensor) and rate == 0


class Ball:
    """The constraint that old units stay within a radius of their former values, solved with one multiplier per unit.

    A unit beyond the radius moves to the joint proximal point with one more quadratic, of curvature nu around its
    former value w0. nu is the smallest curvature that keeps the unit within. Without sparsity, that point is
    w - w0 = D (u - w0) / (D + nu).
    """

    def __init__(self, within: Within, metrics: Sequence[Tensor]) -> None:
        self.within, self.metrics = within, metrics

    def start(self) -> tuple[Tensor, Tensor]:
        """Return the point u from which `project` starts: weight and bias before L1 and group lasso."""
        return self.within.now

    def project(self, u: Sequence[Tensor], towards_zero: Rate) -> None:
        """Move the units that are too far, in place. u: weight and bias, from `start`."""
        far = (self.within.lengths() > self.within.radius).index_fill_(0, self.within.frozen, False)
        units = far.nonzero().squeeze(1) if may_wait(far) else torch.arange(len(far), device=far.device)
        if len(units):
            rows, metrics, old = (
                [tensor.index_select(0, units) for tensor in pair] for pair in (u, self.metrics, self.within.before)
            )
            nearer = self._nearer(rows, metrics, old, self.within.inner[units].unsqueeze(1), towards_zero)
            for parameter, w in zip(self.within.now, nearer, strict=True):
                moved = w if may_wait(far) else torch.where(unit_wise(far, w), w, parameter[: len(far)])
                parameter.index_copy_(0, units, moved)
        self.within.restore()

    def _nearer(
        self, u: list[Tensor], metrics: list[Tensor], old: list[Tensor], inner: Tensor, towards_zero: Rate
    ) -> list[Tensor]:
        """Move weight and bias of units that are too far to the surface of their balls; return u, changed in place."""
        d = _joined(metrics, old)
        scaled = d * (_joined(u, old) - _joined(old, old))
        nu = torch.zeros_like(inner)
        for _ in range(STEPS):
            below = d + nu
            moved = scaled / below
            step = _towards_surface(norm(moved), dot(moved, moved / below), inner)
            nu += step
            if may_wait(nu) and (step <= CLOSE * nu).all():
                break
        moved = scaled / (d + nu)
        moved *= (inner / norm(moved).clamp_min(TINY)).clamp_max(1)
        for w, before, move in zip(u, old, moved.split([moved.shape[1] - 1, 1], dim=1), strict=True):
            block(w, before).copy_(before + move.view_as(before))
        return u


class SparseBall(Ball):
    """The same constraint if L1 or group lasso acts on the same tensors."""

    def __init__(self, within: Within, metrics: Sequence[Tensor], sparse: list[Term], groups: list[Term]) -> None:
        super().__init__(within, metrics)
        self.terms = [(term, soft_threshold) for term in sparse] + [(term, group_threshold) for term in groups]
        self.strength = sum(term.strength * math.sqrt(term.w[0].numel()) for term, _ in self.terms)

    def start(self) -> tuple[Tensor, Tensor]:
        weight, bias = self.within.now
        return weight.clone(), bias.clone()

    def _nearer(
        self, u: list[Tensor], metrics: list[Tensor], old: list[Tensor], inner: Tensor, towards_zero: Rate
    ) -> list[Tensor]:
        before = _joined(old, old)
        high = norm(_joined(metrics, old) * (_joined(u, old) - before)) + towards_zero * self.strength
        high = (high / inner.clamp_min(TINY)).clamp(TINY / LOWEST, MOST)
        low = high * LOWEST
        for _ in range(HALVINGS):  # Newton's method would stop at the kinks: a weight at zero does not move with nu
            nu = low.sqrt() * high.sqrt()
            far = norm(_joined(self._point(u, metrics, old, nu, towards_zero), old) - before) > inner
            low, high = torch.where(far, nu, low), torch.where(far, high, nu)
        w = self._point(u, metrics, old, high, towards_zero)
        far = norm(_joined(w, old) - before) / inner.clamp_min(TINY)
        for moved, former in zip(w, old, strict=True):
            block(moved, former).lerp_(former, unit_wise((1 - 1 / far).clamp_min(0), former))
        return w

    def _point(
        self, u: list[Tensor], metrics: list[Tensor], old: list[Tensor], nu: Tensor, towards_zero: Rate
    ) -> list[Tensor]:
        """Return weight and bias at the multipliers nu."""
        w, grown = [tensor.clone() for tensor in u], [metric.clone() for metric in metrics]
        for moved, metric, before in zip(w, grown, old, strict=True):
            fold(block(moved, before), block(metric, before), unit_wise(nu, before), before)
        for term, threshold in self.terms:
            index = int(storage_of(term.w) == storage_of(self.within.now[1]))  # 0 for the weight, 1 for the bias
            threshold(window(w[index], term.w), window(grown[index], term.w), towards_zero * term.strength)
        return w


def window(tensor: Tensor, like: Tensor) -> Tensor:
    """Return the part of `tensor` that `like` shows of its base, a tensor with the same memory layout.

    `tensor` may have fewer units than the base of `like`, if `like` shows all units of it.
    """
    shape = (min(len(tensor), len(like)), *like.shape[1:])
    return tensor.as_strided(shape, like.stride(), like.storage_offset())


def _towards_surface(length: Tensor, slope: Tensor, inner: Tensor) -> Tensor:
    """Return Newton's step in nu on 1 / length - 1 / inner, which is concave in nu; zero for a unit that is within."""
    inner = inner.clamp_min(TINY)
    return torch.where(length > inner, (length / inner - 1) * length.square() / slope, 0)


def _joined(tensors: Sequence[Tensor], old: Sequence[Tensor]) -> Tensor:
    """Return the blocks of weight and bias that `old` covers, side by side: (units, inputs + 1)."""
    blocks = [block(w, former).reshape(len(former), -1) for w, former in zip(tensors, old, strict=True)]
    return torch.cat(blocks, dim=1)


def storage_of(tensor: Tensor) -> int:
    """Return the address of a tensor's storage: two tensors with the same address are views of one storage."""
    return tensor.untyped_storage().data_ptr()
