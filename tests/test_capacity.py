"""Capacity as the paper counts it, through the surgery itself."""

import pytest
import torch
from small import NETWORK, learn, problem, random_layers, stream
from torch import Generator

from den.capacity import flops, nonzero, weights
from den.config import Network
from den.methods import METHODS
from den.methods.base import Problem, sizes_and_costs
from den.networks.expandable import Expandable

PAPER = Problem((784,), 10, 10, Network(), problem(stream()).training, 0)


def test_the_base_network_is_the_papers() -> None:
    assert PAPER.base_weights == 784 * 312 + 312 * 128 + 128 * 10 == 285_824


@pytest.mark.parametrize(("units", "expected", "capacity"), [(13, 443_306, 1.551), (20, 539_444, 1.887)])
def test_den_constant_has_the_papers_capacity(units: int, expected: int, capacity: float) -> None:
    network = Expandable(random_layers(784, 312, 128))
    network.stamp(random_layers(128, 1)[0])
    for _ in range(9):
        head = random_layers(network.widths[-1], 1)[0]
        network.stamp(network.grow(network.extension(head, units, "glorot", Generator().manual_seed(0))))
    found = {m.measure: m.value for m in sizes_and_costs(PAPER, network.hidden, network.heads, 1)}
    assert found["weights"] == expected
    assert found["capacity"] == pytest.approx(capacity, abs=5e-4)


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_measures_its_size(kind: str) -> None:
    on = stream()
    method, _ = learn(kind, on)
    found = {(m.measure, m.layer): m.value for m in method.measure()}
    assert found.keys() == {(name, None) for name in ("weights", "nonzero", "capacity", "flops")} | {
        ("units", 1),
        ("units", 2),
    }
    assert found["nonzero", None] <= found["weights", None]
    if kind == "single_task":
        assert found["capacity", None] == len(on)
    else:
        assert found["capacity", None] == found["weights", None] / problem(on).base_weights


@pytest.mark.parametrize("kind", ["finetune", "l2", "ewc", "joint"])
def test_shared_networks_are_counted_once_and_every_head(kind: str) -> None:
    on = stream()
    found = {m.measure: m.value for m in learn(kind, on)[0].measure()}
    one, two = NETWORK.widths
    assert found["weights"] == on.features * one + one * two + two * len(on)
    assert found["flops"] == 2 * (on.features * one + one * two + two)


def test_zeros_count_as_weights_but_not_as_nonzero() -> None:
    assert (weights([torch.eye(3)]), nonzero([torch.eye(3)]), flops(9)) == (9, 3, 18)
