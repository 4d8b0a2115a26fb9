"""Capacity as the paper counts it, through the surgery itself."""

from dataclasses import replace

import pytest
import torch
from small import LIVELY, NETWORK, Source, every_method_on_either, learn, on_either, problem, random_layers, stream
from torch import Generator

from den.capacity import flops, nonzero, weights
from den.config import Network, Training
from den.methods.base import Problem, sizes_and_costs
from den.methods.den import Den
from den.networks.expandable import Expandable

SHORT = Training(batch_size=20, steps=2, learning_rate=0.01)
PAPER = Problem((784,), 10, 10, Network(), problem(stream()).training, 0)


def test_the_base_network_is_the_papers() -> None:
    assert PAPER.base_weights == 784 * 312 + 312 * 128 + 128 * 10 == 285_824


@pytest.mark.parametrize(("units", "expected", "capacity"), [(13, 443_306, 1.551), (20, 539_444, 1.887)])
def test_den_constant_has_the_papers_capacity(units: int, expected: int, capacity: float) -> None:
    network = Expandable(random_layers(784, 312, 128))
    network.stamp(random_layers(128, 1)[0])
    for _ in range(9):
        head = random_layers(network.widths[-1], 1)[0]
        network.stamp(network.grow(network.extension(head, (units, units), Network(), Generator().manual_seed(0))))
    found = {m.measure: m.value for m in sizes_and_costs(PAPER, network.hidden, network.heads, 1)}
    assert found["weights"] == expected
    assert found["capacity"] == pytest.approx(capacity, abs=5e-4)


@every_method_on_either
def test_every_method_measures_its_size(kind: str, source: Source) -> None:
    on = source()
    method, _ = learn(kind, on, training=SHORT)
    found = {(m.measure, m.layer): m.value for m in method.measure()}
    layers = range(1, len(problem(on).base.widths) + 1)
    kept = [f"{when}bytes to {what}" for when in ("", "peak ") for what in ("answer", "learn")]
    assert found.keys() == {(name, None) for name in ("weights", "nonzero", "capacity", "flops", *kept)} | {
        ("units", layer) for layer in layers
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


@on_either
def test_a_network_that_has_grown_counts_as_one_planned_so_wide(source: Source) -> None:
    on = source()
    method, _ = learn("den", on, params=LIVELY, training=SHORT)
    assert isinstance(method, Den)
    plans = [replace(problem(on).base, widths=stamp) for stamp in method.network.stamps]
    found = {m.measure: m.value for m in method.measure()}
    assert plans[0].widths < plans[1].widths < plans[2].widths
    assert found["weights"] == plans[2].weights(0) + sum(plan.widths[-1] for plan in plans)
    assert found["flops"] == 2 * round(sum(plan.multiplications(1) for plan in plans) / len(on))


def test_zeros_count_as_weights_but_not_as_nonzero() -> None:
    assert (weights([torch.eye(3)]), nonzero([torch.eye(3)]), flops(9)) == (9, 3, 18)
