"""DEN with parts left out: each variant lacks what its name says, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from small import (
    LIVELY,
    NETWORK,
    Source,
    build,
    inputs,
    learn,
    on_either,
    problem,
    run_stages,
    same_state,
    same_tensors,
    stream,
)

from den.config import Network, Training
from den.methods.ablations import DenConstant, DenDynamic, DnnSelective
from den.methods.den import Den

SHORT = Training(batch_size=20, steps=12, learning_rate=0.03)
STAGES = {
    "dnn_selective": ["selective retraining", "closing"],
    "den_constant": ["selective retraining", "constant expansion", "closing"],
    "den_dynamic": ["selective retraining", "dynamic expansion", "closing"],
}


def after_first(kind: str, source: Source = stream, **params: float) -> Any:
    method = build(kind, source(), params=LIVELY | params, training=SHORT)
    run_stages(method, source().tasks[0])
    return method


@pytest.mark.parametrize("kind", STAGES)
def test_stages_of_a_variant(kind: str) -> None:
    assert [*run_stages(after_first(kind), stream().tasks[1])] == STAGES[kind]


@pytest.mark.parametrize("kind", [*STAGES, "den_no_stamp"])
def test_the_first_task_is_dens(kind: str) -> None:
    assert same_state(after_first(kind), after_first("den"))


def test_selective_retraining_alone_never_grows() -> None:
    method, _ = learn("dnn_selective", stream(), params=LIVELY)
    assert isinstance(method, DnnSelective)
    assert method.network.stamps == [NETWORK.widths] * 3


@on_either
@pytest.mark.parametrize("units", [2, 5])
def test_a_constant_expansion_keeps_every_unit_whatever_the_loss(units: int, source: Source) -> None:
    params = LIVELY | {"units_per_expansion": units, "loss_threshold": 100.0, "group_sparsity": 1e3}
    method, _ = learn("den_constant", source(), params=params, training=SHORT)
    assert isinstance(method, DenConstant)
    widths = problem(source()).base.widths
    assert method.network.stamps == [tuple(width + task * units for width in widths) for task in range(3)]


@pytest.mark.parametrize(("units", "capacity"), [(13, 1.551), (20, 1.887)])
def test_a_constant_expansion_has_the_papers_capacity(units: int, capacity: float) -> None:
    short = Training(steps=1, batch_size=20)
    on = replace(stream(tasks=3), classes=10)
    network = Network(widths=(312, 128))
    method, _ = learn("den_constant", on, network=network, training=short, params={"units_per_expansion": units})
    stamps = method.network.stamps
    assert stamps == [(312 + task * units, 128 + task * units) for task in range(3)]
    ten = [
        (stamps[0][0] + task * (stamps[1][0] - 312), stamps[0][1] + task * (stamps[1][1] - 128)) for task in range(10)
    ]
    one, two = ten[-1]
    weights = 784 * one + one * two + sum(stamp[-1] for stamp in ten)
    assert weights / 285_824 == pytest.approx(capacity, abs=5e-4)


def test_a_dynamic_expansion_knows_the_loss_and_drops_units() -> None:
    assert "dynamic expansion" not in run_stages(after_first("den_dynamic", loss_threshold=100.0), stream().tasks[1])
    method, _ = learn("den_dynamic", stream(), params=LIVELY | {"group_sparsity": 1e3})
    assert isinstance(method, DenDynamic)
    assert method.network.widths == NETWORK.widths


@on_either
@pytest.mark.parametrize("kind", STAGES)
def test_a_variant_without_eq_6_is_held_near_the_task_before(kind: str, source: Source) -> None:
    moves = []
    for drift in (0.0, 1e5):
        method = after_first(kind, source, drift=drift)
        run_stages(method, source().tasks[1])
        moves.append(max(float(rho.max()) for rho in method.drifts()))
    assert moves[1] < 0.05 * moves[0]


def test_without_stamps_training_is_dens_and_old_tasks_see_what_came_later() -> None:
    (plain, _), (unstamped, _) = (learn(kind, stream(), params=LIVELY) for kind in ("den", "den_no_stamp"))
    assert isinstance(plain, Den)
    assert same_tensors(plain, unstamped)
    assert plain.network.stamps == unstamped.network.stamps
    x = inputs(20, stream().features)
    assert not torch.allclose(plain.predict(x, 0), unstamped.predict(x, 0))
    assert torch.allclose(plain.predict(x, 2), unstamped.predict(x, 2), atol=1e-5)
