"""The joint proximal point is the minimiser of what it says, and training rests where its objective is least."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import pytest
import torch
from scipy.optimize import minimize
from small import random_layers
from torch import Generator, Tensor

from den import training
from den.config import Training
from den.methods.quirks.steps import Euclidean
from den.networks.layers import Chain, Layer
from den.penalties import L1, L2, Drift, GroupLasso, Penalty, Within, block
from den.proximal import ProximalPoint
from den.tasks import Examples
from den.thresholds import group_threshold
from den.training import fit

KINDS = ("drift", "l2", "l1", "group", "within")
SETS = [chosen for size in (1, 2, 3, 5) for chosen in combinations(KINDS, size)]
SHAPES = {"dense": (), "form": (4,), "convolution": (3, 3)}
STRENGTHS = {"drift": 0.7, "l2": 0.4, "l1": 0.5, "group": 0.6}
BISECTED = [(kind, "within") for kind in ("l1", "group")]  # a second for each hundred steps
RATE = 0.3
UNITS, OLD_UNITS, INPUTS, OLD_INPUTS = 6, 4, 5, 3
FROZEN = 2
ROUNDING = 1e-6


@dataclass(frozen=True)
class Case:
    """A layer that an optimiser has led to u, its metrics, and what weighs on it."""

    u: tuple[Tensor, Tensor]
    metrics: tuple[Tensor, Tensor]
    before: tuple[Tensor, Tensor]
    kinds: Sequence[str]
    view: Callable[[Tensor], Tensor]
    radius: float

    def penalties(self, weight: Tensor, bias: Tensor) -> list[Penalty]:
        """Return the penalties, bound to a weight and a bias."""
        seen = [self.view(weight)]
        known = {
            "drift": Drift([weight, bias], self.before, STRENGTHS["drift"]),
            "l2": L2(seen, STRENGTHS["l2"]),
            "l1": L1(seen, STRENGTHS["l1"]),
            "group": GroupLasso(seen, STRENGTHS["group"]),
            "within": Within((weight, bias), self.before, torch.tensor([FROZEN]), self.radius),
        }
        return [known[kind] for kind in self.kinds]

    def strength(self, kind: str) -> float:
        return STRENGTHS[kind] if kind in self.kinds else 0.0

    def point(self, rate: Any = RATE) -> tuple[Tensor, Tensor]:
        """Return the joint proximal point."""
        weight, bias = (tensor.clone() for tensor in self.u)
        metrics = {weight.data_ptr(): self.metrics[0], bias.data_ptr(): self.metrics[1]}

        def metric(parameter: Tensor, out: Tensor) -> None:
            out.copy_(metrics[parameter.data_ptr()])

        ProximalPoint(self.penalties(weight, bias), [weight, bias], metric)(rate, rate)
        return weight, bias


def case(kinds: Sequence[str], shape: str, seed: int, view: str = "whole", spread: float = 8.0) -> Case:
    """Return a random case in float64, its metrics spread over so many orders of magnitude, up to 1e2."""
    generator = Generator().manual_seed(seed)

    def drawn(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    def metric(*size: int) -> Tensor:
        return 10 ** (2 - spread * torch.rand(size, generator=generator, dtype=torch.float64))

    kernel = SHAPES[shape]
    before = drawn(OLD_UNITS, OLD_INPUTS, *kernel), drawn(OLD_UNITS)
    u = drawn(UNITS, INPUTS, *kernel), drawn(UNITS)
    for now, old in zip(u, before, strict=True):
        block(now, old)[:2] = old[:2] + 0.1 * block(now, old)[:2]  # two of them are near what they were
    metrics = metric(UNITS, INPUTS, *kernel), metric(UNITS)
    views: dict[str, Callable[[Tensor], Tensor]] = {"whole": lambda w: w, "block": lambda w: w[:, 1:]}
    return Case(u, metrics, before, kinds, views[view], radius=0.5)


def forces(given: Case, point: Sequence[Tensor]) -> list[Tensor]:
    """Return the negative gradients of all that is smooth: the metric's own quadratic, Drift and L2."""
    w = [tensor.clone().requires_grad_() for tensor in point]
    smooth = [penalty.value() for penalty in given.penalties(*w) if isinstance(penalty, L2 | Drift)]
    own = [(m * (x - u).square()).sum() / (2 * RATE) for m, x, u in zip(given.metrics, w, given.u, strict=True)]
    return [-gradient for gradient in torch.autograd.grad(sum(own) + sum(smooth), w)]


def violation(given: Case, point: Sequence[Tensor]) -> float:
    """Return by how much a point violates the conditions of optimality, relative to the forces on each coordinate."""
    force = forces(given, point)
    size = [(m * (u.abs() + x.abs())) / RATE + 1 for m, u, x in zip(given.metrics, given.u, point, strict=True)]
    units = [unit for unit in range(UNITS) if unit != FROZEN or "within" not in given.kinds]
    return max(of_unit(given, unit, *(side_by_side(pair, unit) for pair in (point, force, size))) for unit in units)


def side_by_side(pair: Sequence[Tensor], unit: int) -> Tensor:
    return torch.cat([tensor[unit].flatten() for tensor in pair])


def of_unit(given: Case, unit: int, w: Tensor, force: Tensor, size: Tensor) -> float:
    """Return the violation of one unit: the force on it is a subgradient of sparsity and a push back into its ball."""
    seen = torch.zeros_like(given.u[0])
    given.view(seen).fill_(1)
    weighed = side_by_side([seen, torch.zeros(UNITS, dtype=torch.float64)], unit).bool()
    moved = moves(given, w, unit)
    sparse, group = given.strength("l1") * weighed, given.strength("group")
    norm = (w * weighed).norm()
    rest = force - sparse * w.sign() - (group * w * weighed / norm if norm else 0)
    nu = multiplier(given, unit, moved, rest, (w != 0) | ~weighed)
    assert nu >= -ROUNDING
    rest = rest - nu * moved
    excess = torch.where((w == 0) & weighed, (rest.abs() - sparse).clamp_min(0), rest.abs())
    if group and not norm:
        dead = (excess * weighed).norm()
        excess = torch.where(weighed, (dead - group).clamp_min(0), excess)
    return float((excess / (size + nu * moved.abs())).max())


def moves(given: Case, w: Tensor, unit: int) -> Tensor:
    """Return how far each coordinate is from an old unit's old self; zero where there is none."""
    parts = given.u[0][unit].clone(), given.u[1][unit].clone()
    weight, bias = (w[:-1].view_as(parts[0]).clone(), w[-1].clone())
    if unit >= OLD_UNITS:
        return torch.zeros_like(w)
    weight[:OLD_INPUTS] -= given.before[0][unit]
    weight[OLD_INPUTS:] = 0
    return torch.cat([weight.flatten(), (bias - given.before[1][unit])[None]])


def multiplier(given: Case, unit: int, moved: Tensor, rest: Tensor, free: Tensor) -> float:
    """Return nu: zero for a unit that is inside of its ball, and what balances a coordinate that may move."""
    if "within" not in given.kinds or unit >= OLD_UNITS or moved.norm() < given.radius * (1 - 1e-5):
        return 0.0
    assert moved.norm() <= given.radius
    most = (moved.abs() * free).argmax()
    return float(rest[most] / moved[most])


@pytest.mark.parametrize("view", ["whole", "block"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kinds", SETS, ids="-".join)
def test_the_point_meets_the_conditions_of_optimality(kinds: Sequence[str], shape: str, view: str) -> None:
    for seed in range(5):
        given = case(kinds, shape, seed, view)
        assert violation(given, given.point()) <= 1e-6


def value(given: Case, point: Sequence[Tensor]) -> Tensor:
    """Return what the proximal point minimises, the constraint left out."""
    own = [(m * (x - u).square()).sum() / (2 * RATE) for m, x, u in zip(given.metrics, point, given.u, strict=True)]
    return sum(own) + sum(penalty.value() for penalty in given.penalties(*point) if not isinstance(penalty, Within))


@pytest.mark.parametrize("kinds", SETS, ids="-".join)
def test_no_point_nearby_is_better(kinds: Sequence[str]) -> None:
    given, generator = case(kinds, "dense", seed=11), Generator().manual_seed(0)
    point = given.point()
    least = value(given, point)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(30):
            nearby = [x + size * torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in point]
            if "within" in kinds:
                near_constraint(given, nearby)
            assert value(given, nearby) >= least * (1 - 1e-7)


def near_constraint(given: Case, point: Sequence[Tensor]) -> None:
    """Move a point, in place, straight to where the constraint allows it, or a little less far."""
    within = given.penalties(*point)[-1]
    assert isinstance(within, Within)
    shrink = (within.inner / within.lengths()).clamp_max(1)
    for now, old in zip(point, given.before, strict=True):
        part = block(now, old)
        part.copy_(old + (part - old) * shrink.view(-1, *[1] * (part.dim() - 1)))
    within.restore()


@pytest.mark.parametrize("kinds", [chosen for chosen in SETS if "within" not in chosen], ids="-".join)
def test_a_general_solver_comes_to_the_same_point(kinds: Sequence[str]) -> None:
    given = case(kinds, "dense", seed=5, spread=2.0)
    point = torch.cat([x.flatten() for x in given.point()])
    size = UNITS * INPUTS

    def smoothed(w: Any) -> Any:
        x = torch.tensor(w, requires_grad=True)
        least = value(given, (x[:size].view(UNITS, INPUTS), x[size:]))
        least.backward()
        return least.item(), x.grad.nan_to_num().numpy()

    start = torch.cat([x.flatten() for x in given.u]) + 1e-3
    reached = min(minimize(smoothed, start + 0.1 * turn, jac=True, method="L-BFGS-B").fun for turn in range(3))
    assert smoothed(point.numpy())[0] <= reached * (1 + 1e-9)


@pytest.mark.parametrize("kinds", SETS, ids="-".join)
def test_rates_may_be_tensors(kinds: Sequence[str]) -> None:
    given = case(kinds, "dense", seed=3)
    for one, other in zip(given.point(RATE), given.point(torch.tensor(RATE, dtype=torch.float64)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
        assert torch.equal(one == 0, other == 0)


def test_frozen_units_are_what_they_were_and_read_nothing_new() -> None:
    for seed in range(5):
        given = case(KINDS, "dense", seed)
        weight, bias = given.point()
        assert torch.equal(weight[FROZEN, :OLD_INPUTS], given.before[0][FROZEN])
        assert not weight[FROZEN, OLD_INPUTS:].any()
        assert bias[FROZEN] == given.before[1][FROZEN]


@pytest.mark.parametrize("radius", [0.0, 1e-5, 1e-2])
@pytest.mark.parametrize("kinds", [("within",), ("l1", "within"), ("l1", "group", "within")], ids="-".join)
def test_no_unit_leaves_its_ball_in_float32_either(kinds: Sequence[str], radius: float) -> None:
    for seed in range(5):
        given = single(replace(case(kinds, "dense", seed), radius=radius))
        point = given.point()
        within = given.penalties(*point)[-1]
        assert isinstance(within, Within)
        assert (within.lengths() <= radius).all()
        if not radius:
            assert torch.equal(block(point[0], given.before[0]), given.before[0])


def single(given: Case) -> Case:
    """Return a case in float32."""
    pairs = {name: tuple(x.float() for x in getattr(given, name)) for name in ("u", "metrics", "before")}
    return replace(given, **pairs)


def test_sparsity_on_new_units_alone_leaves_the_constraint_of_old_ones_to_itself() -> None:
    given = case(("l1", "within"), "dense", seed=0)
    apart = replace(given, view=lambda w: w[OLD_UNITS:])
    for one, other in zip(apart.point(), replace(given, kinds=("within",)).point(), strict=True):
        assert torch.equal(one[:OLD_UNITS], other[:OLD_UNITS])
    assert violation(apart, apart.point()) <= 1e-6


# In training


class OneWeight:
    """A network of one weight, which is its answer; its bias is no part of that."""

    def __init__(self, start: float = 0.0) -> None:
        self.weight, self.bias = torch.tensor([[start]]), torch.zeros(1)

    def __call__(self, x: Tensor) -> Tensor:
        return x @ self.weight

    def parameters(self) -> list[Tensor]:
        return [self.weight, self.bias]


OLD = 0.4
ONES = Examples(torch.ones(4, 1), torch.ones(4, 1), deviation=1.0)
STEPS = {"adam": (0.02, 500), "sgd": (0.3, 100)}


def long_to_rest(kinds: Sequence[str], optimizer: str) -> bool:
    """Return whether a case is slow: halvings inside steps, or Adam's 500 steps for two penalties."""
    return ("within" in kinds and kinds[0] in ("l1", "group")) or (optimizer == "adam" and len(kinds) == 2)


@pytest.mark.parametrize(
    ("kinds", "optimizer", "curvature"),
    [
        pytest.param(
            *(kinds, optimizer, curvature),
            id=f"{'-'.join(kinds)}-{optimizer}-{curvature}",
            marks=[pytest.mark.slow] * long_to_rest(kinds, optimizer),
        )
        for kinds in SETS
        if len(kinds) < 3
        for optimizer, curvature in product(STEPS, [1.0, 0.01])
    ],
)
def test_one_weight_rests_at_the_minimum(kinds: Sequence[str], optimizer: str, curvature: float) -> None:
    strengths = {kind: curvature * size for kind, size in (("drift", 0.3), ("l2", 0.2), ("l1", 0.25), ("group", 0.15))}
    drift, decay, sparse, group = (strengths[kind] if kind in kinds else 0.0 for kind in strengths)
    for scale in (1.0, 5.0):  # with the second, L1 or the group lasso keeps the weight at zero
        network, radius = OneWeight(OLD), 0.2
        old = [torch.tensor([[OLD]]), torch.zeros(1)]
        penalties = [
            Drift([network.weight], old[:1], drift),
            L2([network.weight], decay),
            L1([network.weight], scale * sparse),
            GroupLasso([network.weight], scale * group),
        ]
        if "within" in kinds:
            penalties.append(
                Within((network.weight, network.bias), tuple(old), torch.tensor([], dtype=torch.long), radius)
            )
        one_weight(network, penalties, optimizer, curvature)
        pulled = max(curvature + 2 * drift * OLD - scale * (sparse + group), 0) / (curvature + 2 * (drift + decay))
        expected = min(max(pulled, OLD - radius), OLD + radius) if "within" in kinds else pulled
        assert network.weight.item() == pytest.approx(expected, abs=1e-3)
        assert expected or not network.weight.any()


def one_weight(network: OneWeight, penalties: Sequence[Penalty], optimizer: str, curvature: float) -> None:
    """Train on the loss curvature / 2 * (weight - 1)^2."""

    def loss(answers: Tensor, y: Tensor) -> Tensor:
        return curvature / 2 * (answers - y).square().mean()

    rate, steps = STEPS[optimizer]
    rate = rate / curvature if optimizer == "sgd" else rate
    settings = Training(optimizer=optimizer, learning_rate=rate, batch_size=4, steps=steps, epochs=None)
    fit(network, ONES, settings, Generator(), penalties, loss)


def test_under_drift_a_silent_coordinate_does_not_move_at_all() -> None:
    (head,) = random_layers(6, 2)
    old, x = head.copy(), torch.randn(60, 6, generator=Generator().manual_seed(0))
    x[:, 3:] = 0
    split = Examples(x, (x[:, :2] > 0).float(), deviation=1.0)
    for strength in (1e-6, 0.3, 1e3):
        settings = Training(batch_size=20, epochs=60, learning_rate=0.01)
        fit(
            Chain([], head), split, settings, Generator().manual_seed(0), [Drift([head.weight], [old.weight], strength)]
        )
        assert torch.equal(head.weight[:, 3:], old.weight[:, 3:])
        assert not torch.equal(head.weight[:, :3], old.weight[:, :3])


RARE = 3  # of 200 examples, for which alone the first unit is active


@pytest.mark.parametrize("kind", [L1, L2, GroupLasso])
def test_a_unit_that_is_silent_at_first_outlives_the_first_pass(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = 1e-5
    kept = through_the_first_pass(kind, weak)
    assert kept[-1] > 0.5 * kept[0]
    monkeypatch.setattr(training, "waiting", lambda *_: 0)
    ended = through_the_first_pass(kind, weak)
    assert ended[1] < 0.5 * ended[0]


def through_the_first_pass(kind: type, strength: float) -> list[float]:
    """Return the norm of what the rarely active unit reads before each step of the first pass, of ten."""
    hidden, head = Layer(torch.eye(2, 3), torch.zeros(2)), Layer(torch.ones(1, 2), torch.zeros(1))
    x = torch.zeros(200, 3)
    x[:, 1:] = 1
    x[:RARE] = torch.tensor([1.0, 0.0, 1.0])
    y = (torch.arange(200) < RARE).float()[:, None]
    norms: list[float] = []
    silent: list[bool] = []

    class Watched(Chain[Layer]):
        def __call__(self, batch: Tensor) -> Tensor:
            norms.append(hidden.weight[0].norm().item())
            silent.append(not batch[:, 0].any())
            return super().__call__(batch)

    settings = Training(batch_size=10, epochs=10, learning_rate=0.003)
    generator = Generator().manual_seed(1)
    fit(Watched([hidden], head), Examples(x, y, deviation=1.0), settings, generator, [kind([hidden.weight], strength)])
    assert all(silent[:2])
    assert not all(silent[:20])
    return norms[:21]


@pytest.mark.parametrize(("epochs", "batch", "steps"), [(20, 10, 20), (5, 10, 10), (1, 10, 2), (30, 1000, 1)])
def test_penalties_towards_zero_wait_for_a_pass_but_for_a_tenth_at_most(epochs: int, batch: int, steps: int) -> None:
    assert training.waiting(Training(epochs=epochs, batch_size=batch), 200) == steps


@pytest.mark.parametrize("kind", [L1, L2, GroupLasso, Drift])
def test_with_sgd_and_one_penalty_the_step_is_the_classical_one(kind: type) -> None:
    trained = []
    for wrapped in (lambda penalty: penalty, Euclidean):
        (head,) = random_layers(6, 2)
        x = torch.randn(60, 6, generator=Generator().manual_seed(0))
        about = ([head.weight], [torch.ones(2, 6)], 0.05) if kind is Drift else ([head.weight], 0.05)
        settings = Training(optimizer="sgd", batch_size=20, steps=9, epochs=None, learning_rate=0.3)
        split = Examples(x, (x[:, :2] > 0).float(), deviation=1.0)
        fit(Chain([], head), split, settings, Generator().manual_seed(0), [wrapped(kind(*about))])
        trained.append(head.weight)
    torch.testing.assert_close(*trained)


@pytest.mark.parametrize("spread", [0, 4, 8])
def test_a_group_at_its_threshold_is_no_nan(spread: int) -> None:
    generator = Generator().manual_seed(0)
    metric = 10 ** (spread * (torch.rand(1, 20, generator=generator) - 1))
    u = torch.randn(1, 20, generator=generator)
    beyond = 1 + torch.linspace(0, 5e-7, 60)
    w, d = u.repeat(60, 1), metric.repeat(60, 1)
    w *= beyond[:, None] / (d * w).norm(dim=1, keepdim=True)
    group_threshold(w, d, 1.0)
    assert w.isfinite().all()
    assert (w.norm(dim=1) <= 1e-3 * u.norm() / metric.min()).all()
