"""Proximal steps in the Euclidean metric against their closed forms, gradients against autograd."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small import random_layers
from torch import Tensor

from den.methods.quirks.steps import euclidean_step
from den.networks.forms import DENSE, Convolution, Form
from den.penalties import L1, L2, Drift, Fisher, GroupLasso, Penalty, Within, drift, unit_wise
from den.proximal import ProximalPoint

FEW = settings(max_examples=50, deadline=None)
vectors = arrays("float64", 3, elements=st.floats(-3, 3, width=32)).map(torch.from_numpy)
strengths = st.floats(0.05, 2)


def joint_step(penalty: Any, rate: Any) -> None:
    """Take the joint proximal step of one penalty as SGD does."""
    tensors = penalty.now if isinstance(penalty, Within) else penalty.tensors
    ProximalPoint([penalty], tensors, lambda parameter, metric: metric.fill_(1))(rate, rate)


Step = Callable[[Penalty, Any], None]
either_step = pytest.mark.parametrize("step", [joint_step, euclidean_step])


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@either_step
def test_l1_is_the_soft_threshold_with_exact_zeros(step: Step) -> None:
    w = rows([3.0, -0.5, 0.2, -2.0])
    step(L1([w], strength=5.0), 0.1)
    assert w.tolist() == [[2.5, 0.0, 0.0, -1.5]]


@FEW
@given(vectors, strengths, st.floats(0.05, 0.5))
@either_step
def test_a_learning_rate_may_be_a_tensor(step: Step, start: Tensor, strength: float, rate: float) -> None:
    moved = []
    for given_as in (rate, torch.tensor(rate, dtype=start.dtype)):
        w = start.clone()[None]
        for penalty in (L1([w], strength), L2([w], strength), Drift([w], [w + 1], strength), GroupLasso([w], strength)):
            step(penalty, given_as)
        moved.append(w)
    torch.testing.assert_close(*moved)


@either_step
def test_group_lasso_shrinks_units_and_drops_the_small_ones(step: Step) -> None:
    w = rows([3.0, 4.0], [0.3, 0.4], [0.0, 0.0])
    step(GroupLasso([w], strength=10.0), 0.1)
    torch.testing.assert_close(w, rows([2.4, 3.2], [0.0, 0.0], [0.0, 0.0]))
    assert w[1:].count_nonzero() == 0


@either_step
def test_a_group_is_all_that_a_unit_reads_in_more_dimensions_too(step: Step) -> None:
    flat = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    deep = flat.clone().view(4, 3, 2)
    for w in (flat, deep):
        step(GroupLasso([w], strength=10.0), 0.1)
    assert torch.equal(deep.view(4, 6), flat)
    assert unit_wise(torch.ones(4), deep).shape == (4, 1, 1)


@either_step
def test_l2_is_its_closed_form(step: Step) -> None:
    w = rows([3.0, -1.0])
    step(L2([w], strength=5.0), 0.1)
    assert w.tolist() == [[1.5, -0.5]]


@either_step
def test_drift_pulls_the_old_block_alone(step: Step) -> None:
    w = rows([3.0, 9.0], [9.0, 9.0])
    step(Drift([w], [rows([1.0])], strength=5.0), 0.1)
    torch.testing.assert_close(w, rows([2.0, 9.0], [9.0, 9.0]))


def objective(x: Tensor, w: Tensor, terms: Tensor, learning_rate: float) -> Tensor:
    return (x - w).square().sum(-1) / 2 + learning_rate * terms


@FEW
@given(vectors, strengths, strengths)
@either_step
def test_l1_then_group_lasso_is_the_proximal_point_of_both(
    step: Step, w: Tensor, sparsity: float, group: float
) -> None:
    found, rate = w.clone().view(1, -1), 0.5
    step(L1([found], sparsity), rate)
    step(GroupLasso([found], group), rate)

    def value(x: Tensor) -> Tensor:
        return objective(x, w, sparsity * x.abs().sum(-1) + group * x.norm(dim=-1), rate)

    assert (value(searched(value, w)) >= value(found[0]) - 1e-9).all()


@FEW
@given(vectors, vectors, strengths)
@either_step
def test_drift_and_l2_are_proximal_points(step: Step, w: Tensor, old: Tensor, strength: float) -> None:
    drifted, decayed = w.clone(), w.clone()
    penalties = Drift([drifted], [old], strength), L2([decayed], strength)
    for penalty, found, centre in zip(penalties, (drifted, decayed), (old, torch.zeros(3)), strict=True):
        step(penalty, 0.5)

        def value(x: Tensor, centre: Tensor = centre) -> Tensor:
            return objective(x, w, strength * (x - centre).square().sum(-1), 0.5)

        assert (value(searched(value, found)) >= value(found) - 1e-9).all()


def searched(value: object, around: Tensor) -> Tensor:
    """Return the points of a fine grid, and of random clouds of every size about a point."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.linspace(-3, 3, 25, dtype=torch.float64)
    clouds = [around + 10.0**-p * torch.randn(500, 3, generator=generator, dtype=torch.float64) for p in range(6)]
    return torch.cat([torch.cartesian_prod(axis, axis, axis), *clouds, torch.zeros(1, 3, dtype=torch.float64)])


@pytest.mark.parametrize("kind", [L2, Drift])
@either_step
def test_values_are_what_the_steps_descend(step: Step, kind: type) -> None:
    w = rows([3.0, -1.0])
    penalty = kind([w], *([[rows([1.0, 1.0])]] if kind is Drift else []), 2.0)
    before = penalty.value().clone()
    step(penalty, 0.1)
    assert before == (16 if kind is Drift else 20)
    assert penalty.value() < before


def test_fishers_gradient_is_that_of_its_value() -> None:
    (layer, centre, importance) = (random_layers(4, 3, seed=seed)[0] for seed in range(3))
    w = layer.weight.requires_grad_()
    penalty = Fisher([w], [centre.weight], [importance.weight.square()], strength=3.0)
    (expected,) = torch.autograd.grad(penalty.value(), [w])
    with torch.no_grad():
        penalty.add_gradients()
        joint_step(penalty, 0.1)
    torch.testing.assert_close(w.grad, expected)
    assert torch.equal(w, layer.weight)


def test_fisher_adds_to_the_gradient_there_is() -> None:
    w = rows([2.0])
    w.grad = rows([10.0])
    Fisher([w], [rows([1.0])], [rows([4.0])], strength=0.5).add_gradients()
    assert w.grad.item() == 12


@FEW
@given(
    st.integers(0, 1000),
    st.sampled_from([0.0, 1e-5, 1e-3, 0.1, 5.0]),
    st.sampled_from([1e-3, 1.0, 100.0]),
    st.sampled_from([DENSE, Form((4,)), Convolution((3, 3))]),
)
@either_step
def test_within_is_a_projection(step: Step, seed: int, radius: float, scale: float, form: Form) -> None:
    old, now = (random_layers(*ends, seed=seed + ends[0], of=[form])[0] for ends in ((5, 6), (7, 8)))
    now.weight.mul_(scale)
    frozen = torch.tensor([1, 4])
    within = Within(now.parameters(), old.parameters(), frozen, radius)
    young = now.weight[6:].clone(), now.weight[0, 5:].clone()
    step(within, 0.1)
    free = torch.tensor([0, 2, 3, 5])
    moved = drift(now.weight[:6, :5] - old.weight, now.bias[:6] - old.bias)
    assert (moved[free] <= radius).all()
    assert torch.equal(now.weight[frozen], torch.cat([old.weight[frozen], torch.zeros(2, 2, *form.kernel)], dim=1))
    assert torch.equal(now.bias[frozen], old.bias[frozen])
    assert torch.equal(now.weight[6:], young[0])
    assert torch.equal(now.weight[0, 5:], young[1])
    again = now.weight.clone()
    step(within, 0.1)
    assert torch.equal(now.weight, again)


@either_step
def test_within_leaves_what_is_within(step: Step) -> None:
    old, now = random_layers(5, 6)[0], random_layers(5, 6)[0]
    now.weight[0, 0] += 0.5
    before = now.weight.clone()
    none = torch.tensor([], dtype=torch.long)
    step(Within(now.parameters(), old.parameters(), none, 0.6), 0.1)
    assert torch.equal(now.weight, before)


@pytest.mark.parametrize("shape", [(2, 4), (2, 2, 2), (2, 1, 2, 2)], ids=str)
def test_drift_of_a_unit_counts_weights_and_bias(shape: tuple[int, ...]) -> None:
    moved = rows([1.0, 0.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]).view(shape)
    assert drift(moved, torch.tensor([4.0, 1.0])).tolist() == [5.0, 1.0]
