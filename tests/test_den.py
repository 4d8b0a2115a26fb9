"""DEN does what the paper's Algorithms 1 to 4 say."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import LIVELY, NETWORK, TRAINING, build, inputs, learn, permuted, random_layers, run_stages, stream
from torch import Generator, Tensor

from den.config import Network, SettingsError, Training
from den.harness import generator_for
from den.methods.den import Den, select, unit_drift, widen
from den.networks.layers import Chain, Layer
from den.penalties import Penalty, Within
from den.tasks import Split, Task
from den.training import Fit


class Watched(Den):
    """DEN that keeps what its stages decided."""

    split: Sequence[Tensor] = ()
    sparse: Chain[Layer]

    def sparse_head(self, task: Task, generator: Generator) -> Chain[Layer]:
        found = super().sparse_head(task, generator)
        self.sparse = Chain([], found.head.copy())
        return found

    def duplicate(self, split: Sequence[Tensor], task: Task, generator: Generator) -> float:
        self.split = split
        return super().duplicate(split, task, generator)


class NoSecondFit(Watched):
    """DEN that does not solve Eq. 6 again after a split."""

    def fit(self, chain: Chain, split: Split, generator: Generator, *penalties: Penalty) -> Fit:
        again = any(isinstance(penalty, Within) for penalty in penalties)
        return Fit(0, 0.0) if again else super().fit(chain, split, generator, *penalties)


def after_first(kind: type[Den] = Watched, **params: float) -> Den:
    method = build(kind, stream(), params=LIVELY | params)
    assert isinstance(method, Den)
    run_stages(method, stream().tasks[0])
    return method


def probe() -> Tensor:
    return inputs(30, stream().features)


# Algorithm 1


def test_stages_are_the_papers() -> None:
    method = build("den", stream(), params=LIVELY)
    assert isinstance(method, Den)
    assert [*run_stages(method, stream().tasks[0])] == ["train"]
    for task in list(stream().tasks)[1:]:
        assert [*run_stages(method, task)] == ["selective retraining", "dynamic expansion", "split and duplication"]


def test_a_task_below_the_loss_threshold_does_not_expand() -> None:
    method = after_first(loss_threshold=100.0)
    widths = method.network.widths
    told = run_stages(method, stream().tasks[1], "selective retraining")
    assert [*told] == ["selective retraining"]
    assert ("expansion fired", 0) in [(m.measure, m.value) for m in told["selective retraining"]]
    assert [stage.name for stage in method.stages(stream().tasks[1])][1:] == ["split and duplication"]
    assert method.network.widths == widths


def test_a_first_task_is_sparse_where_asked() -> None:
    dense, sparse = (after_first(sparsity=mu) for mu in (0.0, 0.3))
    zeros = [sum(int((layer.weight == 0).sum()) for layer in one.network.hidden) for one in (dense, sparse)]
    assert zeros[0] == 0 < zeros[1]


# Algorithm 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_selection_finds_every_path(sizes: list[int], seed: int, density: float) -> None:
    generator = Generator().manual_seed(seed)
    *hidden, head = random_layers(*sizes, 2, seed=seed)
    for layer in (*hidden, head):
        layer.weight *= torch.rand(layer.weight.shape, generator=generator) < density
    layers = [*hidden, head]
    found = [[unit for unit in range(size) if speaks(layers[level:], unit)] for level, size in enumerate(sizes)]
    assert [chosen.tolist() for chosen in select(hidden, head)] == found


def speaks(layers: Sequence[Layer], unit: int) -> bool:
    """Say whether some path of non-zero weights leads from an input of the layers to their outputs."""
    if not layers:
        return True
    return any(edge != 0 and speaks(layers[1:], above) for above, edge in enumerate(layers[0].weight[:, unit]))


@pytest.mark.parametrize("head_sparsity", [0.2, 0.6])
def test_selective_retraining_leaves_the_unselected_as_they_were(head_sparsity: float) -> None:
    method = after_first(sparsity=2.0, head_sparsity=head_sparsity)
    before = [layer.copy() for layer in method.network.hidden]
    run_stages(method, stream().tasks[1], "selective retraining")
    assert isinstance(method, Watched)
    selected = select(before, method.sparse.head)
    assert 0 < sum(map(len, selected)) < sum((stream().features, *NETWORK.widths))
    for old, new, ins, outs in zip(before, method.network.hidden, selected[:-1], selected[1:], strict=True):
        chosen = torch.zeros_like(old.weight, dtype=torch.bool)
        chosen[outs[:, None], ins] = True
        assert torch.equal(new.weight[~chosen], old.weight[~chosen])
        assert torch.equal(new.bias[~chosen.any(dim=1)], old.bias[~chosen.any(dim=1)])
        assert not torch.equal(new.weight, old.weight)


def test_a_selected_head_reads_selected_units_alone() -> None:
    narrow = Layer(torch.ones(2, 2), torch.ones(2))
    assert widen(narrow, torch.tensor([1, 3]), 4).weight.tolist() == [[0, 1, 0, 1]] * 2


def test_a_task_that_selects_nothing_still_learns_by_expansion() -> None:
    method, result = learn("den", stream(), params=LIVELY | {"head_sparsity": 1e6})
    chosen = [row["value"] for row in result.measures if row["measure"] == "selected units"]
    assert chosen == [0] * 6
    assert result.scores["auroc"][2][2] > 0.6


# Algorithm 3


def test_expansion_leaves_old_parameters_alone() -> None:
    method = after_first()
    task = stream().tasks[1]
    run_stages(method, task, "selective retraining")
    before, head = [layer.copy() for layer in method.network.hidden], method.head.copy()
    method.dynamic_expansion(task, generator_for(0, 1, "dynamic expansion"))
    assert method.network.widths > NETWORK.widths
    for old, new in zip([*before, head], [*method.network.hidden, method.head], strict=True):
        assert torch.equal(new.weight[: old.units, : old.inputs], old.weight)
        assert torch.equal(new.bias[: old.units], old.bias)


def test_units_that_group_sparsity_silences_are_dropped() -> None:
    method = after_first(group_sparsity=1e3)
    told = run_stages(method, stream().tasks[1], "dynamic expansion")["dynamic expansion"]
    assert [m.value for m in told if m.measure == "kept units"] == [0, 0]
    assert method.network.widths == NETWORK.widths


# Algorithm 4


@pytest.mark.parametrize("sigma", [0.0, 0.15, 0.5, 1.0, 100.0])
@pytest.mark.parametrize("widths", [(8,), (8, 6), (8, 6, 5)], ids=str)
def test_after_a_task_no_old_unit_has_moved_further_than_allowed(sigma: float, widths: tuple[int, ...]) -> None:
    method = build(Watched, stream(), params=LIVELY | {"drift_threshold": sigma}, network=Network(widths=widths))
    assert isinstance(method, Watched)
    for task in stream():
        before = [layer.copy() for layer in method.network.hidden]
        run_stages(method, task)
        for old, new, split in zip(before, method.network.hidden, method.split, strict=bool(method.split)):
            assert (unit_drift(new, old) <= sigma).all()
            assert torch.equal(new.weight[split, : old.inputs], old.weight[split])
            assert torch.equal(new.bias[split], old.bias[split])
            assert not new.weight[split, old.inputs :].any()


def test_some_units_split_and_some_do_not() -> None:
    _, result = learn("den", stream(), params=LIVELY)
    rows = [row for row in result.measures if row["measure"] == "split units"]
    assert any(row["value"] for row in rows)
    assert any(row["value"] < NETWORK.widths[row["layer"] - 1] for row in rows)
    fired = [row["value"] for row in result.measures if row["measure"] == "split fired"]
    assert fired == [float(any(row["value"] for row in rows if row["task"] == task)) for task in (2, 3)]


def test_at_no_threshold_and_without_the_second_fit_old_answers_keep_their_bits() -> None:
    method = after_first(NoSecondFit, drift_threshold=0.0)
    for task in list(stream().tasks)[1:]:
        before = [method.predict(probe(), known) for known in range(task.id)]
        run_stages(method, task)
        assert all(torch.equal(method.predict(probe(), known), answers) for known, answers in enumerate(before))


def test_with_both_fits_and_no_threshold_old_answers_keep_their_bits_too() -> None:
    method = after_first(drift_threshold=0.0)
    before = method.predict(probe(), 0)
    run_stages(method, stream().tasks[1])
    assert torch.equal(method.predict(probe(), 0), before)


def test_the_shift_is_measured_on_the_present_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    method = after_first()
    task = stream().tasks[1]
    run_stages(method, task, "dynamic expansion")
    nobody = [torch.tensor([], dtype=torch.long)] * 2
    generator = Generator()
    assert method.duplicate(nobody, task, generator) == 0
    monkeypatch.setattr(method.network, "duplicate", lambda *_: Layer(2 * method.head.weight, 2 * method.head.bias))
    assert method.duplicate(nobody, task, generator) == pytest.approx(1)


def test_stamps_grow_and_heads_are_as_wide_as_theirs() -> None:
    method, _ = learn("den", stream(), params=LIVELY)
    assert isinstance(method, Den)
    stamps = method.network.stamps
    assert stamps[0] == NETWORK.widths
    assert all(a <= b for one, other in zip(stamps, stamps[1:], strict=False) for a, b in zip(one, other, strict=True))
    assert [head.inputs for head in method.network.heads] == [stamp[-1] for stamp in stamps]
    assert method.network.widths == stamps[-1] > stamps[0]


@pytest.mark.parametrize("widths", [(10,), (10, 8, 6)], ids=str)
def test_any_depth_learns(widths: tuple[int, ...]) -> None:
    network, longer = Network(widths=widths), TRAINING.model_copy(update={"epochs": 15})
    _, result = learn("den", stream(), network=network, training=longer, params=LIVELY)
    assert min(result.scores["auroc"][2]) > 0.7


@pytest.mark.parametrize(
    "training", [{"optimizer": "sgd", "learning_rate": 0.05, "epochs": 10}, {"steps": 40}], ids=str
)
def test_any_training_learns(training: dict[str, object]) -> None:
    method, result = learn("den", stream(), training=Training(batch_size=20, **{"learning_rate": 0.02} | training))
    assert result.scores["auroc"][0][0] > 0.6
    steps = {row["value"] for row in result.measures if row["measure"] == "steps"}
    assert steps == ({40, 80} if "steps" in training else {60, 120})


def test_several_outputs_a_task_are_learned() -> None:
    _, result = learn("den", permuted(), params=LIVELY)
    assert min(result.scores["auroc"][2]) > 0.7


def test_one_head_is_refused_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"network\.heads"):
        Den.refuse(Network(heads="one"))
