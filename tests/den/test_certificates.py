"""A certificate says how far from stationary a network is, and changes nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import Lasso
from small import LIVELY, SPLITTING, Source, build, learn, on_either, random_layers, run_stages, stream
from torch import Generator, Tensor

from den import certificates, checkpoints, measures
from den.certificates import Certificate, Scale, certify, scale_of
from den.harness import Result, steps
from den.methods.base import State
from den.methods.den import Den
from den.networks.layers import Chain, Layer
from den.penalties import L1, L2, Drift, Fisher, GroupLasso, Penalty, Within
from den.tasks import Examples
from den.training import logistic

EXAMPLES, FEATURES = 60, 5


class Precise(Examples):
    """A split in float64."""

    def inputs(self, rows: Tensor | slice) -> Tensor:
        return self.x[rows]

    def targets(self, rows: Tensor | slice) -> Tensor:
        return self.y[rows]


def squares(answers: Tensor, y: Tensor) -> Tensor:
    return (answers - y).square().mean() / 2


@pytest.fixture
def regression() -> Precise:
    generator = Generator().manual_seed(0)
    x = torch.randn(EXAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    truth = torch.tensor([2.0, -1.0, 0.5, 0.0, 0.0], dtype=torch.float64)
    y = x @ truth[:, None] + 0.3 + 0.1 * torch.randn(EXAMPLES, 1, generator=generator, dtype=torch.float64)
    return Precise(x, y)


@pytest.fixture
def split() -> Examples:
    return stream().tasks[0].train


def linear(weight: Tensor, bias: float = 0.0) -> Chain[Layer]:
    return Chain([], Layer(weight, torch.full((1,), bias, dtype=torch.float64)))


def residual(network: Chain, split: Examples, penalties: Sequence[Penalty], loss: object = squares) -> float:
    return certify(network, split, penalties, loss).residual(0.0)


def test_the_residual_is_zero_at_the_ridge_estimate_and_not_beside_it(regression: Precise) -> None:
    x = torch.cat([regression.x, torch.ones(EXAMPLES, 1, dtype=torch.float64)], dim=1)
    pull = torch.diag(torch.tensor([2 * 0.1] * FEATURES + [0.0], dtype=torch.float64))
    least = torch.linalg.solve(x.T @ x / EXAMPLES + pull, x.T @ regression.y / EXAMPLES).squeeze(1)
    network = linear(least[:-1][None].clone(), least[-1].item())
    penalties = [L2([network.head.weight], 0.1)]
    assert residual(network, regression, penalties) < 1e-12
    network.head.weight[0, 0] += 1e-3
    assert residual(network, regression, penalties) > 1e-5


def test_the_residual_is_zero_at_the_lasso_estimate_and_not_beside_it(regression: Precise) -> None:
    lasso = Lasso(alpha=0.2, tol=1e-14, max_iter=100_000).fit(regression.x.numpy(), regression.y.squeeze(1).numpy())
    network = linear(torch.tensor(lasso.coef_)[None], float(lasso.intercept_))
    penalties = [L1([network.head.weight], 0.2)]
    assert 0 < network.head.weight.count_nonzero() < FEATURES
    assert residual(network, regression, penalties) < 1e-6
    network.head.weight[0, 0] += 1e-3
    assert residual(network, regression, penalties) > 1e-5


def test_a_unit_that_presses_against_its_ball_is_at_rest(regression: Precise) -> None:
    start = torch.zeros(1, FEATURES, dtype=torch.float64)
    network = linear(start.clone())
    within = Within(network.head.parameters(), (start, network.head.bias.clone()), torch.tensor([], dtype=int), 0.1)
    assert residual(network, regression, [within]) > 0.01
    for _ in range(1000):  # projected gradient descent
        answers = regression.x @ network.head.weight.T + network.head.bias - regression.y
        network.head.weight.sub_(0.3 * answers.T @ regression.x / EXAMPLES)
        network.head.bias.sub_(0.3 * answers.mean())
        length = within.lengths()
        for tensor in within.now:
            tensor.mul_((within.inner / length).clamp_max(1).item())
    assert residual(network, regression, [within]) < 1e-5


def some_penalties(chain: Chain[Layer]) -> dict[str, list[Penalty]]:
    """Return every penalty alone, and all of them together, on a network of one hidden layer."""
    weights = [layer.weight for layer in chain.layers]
    old = [torch.zeros(4, 20), torch.zeros(4)]
    alone: dict[str, list[Penalty]] = {
        "none": [],
        "l2": [L2(weights, 0.3)],
        "drift": [Drift(chain.hidden[0].parameters(), old, 0.2)],
        "fisher": [Fisher(weights, [w + 1 for w in weights], [w.square() for w in weights], 0.4)],
        "l1": [L1(weights, 0.1)],
        "group": [GroupLasso(weights[:1], 0.2)],
    }
    return alone | {"all": [penalty for one in alone.values() for penalty in one]}


@pytest.mark.parametrize("name", ["none", "l2", "drift", "fisher", "l1", "group", "all"])
def test_it_is_what_autograd_and_closed_forms_say(name: str, split: Examples) -> None:
    *hidden, head = random_layers(48, 8, 1)
    chain = Chain(hidden, head)
    penalties = some_penalties(chain)[name]
    found = certify(chain, split, penalties)
    smooth = [one for one in penalties if not isinstance(one, L1 | GroupLasso)]
    w = chain.parameters()
    of_loss, g = by_autograd(chain, split, []), by_autograd(chain, split, smooth)
    stepped = [tensor - slope for tensor, slope in zip(w, g, strict=True)]
    for penalty in penalties:
        for at in (0, 2):
            if isinstance(penalty, L1):
                stepped[at] = stepped[at].sign() * (stepped[at].abs() - 0.1).clamp_min(0)
            if isinstance(penalty, GroupLasso) and not at:
                stepped[0] = stepped[0] * (1 - 0.2 / stepped[0].norm(dim=1, keepdim=True)).clamp_min(0)
    mapped = [tensor - point for tensor, point in zip(w, stepped, strict=True)]
    size = norm(of_loss) + norm(difference(g, of_loss)) + norm(difference(g, mapped))
    assert found.norm == pytest.approx(norm(mapped), rel=1e-4)
    assert found.size == pytest.approx(size, rel=1e-4)
    assert 0 < found.residual(0.0) <= 1


def by_autograd(chain: Chain[Layer], split: Examples, penalties: Sequence[Penalty]) -> list[Tensor]:
    """Return the gradients of the loss and of penalties' values."""
    w = chain.parameters()
    for tensor in w:
        tensor.requires_grad_(True)
    value = logistic(chain(split.inputs(slice(None))), split.targets(slice(None)))
    gradients = torch.autograd.grad(value + sum(penalty.value() for penalty in penalties), w)
    for tensor in w:
        tensor.requires_grad_(False)
    return list(gradients)


def norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(tensor.square().sum().item() for tensor in tensors))


def difference(one: Sequence[Tensor], other: Sequence[Tensor]) -> list[Tensor]:
    return [a - b for a, b in zip(one, other, strict=True)]


def test_a_certificate_changes_nothing(split: Examples) -> None:
    *hidden, head = random_layers(48, 8, 1)
    chain = Chain(hidden, head)
    before = [tensor.clone() for tensor in chain.parameters()]
    certify(chain, split, some_penalties(chain)["all"])
    scale_of(chain, split)
    for tensor, old in zip(chain.parameters(), before, strict=True):
        assert torch.equal(tensor, old)
        assert not tensor.requires_grad
        assert tensor.grad is None


def test_surgery_that_changes_no_answer_changes_no_residual(split: Examples) -> None:
    *hidden, head = random_layers(48, 8, 1)
    plain = Chain(hidden, head)
    units = torch.randperm(8, generator=Generator().manual_seed(1))
    shuffled = Chain([hidden[0].part(units, slice(None))], head.part(slice(None), units))
    wider = Chain([replace_units(hidden[0], 3)], Layer(torch.nn.functional.pad(head.weight, (0, 3)), head.bias))
    expected = certify(plain, split, decays(plain))
    for network in (shuffled, wider):
        found = certify(network, split, decays(network))
        assert found.norm == pytest.approx(expected.norm, rel=1e-5)
        assert found.size == pytest.approx(expected.size, rel=1e-5)


def decays(chain: Chain[Layer]) -> list[Penalty]:
    weights = [layer.weight for layer in chain.layers]
    return [L1(weights, 0.01), L2(weights, 0.1), GroupLasso(weights[:1], 0.02)]


def replace_units(layer: Layer, silent: int) -> Layer:
    """Return the layer with further units that read nothing and never speak."""
    weight = torch.cat([layer.weight, torch.zeros(silent, layer.inputs)])
    return replace(layer, weight=weight, bias=torch.cat([layer.bias, torch.full((silent,), -1.0)]))


def test_what_is_frozen_is_a_constant(split: Examples) -> None:
    *hidden, head = random_layers(48, 8, 1)
    chain = Chain(hidden, head)
    old = tuple(tensor.clone() for tensor in hidden[0].parameters())
    everyone, nobody = torch.arange(8), torch.tensor([], dtype=torch.long)
    held, free = (
        certify(chain, split, [Within(hidden[0].parameters(), old, frozen, 1e3)]) for frozen in (everyone, nobody)
    )
    gradients = by_autograd(chain, split, [])
    assert held.norm == pytest.approx(norm(gradients[2:]), rel=1e-5)
    assert free.norm == pytest.approx(norm(gradients), rel=1e-5)


@on_either
def test_dead_units_are_those_that_no_example_activates(source: Source) -> None:
    method = build("den", source(), params=LIVELY)
    assert isinstance(method, Den)
    run_stages(method, source().tasks[0])
    chain, split = method.network.whole(method.head), source().tasks[0].train
    for layer in chain.hidden:
        layer.bias[:2] = -1e3
    x, dead = split.inputs(slice(None)), []
    for layer in chain.hidden:
        x = layer(x).relu()
        dead.append(sum(not (x[:, unit] > 0).any() for unit in range(layer.units)))
    assert certify(chain, split).dead == tuple(dead)
    assert min(dead) >= 2


def test_no_size_below_the_scale_counts() -> None:
    certificate = Certificate(norm=1.0, size=2.0, dead=(), seconds=0.0)
    assert certificate.residual(0.5) == 0.5
    assert certificate.residual(8.0) == 0.125
    assert Certificate(0.0, 0.0, (), 0.0).residual(0.0) == 0


def test_the_scale_is_the_norm_of_the_losss_gradient(split: Examples) -> None:
    *hidden, head = random_layers(48, 8, 1)
    chain = Chain(hidden, head)
    assert scale_of(chain, split).norm == pytest.approx(norm(by_autograd(chain, split, [])), rel=1e-5)


@on_either
def test_every_stage_that_trains_reports_how_it_ends(source: Source) -> None:
    _, result = learn("den", source(), params=LIVELY)
    for task, stage in result.done:
        rows = [row for row in result.measures if (row["task"], row["stage"]) == (task + 1, stage)]
        found = {row["measure"]: row["value"] for row in rows if row["layer"] is None}
        if stage == measures.EVALUATION:
            continue
        names = [measures.RESIDUAL, *[measures.HEAD_RESIDUAL] * (stage == measures.SELECTIVE)]
        for name in [*names, *[measures.FIRST_RESIDUAL] * (stage == measures.SPLIT)]:
            assert 0 <= found[name] <= 1
        assert found[measures.PROXIMAL_GRADIENT] >= 0


SECOND = 1000.0  # more than any test takes


def test_a_stages_seconds_leave_out_all_its_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))

    def certified(*about: object, **more: object) -> Certificate:
        wait()
        return certify(*about, **more)._replace(seconds=SECOND)

    def scaled(*about: object) -> Scale:
        wait()
        return scale_of(*about)._replace(seconds=SECOND)

    passed = [0.0]

    def wait() -> None:
        passed[0] += SECOND

    monkeypatch.setattr(certificates, "certify", certified)
    monkeypatch.setattr("den.methods.den.scale_of", scaled)
    monkeypatch.setattr("den.harness.time.perf_counter", lambda: passed[0] + next(clock) * 1e-6)
    _, result = learn("den", stream(), params=SPLITTING)
    seconds = [row["value"] for row in result.measures if row["measure"] == measures.SECONDS]
    spent = {row["stage"]: row["value"] for row in result.measures if row["measure"] == measures.CERTIFICATE_SECONDS}
    assert all(0 <= value < SECOND / 2 for value in seconds)
    assert spent == {
        measures.TRAIN: 2 * SECOND,
        measures.SELECTIVE: 3 * SECOND,
        measures.EXPANSION: SECOND,
        measures.SPLIT: 2 * SECOND,
    }


@pytest.mark.parametrize("done", [3, 4, 5, 7])
def test_a_run_that_is_taken_up_again_ends_with_the_same_residuals(done: int, tmp_path: Path) -> None:
    on = stream()
    _, whole = learn("den", on, params=LIVELY)
    method, result = build("den", on, params=LIVELY), Result.empty(len(on))
    for step in steps(method, on, 0, result, torch.device("cpu")):
        step.run()
        if len(result.done) == done:
            break
    checkpoints.save(tmp_path / "state", *method.state(), "me")
    again = build("den", on, seed=5, params=LIVELY)
    again.restore(State(*checkpoints.load(tmp_path / "state", "me")))
    for step in steps(again, on, 0, result, torch.device("cpu")):
        step.run()
    assert residuals(result) == residuals(whole)


def residuals(result: Result) -> list[float]:
    return [row["value"] for row in result.measures if "residual" in row["measure"]]
