"""A progressive column reads all earlier ones, which never change."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import NETWORK, build, inputs, learn, permuted, random_layers, stream
from torch import Tensor

from den.config import Network, SettingsError
from den.harness import generator_for
from den.methods.progressive import Learning, Params, Progressive, with_activations
from den.networks.blueprint import Blueprint
from den.networks.columns import Columns, answer, new_column, units
from den.networks.forms import DENSE
from den.networks.layers import Chain, Layer

FEATURES = 48


def plan(*widths: int) -> Blueprint:
    return Blueprint.of(Network(widths=widths), (FEATURES,))


def columns(*widths: tuple[int, int]) -> list[Chain[Layer]]:
    """Return random columns of two hidden layers next to each other, four outputs each."""
    made: list[Chain[Layer]] = []
    for seed, (one, two) in enumerate(widths):
        below = units(made, 2)
        sizes = (FEATURES, one), (one + below[0], two), (two + below[1], 4)
        first, second, head = (random_layers(*pair, seed=seed)[0] for pair in sizes)
        made.append(Chain([first, second], head))
    return made


def lateral(layer: Layer, read: list[Tensor]) -> Tensor:
    """Return sum_s U^s h^s + b, one product a column."""
    blocks = layer.weight.split([one.shape[1] for one in read], dim=1)
    return layer.bias + sum(h @ U.T for h, U in zip(read, blocks, strict=True))


def by_definition(many: Columns, x: Tensor) -> Tensor:
    """Return the last column's answer as the paper writes it: h_l = relu(W_l h_{l-1} + sum_s U_l^s h_{l-1}^s + b_l)."""
    first = [(x @ column.hidden[0].weight.T + column.hidden[0].bias).relu() for column in many]
    second = [lateral(column.hidden[1], first[: index + 1]).relu() for index, column in enumerate(many)]
    return lateral(many[-1].head, second)


def learned(**params: float) -> Progressive:
    method, _ = learn("progressive", permuted(), params=params)
    assert isinstance(method, Progressive)
    return method


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=4))
def test_a_column_answers_as_the_paper_writes_it(widths: list[tuple[int, int]]) -> None:
    many = columns(*widths)
    torch.testing.assert_close(answer(many, inputs(5, FEATURES)), by_definition(many, inputs(5, FEATURES)))


def test_training_sees_what_predicting_sees() -> None:
    many = columns((5, 4), (3, 2), (2, 3))
    split = permuted().tasks[0].train
    seen = with_activations(split, many[:2], [DENSE, DENSE])
    learning = Learning(many[2], [(count,) for count in (FEATURES, *units(many[:2], 2))])
    rows = slice(0, 50)
    torch.testing.assert_close(learning(seen.inputs(rows)), answer(many, split.inputs(rows)))
    assert seen.y is split.y


def test_old_answers_keep_their_bits() -> None:
    on = permuted()
    method = build("progressive", on)
    kept: list[Tensor] = []
    for task in on.tasks:
        for stage in method.stages(task):
            stage.run(task, generator_for(0, task.id, stage.name))
        for known, answers in enumerate(kept):
            assert torch.equal(method.predict(inputs(30, FEATURES), known), answers)
        kept.append(method.predict(inputs(30, FEATURES), task.id))


def test_the_first_column_is_the_network_of_a_single_task() -> None:
    progressive, single = learned(weight_decay=0.1), learn("single_task", permuted(), params={"weight_decay": 0.1})[0]
    first, network = progressive.networks[0], single.networks[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), network.parameters(), strict=True))


def test_lateral_connections_are_trained() -> None:
    method = learned(column_width=0.5)
    column, earlier = method.networks[1], method.networks[:1]
    new = new_column(earlier, plan(4, 3), 4, NETWORK.init, generator_for(0, 1, "train"))
    for layer, fresh, count in zip(column.layers[1:], new.layers[1:], NETWORK.widths, strict=True):
        assert (layer.weight[:, :count] != fresh.weight[:, :count]).any()


def test_columns_are_as_wide_as_asked_and_never_empty() -> None:
    shapes = [[layer.weight.shape for layer in column.layers] for column in learned(column_width=0.5).networks]
    assert shapes == [
        [(8, FEATURES), (6, 8), (4, 6)],
        [(4, FEATURES), (3, 12), (4, 9)],
        [(4, FEATURES), (3, 16), (4, 12)],
    ]
    assert [column.hidden[0].units for column in learned(column_width=0.01).networks] == [8, 1, 1]


def test_size_counts_laterals_and_an_answer_all_columns_below_it() -> None:
    found = {(m.measure, m.layer): m.value for m in learned(column_width=0.5).measure()}
    hidden = [8 * FEATURES + 6 * 8, 4 * FEATURES + 3 * 12, 4 * FEATURES + 3 * 16]
    heads = [4 * 6, 4 * 9, 4 * 12]
    answers = [sum(hidden[: task + 1]) + heads[task] for task in range(3)]
    assert (found["units", 1], found["units", 2]) == (16, 12)
    assert found["weights", None] == sum(hidden) + sum(heads)
    assert found["flops", None] == 2 * sum(answers) / 3


@pytest.mark.parametrize("width", [0.0, 1.5])
def test_impossible_widths_are_refused(width: float) -> None:
    with pytest.raises(ValueError, match="column_width"):
        Params(column_width=width)


def test_one_head_for_all_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"network\.heads: Progressive needs per_task"):
        Progressive.refuse(Network(heads="one"))


def test_nothing_is_forgotten() -> None:
    R = learn("progressive", stream())[1].scores["auroc"]
    assert all(R[t][i] == R[i][i] for t in range(3) for i in range(t + 1))
