"""A progressive column reads all earlier ones, which never change."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import (
    FORMS,
    NETWORK,
    Source,
    as_images,
    build,
    inputs,
    learn,
    on_either,
    permuted,
    problem,
    random_layers,
    read_by,
    stream,
)
from torch import Tensor

from den.config import Network, SettingsError
from den.harness import generator_for
from den.methods.progressive import Learning, Params, Progressive, with_activations
from den.networks.blueprint import Blueprint
from den.networks.columns import Columns, answer, new_column, units
from den.networks.forms import DENSE, Form
from den.networks.layers import Chain, Layer
from den.tasks import Stream

FEATURES = 48
INPUTS = 3


def permuted_images() -> Stream:
    return as_images(permuted())


def plan(*widths: int) -> Blueprint:
    return Blueprint.of(Network(widths=widths), (FEATURES,))


def columns(*widths: Sequence[int], forms: Sequence[Form]) -> list[Chain[Layer]]:
    """Return random columns of the forms' hidden layers next to each other, four outputs each."""
    made: list[Chain[Layer]] = []
    for seed, own in enumerate(widths):
        below = units(made, len(own))
        read = (INPUTS, *(width + beside for width, beside in zip(own, below, strict=True)))
        ends = zip(read, (*own, 4), (*forms, DENSE), strict=True)
        *hidden, head = (random_layers(*pair, seed=seed, dtype=torch.float64, of=[form])[0] for *pair, form in ends)
        made.append(Chain(hidden, head))
    return made


def lateral(layer: Layer, read: list[Tensor]) -> Tensor:
    """Return sum_s U^s h^s + b, pooled: one product, or one convolution, a column."""
    blocks = layer.weight.split([one.shape[1] for one in read], dim=1)
    own = sum(layer.form.sums(h, U) for h, U in zip(read, blocks, strict=True))
    return layer.form.pool(own + layer.bias.view(-1, *[1] * (own.dim() - 2)))


def by_definition(many: Columns, x: Tensor) -> Tensor:
    """Return the last column's answer as the paper writes it: h_l = relu(W_l h_{l-1} + sum_s U_l^s h_{l-1}^s + b_l)."""
    below = [[x]] * len(many)
    for depth in range(len(many[0].hidden)):
        own = [lateral(column.hidden[depth], read).relu() for column, read in zip(many, below, strict=True)]
        below = [own[: index + 1] for index in range(len(many))]
    return lateral(many[-1].head, below[-1])


def learned(**params: float) -> Progressive:
    method, _ = learn("progressive", permuted(), params=params)
    assert isinstance(method, Progressive)
    return method


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 5)] * 3), min_size=1, max_size=4), st.sampled_from(list(FORMS)))
def test_a_column_answers_as_the_paper_writes_it(widths: list[tuple[int, ...]], kind: str) -> None:
    many = columns(*widths, forms=FORMS[kind])
    x = inputs(5, INPUTS, *read_by(FORMS[kind][0]), dtype=torch.float64)
    torch.testing.assert_close(answer(many, x), by_definition(many, x))


@on_either
def test_training_sees_what_predicting_sees(source: Source) -> None:
    method, _ = learn("progressive", source())
    assert isinstance(method, Progressive)
    many, split, forms = method.networks, source().tasks[2].train, problem(source()).base.forms
    seen = with_activations(split, many[:2], forms)
    beside = zip(units(many[:2], len(forms)), forms, strict=True)
    learning = Learning(many[2], [source().shape, *((count, *form.image) for count, form in beside)])
    rows = slice(0, 50)
    torch.testing.assert_close(learning(seen.inputs(rows)), answer(many, split.inputs(rows)))
    assert seen.y is split.y


@pytest.mark.parametrize("source", [permuted, permuted_images], ids=["dense", "convolutional"])
def test_old_answers_keep_their_bits(source: Source) -> None:
    on = source()
    method, x = build("progressive", on), inputs(30, *on.shape)
    kept: list[Tensor] = []
    for task in on.tasks:
        for stage in method.stages(task):
            stage.run(task, generator_for(0, task.id, stage.name))
        for known, answers in enumerate(kept):
            assert torch.equal(method.predict(x, known), answers)
        kept.append(method.predict(x, task.id))


def test_the_first_column_is_the_network_of_a_single_task() -> None:
    progressive, single = learned(weight_decay=0.1), learn("single_task", permuted(), params={"weight_decay": 0.1})[0]
    first, network = progressive.networks[0], single.networks[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), network.parameters(), strict=True))


def test_lateral_connections_are_trained() -> None:
    method = learned(column_width=0.5)
    column, earlier = method.networks[1], method.networks[:1]
    new = new_column(earlier, plan(4, 3), 4, NETWORK, generator_for(0, 1, "train"))
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
