"""Every departure of the released code replaces its own step, does what it says, and can be put with the others."""

import math
from typing import Any

import pytest
import torch
from small import (
    LIVELY,
    NETWORK,
    PARAMS,
    TRAINING,
    build,
    learn,
    permuted,
    random_layers,
    run_stages,
    same_state,
    stream,
)
from torch import Generator

from den.certificates import Solution
from den.config import Training
from den.harness import generator_for
from den.methods.den import Den
from den.methods.den_official import DenWithQuirks, OfficialParams, with_quirks
from den.methods.quirks import DEPARTURES, QUIRKS
from den.methods.quirks.everywhere import random_biases
from den.methods.quirks.steps import Euclidean, GradientOf, Unscaled, as_gradient, euclidean, unscaled
from den.networks.layers import Chain, Layer
from den.networks.reach import select
from den.penalties import L1, L2, Drift, GroupLasso
from den.tasks import Examples
from den.training import Fit

SHORT = Training(batch_size=20, steps=6, learning_rate=0.01)
SPLITS = LIVELY | {"drift_threshold": 0.0}


def of(*names: str) -> type[Den]:
    return with_quirks(DEPARTURES[name] for name in names)


def after_first(*names: str, on: Any = None, **params: float) -> Den:
    """Return DEN with some quirks, one task learned."""
    on = on or stream()
    method = build(of(*names), on, params=LIVELY | params)
    assert isinstance(method, Den)
    run_stages(method, on.tasks[0])
    return method


def test_without_quirks_it_is_den_to_the_last_bit() -> None:
    (one, _), (other, _) = (
        learn("den", stream(), params=LIVELY),
        learn("den_with_quirks", stream(), params=LIVELY),
    )
    assert same_state(one, other)


def test_by_default_it_has_them_all_and_each_can_be_mended() -> None:
    assert OfficialParams().chosen() == list(QUIRKS.values())
    assert OfficialParams(mended=("all_inputs",)).chosen() == [
        kind for name, kind in QUIRKS.items() if name != "all_inputs"
    ]
    with pytest.raises(ValueError, match="nonesuch: no such quirk; there are"):
        OfficialParams(quirks=("nonesuch",))


@pytest.mark.parametrize("name", QUIRKS)
@pytest.mark.parametrize("change", ["quirks", "mended"])
def test_every_quirk_runs_alone_and_all_run_without_it(name: str, change: str) -> None:
    on = permuted(tasks=2)
    method, result = learn("den_official", on, training=SHORT, params=SPLITS | {change: (name,)})
    assert not isinstance(method, DenWithQuirks)
    assert isinstance(method, QUIRKS[name]) == (change == "quirks")
    assert not math.isnan(result.scores["auroc"][1][0])


@pytest.mark.parametrize("name", QUIRKS)
def test_every_quirk_replaces_steps_of_den(name: str) -> None:
    kind = QUIRKS[name]
    replaced = [step for step in vars(kind) if callable(vars(kind)[step]) and hasattr(Den, step)]
    assert kind.__bases__ == (Den,)
    assert replaced


def test_one_step_leaves_no_weight_of_the_head_zero() -> None:
    method = after_first("one_step_head")
    chain, _ = method.sparse_head(stream().tasks[1], Generator().manual_seed(0))
    assert chain.head.weight.all()


def test_the_first_output_alone_selects() -> None:
    method = after_first("first_output_selects", on=permuted())
    head = Layer(torch.zeros(4, NETWORK.widths[-1]), torch.zeros(4))
    head.weight[0, 2] = head.weight[1, 5] = 1.0
    assert method.select(head)[-1].tolist() == [2]


def test_all_inputs_are_selected() -> None:
    method = after_first("all_inputs", sparsity=0.01)
    head = Layer(torch.zeros(1, NETWORK.widths[-1]), torch.zeros(1))
    head.weight[0, 0] = 1.0
    inputs, *units = method.select(head)
    assert inputs.tolist() == list(range(stream().features))
    assert [found.tolist() for found in units] == [found.tolist() for found in select(method.network.hidden, head)[1:]]


def test_outputs_of_one_row_differ_by_a_constant_and_only_that_row_is_trained() -> None:
    on = permuted()
    method = after_first("one_row_head", on=on)
    head = method.new_head(on.tasks[1], Generator().manual_seed(0))
    selected = method.select(head)
    part = method.subnetwork(selected, head)
    answers = part(torch.randn(7, on.features, generator=Generator().manual_seed(1))[:, selected[0]])
    assert torch.allclose(answers - answers[:, :1], (head.bias - head.bias[0]).expand(7, 4), atol=1e-6)
    part.head.weight += 1
    whole = method.whole_head(part, selected, head)
    assert torch.equal(whole.weight[1:], head.weight[1:])
    assert torch.equal(whole.weight[0, selected[-1]], head.weight[0, selected[-1]] + 1)


def test_a_strong_anchor_holds_selective_retraining() -> None:
    moves = []
    for names in ((), ("anchored_retraining",)):
        method = after_first(*names, drift=1e5)
        run_stages(method, stream().tasks[1], "selective retraining")
        moves.append(max(float(rho.max()) for rho in method.drifts()))
    assert moves[1] < 0.05 * moves[0]


def test_sparsity_everywhere_makes_zeros_in_selective_retraining() -> None:
    zeros = []
    for names in ((), ("sparse_everywhere",)):
        method = after_first(*names, sparsity=0.01)
        run_stages(method, stream().tasks[1], "selective retraining")
        zeros.append(sum(int((layer.weight == 0).sum()) for layer in method.network.hidden))
    assert zeros[1] > zeros[0]


def test_the_last_batch_decides() -> None:
    method = after_first("last_batch_loss")
    assert method.task_loss(stream().tasks[1], Fit(3, 0.5, 0.25)) == 0.25


def test_the_head_learns_in_expansion() -> None:
    for names, moved in (((), False), (("head_learns_in_expansion",), True)):
        method = after_first(*names)
        run_stages(method, stream().tasks[1], "selective retraining")
        head = method.head.copy()
        method.dynamic_expansion(stream().tasks[1], generator_for(0, 1, "dynamic expansion"))
        assert torch.equal(method.head.weight[:, : head.inputs], head.weight) != moved


def test_blocks_are_groups_of_their_own() -> None:
    method = after_first("groups_by_block")
    run_stages(method, stream().tasks[1], "selective retraining")
    grown = method.extension(Generator().manual_seed(0))
    groups = next(one for one in method.expansion(grown) if isinstance(one, GroupLasso))
    assert [tuple(block.shape) for block in groups.tensors] == [(3, 48), (3, 8), (3, 3), (6, 3)]


def test_pruning_once_keeps_a_unit_that_only_reads_dropped_ones() -> None:
    kept = []
    for names in ((), ("top_down_pruning",)):
        method = after_first(*names)
        run_stages(method, stream().tasks[1], "selective retraining")
        grown = method.extension(Generator().manual_seed(0))
        lower, upper = grown.hidden
        lower.incoming[0] = 0
        upper.incoming[0, : upper.old.inputs] = 0
        upper.incoming[0, upper.old.inputs + 1 :] = 0
        useful = method.drop_unused(grown)
        kept.append([len(layer.incoming) for layer in useful.hidden])
        assert useful.head.incoming.shape == (0, useful.head.old.inputs + kept[-1][1])
    assert kept == [[2, 2], [2, 3]]


def test_no_split_without_expansion() -> None:
    method = after_first("split_only_after_expansion", loss_threshold=100.0)
    assert [*run_stages(method, stream().tasks[1])] == ["selective retraining", "closing"]
    assert len(method.network.stamps) == 2


def test_drift_is_measured_before_everything_is_trained() -> None:
    method = after_first("drift_measured_early")
    run_stages(method, stream().tasks[1], "dynamic expansion")
    rho = method.drifts()
    method.settle(stream().tasks[1], Generator().manual_seed(0))
    assert all(torch.equal(one, other) for one, other in zip(rho, method.drifts(), strict=True))


def test_drift_without_bias_does_not_see_it() -> None:
    seen = []
    for names in ((), ("drift_without_bias",)):
        method = after_first(*names)
        method.before = [layer.copy() for layer in method.network.hidden]
        method.network.hidden[0].bias += 1
        seen.append(float(method.drifts()[0].max()))
    assert seen == [1.0, 0.0]


def test_the_least_drifted_split_and_no_more_than_k() -> None:
    method = after_first("least_drifted_split", units_per_expansion=2, drift_threshold=0.2)
    moved = [torch.tensor([0.9, 0.1, 0.3, 0.5]), torch.tensor([0.1, 0.7])]
    assert [units.tolist() for units in method.to_split(moved)] == [[2, 3], [1]]


def splitting(*names: str) -> tuple[Den, list[Layer], list[torch.Tensor]]:
    """Return DEN before a split, what its hidden layers are by then, and the units to split."""
    method = after_first(*names)
    method.before = random_layers(stream().features, *NETWORK.widths, seed=3)
    method.network.hidden = random_layers(stream().features, *NETWORK.widths, seed=4)
    method.head = random_layers(NETWORK.widths[-1], 1, seed=5)[0]
    return method, [layer.copy() for layer in method.network.hidden], [torch.tensor([1, 4]), torch.tensor([2])]


def test_doubled_edges_read_the_copy_with_the_present_weight() -> None:
    method, present, split = splitting("doubled_edges")
    method.copy_units(split, Generator())
    unsplit = [0, 1, 3, 4, 5]
    weight = method.network.hidden[1].weight
    assert torch.equal(weight[unsplit][:, -2:], present[1].weight[unsplit][:, split[0]])
    assert torch.equal(weight[unsplit][:, split[0]], method.before[1].weight[unsplit][:, split[0]])


def test_a_reset_leaves_only_copies_of_what_was_learned() -> None:
    method, present, split = splitting("shared_weights_reset")
    method.copy_units(split, Generator())
    for layer, old in zip(method.network.hidden, method.before, strict=True):
        assert torch.equal(layer.weight[: old.units, : old.inputs], old.weight)
        assert torch.equal(layer.bias[: old.units], old.bias)
    assert torch.equal(method.network.hidden[0].weight[-2:], present[0].weight[split[0]])


def test_copies_have_random_biases_and_heads() -> None:
    method, present, split = splitting("random_copy_biases", "random_copy_heads")
    head = method.head.copy()
    method.copy_units(split, Generator().manual_seed(0))
    biases = method.network.hidden[0].bias[-2:]
    assert not torch.equal(biases, present[0].bias[split[0]])
    assert ((biases >= 0) & (biases < 1)).all()
    assert torch.equal(method.head.weight[:, :-1], head.weight)
    assert not torch.equal(method.head.weight[:, -1], head.weight[:, 2])


def test_nothing_is_held() -> None:
    assert after_first("nothing_held").hold([]) == []


def test_euclidean_steps_keep_a_penalty_that_has_steps_of_its_own() -> None:
    w = torch.ones(2, 2)
    for own in (Unscaled(L1([w], 0.25)), GradientOf(L2([w], 0.25))):
        assert euclidean(own) is own
    assert isinstance(euclidean(Drift([w], [w], 0.25)), Euclidean)


def test_the_released_code_has_no_steps_that_euclidean_ones_would_change() -> None:
    (one, _), (other, _) = (
        learn("den_official", stream(), params=PARAMS["den_official"] | {"quirks": tuple(names)})
        for names in (QUIRKS, DEPARTURES)
    )
    assert same_state(one, other)


def fits(*names: str, **params: float) -> list[tuple[list[torch.Tensor], tuple[Any, ...]]]:
    """Return what every training of a first and a second task was given: what learns, and its penalties."""
    given: list[tuple[list[torch.Tensor], tuple[Any, ...]]] = []

    class Watched(Den):
        def fit(self, chain: Chain[Any], split: Examples, generator: Generator, *penalties: Any) -> Solution:
            given.append((chain.parameters(), penalties))
            return super().fit(chain, split, generator, *penalties)

    kinds = [DEPARTURES[name] for name in names]
    method = build(with_quirks([*kinds, Watched]), stream(), params=LIVELY | params)
    for task in stream().tasks[:2]:
        run_stages(method, task)
    return given


def weighed(penalties: tuple[Any, ...], kind: type) -> list[int]:
    """Return the identities of the tensors that penalties of a kind weigh on."""
    return [id(tensor) for penalty in penalties if isinstance(penalty, kind) for tensor in penalty.tensors]


def test_biases_are_penalised_once_wherever_their_weights_are() -> None:
    for (_, plain), (learning, penalties) in zip(fits(), fits("penalised_biases"), strict=True):
        for kind in (L1, L2):
            found = weighed(penalties, kind)
            assert len(found) == len(set(found))
            assert len(found) >= len(weighed(plain, kind))
        if any(isinstance(penalty, L1) for penalty in penalties):
            biases = [id(tensor) for tensor in learning if tensor.dim() == 1]
            assert set(biases) <= set(weighed(penalties, L1))


def test_every_stage_decays_all_that_it_trains() -> None:
    for learning, penalties in fits("decay_everywhere", loss_threshold=-1.0):
        weights = [id(tensor) for tensor in learning if tensor.dim() > 1]
        assert weighed(penalties, L2) == weights


def test_blocks_are_drawn_within_limits_of_their_own() -> None:
    on = permuted()
    method = after_first("blockwise_glorot", on=on)
    run_stages(method, on.tasks[1], "selective retraining")
    *hidden, head = method.extension(Generator().manual_seed(0)).layers
    for layer in hidden:
        within(layer.incoming[:, : layer.old.inputs], layer.old.inputs + 3)
    within(torch.cat([hidden[1].across, hidden[1].incoming[:, hidden[1].old.inputs :]]), 6 + 3 + 3)
    within(head.across, 4 + 3)


def within(drawn: torch.Tensor, sizes: int) -> None:
    """Assert that numbers fill Glorot's range of a matrix with so many units and inputs together."""
    limit = math.sqrt(6 / sizes)
    assert drawn.abs().max() <= limit
    assert drawn.abs().max() > 0.5 * limit


def test_a_penalty_as_a_gradient_is_the_gradient_of_its_value() -> None:
    w = torch.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True)
    old = torch.tensor([[0.5, 0.5]])
    for penalty, expected in (
        (L2([w], 0.5), w.detach()),
        (Drift([w], [old], 0.5), torch.tensor([[0.5, -2.5], [0.0, 0.0]])),
    ):
        w.grad = None
        found = as_gradient(penalty)
        assert isinstance(found, GradientOf)
        with torch.no_grad():
            found.add_gradients()
        assert torch.allclose(w.grad, expected)
    assert as_gradient(L1([w], 1.0)).__class__ is L1


@pytest.mark.parametrize("kind", [L1, GroupLasso])
def test_an_unscaled_threshold_does_not_know_the_learning_rate(kind: Any) -> None:
    moved = []
    for learning_rate in (1.0, 1e-6):
        w = torch.tensor([[1.0, -2.0], [0.05, 0.05]])
        found = unscaled(kind([w], 0.1))
        assert isinstance(found, Unscaled)
        found.step(learning_rate)
        moved.append(w)
    assert torch.equal(*moved)
    assert not moved[0][1].any()
    assert unscaled(L2([moved[0]], 1.0)).__class__ is L2


def test_random_biases_are_within_their_limit() -> None:
    biases = random_biases(300, Generator().manual_seed(0))
    assert 0.09 < float(biases.abs().max()) <= 0.1


def test_random_biases_are_where_training_begins() -> None:
    still = TRAINING.model_copy(update={"learning_rate": 1e-12})
    method = build(of("random_biases"), stream(), training=still, params=LIVELY)
    assert isinstance(method, Den)
    run_stages(method, stream().tasks[0])
    assert all(layer.bias.abs().min() > 1e-6 for layer in method.network.hidden)
    assert method.extension(Generator().manual_seed(0)).hidden[0].bias.all()
