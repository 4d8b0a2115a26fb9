"""DEN does what the paper's Algorithms 1 to 4 say."""

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import (
    CONVOLUTIONAL,
    LIVELY,
    TRAINING,
    Source,
    build,
    images,
    inputs,
    learn,
    on_either,
    permuted,
    problem,
    random_layers,
    run_stages,
    stream,
)
from torch import Generator, Tensor

from den.certificates import Solution
from den.config import Convolution, Network, SettingsError, Training
from den.harness import Result, generator_for
from den.methods.den import Den, select, unit_drift, widen
from den.networks import forms
from den.networks.layers import Chain, Layer
from den.penalties import Penalty, Within
from den.tasks import Examples, Stream, Task
from den.training import Fit

SHORT = Training(batch_size=20, steps=12, learning_rate=0.03)
DEPTHS = {"-".join(map(str, widths)): Network(widths=widths) for widths in ((8,), (8, 6), (8, 6, 5))}
SHALLOW = Network(convolutions=(Convolution(channels=8, kernel=3, pooling=1),), widths=(8,))


def seen_by(network: Network) -> Stream:
    return images() if network.convolutions else stream()


class Watched(Den):
    """DEN that keeps what its stages decided."""

    split: Sequence[Tensor] = ()
    sparse: Chain[Layer]

    def sparse_head(self, task: Task, generator: Generator) -> tuple[Chain[Layer], Solution]:
        chain, solution = super().sparse_head(task, generator)
        self.sparse = Chain([], chain.head.copy())
        return chain, solution

    def duplicate(self, split: Sequence[Tensor], task: Task, generator: Generator) -> float:
        self.split = split
        return super().duplicate(split, task, generator)


class NoSecondFit(Watched):
    """DEN that does not solve Eq. 6 again after a split."""

    def fit(self, chain: Chain, split: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        again = any(isinstance(penalty, Within) for penalty in penalties)
        return Solution(Fit(0, 0.0)) if again else super().fit(chain, split, generator, *penalties)


def after_first(kind: type[Den] = Watched, source: Source = stream, **params: float) -> Den:
    method = build(kind, source(), params=LIVELY | params)
    assert isinstance(method, Den)
    run_stages(method, source().tasks[0])
    return method


@cache
def learned(source: Source) -> tuple[Den, Result]:
    """Return DEN that has learned a stream, and its result; for reading only."""
    method, result = learn("den", source(), params=LIVELY)
    assert isinstance(method, Den)
    return method, result


def base(source: Source) -> tuple[int, ...]:
    """Return the widths that DEN starts with."""
    return problem(source()).base.widths


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


@on_either
def test_a_first_task_is_sparse_where_asked(source: Source) -> None:
    dense, sparse = (after_first(source=source, sparsity=mu) for mu in (0.0, 0.3))
    zeros = [sum(int((layer.weight == 0).sum()) for layer in one.network.hidden) for one in (dense, sparse)]
    assert zeros[0] == 0 < zeros[1]


def test_a_first_task_leaves_a_filter_whole_or_nothing_of_it() -> None:
    method = after_first(source=images, sparsity=0.2)
    for layer in method.network.hidden[: len(CONVOLUTIONAL.convolutions)]:
        zero = layer.weight.flatten(1) == 0
        assert torch.equal(zero.any(dim=1), zero.all(dim=1))
        assert 0 < zero.all(dim=1).sum() < layer.units


# Algorithm 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.integers(0, 4),
    st.integers(0, 10_000),
    st.floats(0.02, 0.9),
)
def test_selection_finds_every_path(sizes: list[int], convolutions: int, seed: int, density: float) -> None:
    generator = Generator().manual_seed(seed)
    above = [forms.Form((4,))] if convolutions else []
    below = [forms.Convolution((3, 3), 4)] * min(convolutions, len(sizes) - 1)
    *hidden, head = random_layers(*sizes, 2, seed=seed, of=[*below, *above])
    for layer in (*hidden, head):
        layer.weight *= torch.rand(layer.weight.shape, generator=generator) < density
    layers = [*hidden, head]
    found = [[unit for unit in range(size) if speaks(layers[level:], unit)] for level, size in enumerate(sizes)]
    assert [chosen.tolist() for chosen in select(hidden, head)] == found


def speaks(layers: Sequence[Layer], unit: int) -> bool:
    """Say whether some path of non-zero weights leads from an input of the layers to their outputs."""
    if not layers:
        return True
    return any(edge.any() and speaks(layers[1:], above) for above, edge in enumerate(layers[0].weight[:, unit]))


@on_either
@pytest.mark.parametrize("head_sparsity", [0.02, 0.06])
def test_selective_retraining_leaves_the_unselected_as_they_were(head_sparsity: float, source: Source) -> None:
    method = after_first(source=source, sparsity=0.01, head_sparsity=head_sparsity)
    for layer in method.network.hidden:
        layer.weight[:, -1] = 0
    before = [layer.copy() for layer in method.network.hidden]
    run_stages(method, source().tasks[1], "selective retraining")
    assert isinstance(method, Watched)
    selected = select(before, method.sparse.head)
    assert all(
        0 < len(chosen) < units for chosen, units in zip(selected, (source().shape[0], *base(source)), strict=True)
    )
    for old, new, ins, outs in zip(before, method.network.hidden, selected[:-1], selected[1:], strict=True):
        chosen = torch.zeros_like(old.weight, dtype=torch.bool)
        chosen[outs[:, None], ins] = True
        assert torch.equal(new.weight[~chosen], old.weight[~chosen])
        unchosen = ~chosen.flatten(1).any(dim=1)
        assert torch.equal(new.bias[unchosen], old.bias[unchosen])
        assert not torch.equal(new.weight, old.weight)


def test_a_selected_head_reads_selected_units_alone() -> None:
    narrow = Layer(torch.ones(2, 2), torch.ones(2))
    assert widen(narrow, torch.tensor([1, 3]), 4).weight.tolist() == [[0, 1, 0, 1]] * 2


@on_either
def test_a_task_that_selects_nothing_still_learns_by_expansion(source: Source) -> None:
    _, result = learn("den", source(), params=LIVELY | {"head_sparsity": 1e6})
    chosen = [row["value"] for row in result.measures if row["measure"] == "selected units"]
    assert chosen == [0] * 2 * (1 + len(base(source)))
    assert result.scores["auroc"][2][2] > 0.6


# Algorithm 3


@on_either
def test_expansion_leaves_old_parameters_alone(source: Source) -> None:
    method = after_first(source=source)
    task = source().tasks[1]
    run_stages(method, task, "selective retraining")
    before, head = [layer.copy() for layer in method.network.hidden], method.head.copy()
    method.dynamic_expansion(task, generator_for(0, 1, "dynamic expansion"))
    assert method.network.widths > base(source)
    for old, new in zip([*before, head], [*method.network.hidden, method.head], strict=True):
        assert torch.equal(new.weight[: old.units, : old.inputs], old.weight)
        assert torch.equal(new.bias[: old.units], old.bias)


@on_either
def test_units_that_group_sparsity_silences_are_dropped(source: Source) -> None:
    method = after_first(source=source, group_sparsity=1e3)
    told = run_stages(method, source().tasks[1], "dynamic expansion")["dynamic expansion"]
    assert [m.value for m in told if m.measure == "kept units"] == [0] * len(base(source))
    assert method.network.widths == base(source)


@pytest.mark.parametrize(("channels", "added"), [({}, [3, 3, 3]), ({"channels_per_expansion": 1}, [1, 1, 3])])
def test_convolutions_may_have_a_k_of_their_own(channels: dict[str, int], added: list[int]) -> None:
    params = {"units_per_expansion": 3, **channels}
    method, _ = learn("den_constant", images(), network=CONVOLUTIONAL, training=SHORT, params=params)
    assert isinstance(method, Den)
    first, second, _ = method.network.stamps
    assert [after - before for before, after in zip(first, second, strict=True)] == added


# Algorithm 4


@pytest.mark.parametrize(
    "sigma", [0.0, 0.15, pytest.param(0.5, marks=pytest.mark.slow), pytest.param(1.0, marks=pytest.mark.slow), 100.0]
)
@pytest.mark.parametrize("network", [*DEPTHS.values(), CONVOLUTIONAL], ids=[*DEPTHS, "convolutional"])
def test_after_a_task_no_old_unit_has_moved_further_than_allowed(sigma: float, network: Network) -> None:
    on = seen_by(network)
    method = build(Watched, on, params=LIVELY | {"drift_threshold": sigma}, network=network, training=SHORT)
    assert isinstance(method, Watched)
    for task in on:
        before = [layer.copy() for layer in method.network.hidden]
        run_stages(method, task)
        for old, new, split in zip(before, method.network.hidden, method.split, strict=bool(method.split)):
            assert (unit_drift(new, old) <= sigma).all()
            assert torch.equal(new.weight[split, : old.inputs], old.weight[split])
            assert torch.equal(new.bias[split], old.bias[split])
            assert not new.weight[split, old.inputs :].any()


@on_either
def test_some_units_split_and_some_do_not(source: Source) -> None:
    _, result = learned(source)
    rows = [row for row in result.measures if row["measure"] == "split units"]
    assert any(row["value"] for row in rows)
    assert any(row["value"] < base(source)[row["layer"] - 1] for row in rows)
    fired = [row["value"] for row in result.measures if row["measure"] == "split fired"]
    assert fired == [float(any(row["value"] for row in rows if row["task"] == task)) for task in (2, 3)]


@on_either
@pytest.mark.parametrize("kind", [NoSecondFit, Watched], ids=["one fit", "both fits"])
def test_at_no_threshold_old_answers_keep_their_bits(kind: type[Den], source: Source) -> None:
    method, x = after_first(kind, source, drift_threshold=0.0), inputs(30, *source().shape)
    for task in list(source().tasks)[1:]:
        before = [method.predict(x, known) for known in range(task.id)]
        run_stages(method, task)
        assert all(torch.equal(method.predict(x, known), answers) for known, answers in enumerate(before))


def test_the_shift_is_measured_on_the_present_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    method = after_first()
    task = stream().tasks[1]
    run_stages(method, task, "dynamic expansion")
    nobody = [torch.tensor([], dtype=torch.long)] * 2
    generator = Generator()
    assert method.duplicate(nobody, task, generator) == 0
    monkeypatch.setattr(method.network, "duplicate", lambda *_: Layer(2 * method.head.weight, 2 * method.head.bias))
    assert method.duplicate(nobody, task, generator) == pytest.approx(1)


@on_either
def test_stamps_grow_and_heads_are_as_wide_as_theirs(source: Source) -> None:
    method, _ = learned(source)
    stamps = method.network.stamps
    assert stamps[0] == base(source)
    assert all(a <= b for one, other in zip(stamps, stamps[1:], strict=False) for a, b in zip(one, other, strict=True))
    assert [head.inputs for head in method.network.heads] == [stamp[-1] for stamp in stamps]
    assert method.network.widths == stamps[-1] > stamps[0]


@pytest.mark.parametrize(
    "network", [Network(widths=(10,)), Network(widths=(10, 8, 6)), SHALLOW], ids=["10", "10-8-6", "convolutional"]
)
def test_any_depth_learns(network: Network) -> None:
    longer = TRAINING.model_copy(update={"epochs": 10})
    _, result = learn("den", seen_by(network), network=network, training=longer, params=LIVELY)
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
