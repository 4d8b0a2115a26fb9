"""Surgery leaves old tasks' answers bit-identical, and the present task's as they should be."""

from collections.abc import Callable, Sequence

import pytest
import torch
from small import FORMS, inputs, random_layers, read_by
from torch import Generator, Tensor

from den.config import Network
from den.networks import expandable
from den.networks.dense import Dense
from den.networks.expandable import Expandable, Grown, drop_unused, move_edges, split_layer
from den.networks.forms import DENSE, Convolution, Form
from den.networks.layers import Chain, Layer, fresh

WIDTHS = 7, 6, 5, 4
Forms = tuple[Form, ...]


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def forms(request: pytest.FixtureRequest) -> Forms:
    """Return the forms of three hidden layers."""
    return request.param


@pytest.fixture
def x(forms: Forms) -> Tensor:
    return inputs(20, WIDTHS[0], *read_by(forms[0]))


@pytest.fixture
def generator() -> Generator:
    return Generator().manual_seed(3)


@pytest.fixture
def network(forms: Forms) -> Expandable:
    """Return a network of three hidden layers that knows one task."""
    *hidden, head = random_layers(*WIDTHS, 2, of=forms)
    known = Expandable(hidden)
    known.stamp(head)
    return known


def extension(network: Expandable, generator: Generator, *units: int) -> Chain[Grown]:
    return network.extension(random_layers(WIDTHS[-1], 1)[0], units or (3, 3, 3), Network(), generator)


@pytest.mark.parametrize(
    ("form", "reads", "is_read"),
    [(DENSE, 200, 100), (Form((4,)), 800, 100), (Convolution((3, 3), 8), 1800, 900)],
    ids=["dense", "positions", "convolution"],
)
@pytest.mark.parametrize("init", ["glorot", "he"])
def test_new_weights_fill_their_limits_and_biases_are_zero(
    init: str, form: Form, reads: int, is_read: int, generator: Generator
) -> None:
    layer = fresh(100, 200, Network(init=init), generator, form)
    limit = (6 / (reads + is_read * (init == "glorot"))) ** 0.5
    assert layer.form == form
    assert 0.95 * limit < layer.weight.abs().max() <= limit
    assert not layer.bias.any()


def test_a_part_is_a_copy_of_the_same_form(network: Expandable) -> None:
    for layer in network.hidden:
        part = layer.part(slice(2), torch.tensor([0, 2]))
        assert (part.units, part.inputs, part.form) == (2, 2, layer.form)
        part.weight.zero_()
        assert layer.weight.all()


@pytest.mark.parametrize(("units", "ins"), [(0, 3), (3, 0), (0, 0), (3, 2)])
def test_a_layer_without_units_or_inputs_answers_as_any_other(forms: Forms, units: int, ins: int) -> None:
    for form in forms:
        (layer,) = random_layers(ins, units, of=[form])
        answers = layer(inputs(20, ins, *read_by(form)))
        assert answers.shape == (20, units, *form.image)
        if not ins:
            assert torch.equal(answers, layer.bias.view(-1, *[1] * len(form.image)).expand(answers.shape))


def test_an_image_shifted_is_an_answer_shifted() -> None:
    (layer,) = random_layers(2, 3, of=[Convolution((3, 3), 8, 2)])
    x = torch.zeros(5, 2, 8, 8)
    x[:, :, 2:4, 2:4] = inputs(5, 2, 2, 2)
    torch.testing.assert_close(layer(x.roll(2, dims=3)), layer(x).roll(1, dims=3))


def test_one_head_is_made_once_and_serves_equal_tasks_only(generator: Generator) -> None:
    dense = Dense(random_layers(3, 4), one_head=True)
    dense.add_head(2, Network(), generator)
    dense.add_head(2, Network(), generator)
    assert dense.head(0) is dense.head(5)
    assert len(dense.shared()) == 4
    with pytest.raises(ValueError, match=r"network\.heads"):
        dense.add_head(3, Network(), generator)


@pytest.mark.parametrize("prune", [False, True], ids=["grow", "drop unused"])
def test_growth_keeps_old_answers(network: Expandable, x: Tensor, generator: Generator, prune: bool) -> None:
    before = network.slice(0)(x)
    grown = extension(network, generator)
    for layer in grown.hidden:
        layer.incoming[1] = 0
    head = network.grow(drop_unused(grown) if prune else grown)
    assert network.widths == tuple(width + 3 - prune for width in WIDTHS[1:])
    assert head.inputs == network.widths[-1]
    assert torch.equal(network.slice(0)(x), before)


def test_each_layer_grows_by_its_own_number_of_units(network: Expandable, x: Tensor, generator: Generator) -> None:
    before = network.slice(0)(x)
    head = network.grow(extension(network, generator, 1, 4, 2))
    assert network.widths == (WIDTHS[1] + 1, WIDTHS[2] + 4, WIDTHS[3] + 2)
    assert head.inputs == network.widths[-1]
    assert torch.equal(network.slice(0)(x), before)


def test_grown_network_answers_as_the_extension_did(network: Expandable, x: Tensor, generator: Generator) -> None:
    grown = extension(network, generator)
    before = grown(x)
    after = network.whole(network.grow(grown))(x)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-3)
    assert [layer.form for layer in network.hidden] == [layer.old.form for layer in grown.hidden]


def test_only_newcomers_of_an_extension_learn(network: Expandable, generator: Generator) -> None:
    learning = {tensor.data_ptr() for tensor in extension(network, generator).parameters() if tensor.numel()}
    assert not learning & {tensor.data_ptr() for layer in network.hidden for tensor in layer.parameters()}


def test_units_that_read_only_dropped_units_are_dropped_too(network: Expandable, generator: Generator) -> None:
    grown = extension(network, generator, 1, 1, 1)
    first, second, third = grown.hidden
    first.incoming.zero_()
    second.incoming[:, : WIDTHS[1]] = 0
    assert [len(layer.incoming) for layer in drop_unused(grown).hidden] == [0, 0, 1]
    assert third.incoming.any()


def test_dropping_units_without_voice_keeps_the_answers(network: Expandable, x: Tensor, generator: Generator) -> None:
    grown = extension(network, generator)
    for layer in grown.hidden:
        layer.incoming[0] = 0
    before = grown(x)
    torch.testing.assert_close(drop_unused(grown)(x), before)


def test_a_unit_that_reads_a_single_number_is_kept(network: Expandable, generator: Generator) -> None:
    grown = extension(network, generator)
    for layer in grown.hidden:
        layer.incoming.zero_()
        layer.incoming[1, 0].view(-1)[-1] = 1
    assert [len(layer.incoming) for layer in drop_unused(grown).hidden] == [1, 1, 1]


def test_selected_units_go_out_and_back(network: Expandable) -> None:
    selected = [torch.tensor(chosen) for chosen in ([0, 2, 6], [1, 5], [0, 1, 4], [3])]
    before = [layer.copy() for layer in network.hidden]
    part = network.subnetwork(selected, network.heads[0])
    assert [(layer.units, layer.inputs) for layer in part.layers] == [(2, 3), (3, 2), (1, 3), (2, 1)]
    assert [layer.form for layer in part.hidden] == [layer.form for layer in before]
    for layer in part.hidden:
        layer.weight.fill_(9)
        layer.bias.fill_(9)
    network.put_back(selected, part)
    for old, new, ins, outs in zip(before, network.hidden, selected[:-1], selected[1:], strict=True):
        chosen = torch.zeros_like(old.weight, dtype=torch.bool)
        chosen[outs[:, None], ins] = True
        assert torch.equal(new.weight, torch.where(chosen, 9.0, old.weight))
        assert torch.equal(new.bias == 9, chosen.flatten(1).any(dim=1))


def test_a_subnetwork_answers_as_the_network_does_without_the_rest(network: Expandable, x: Tensor) -> None:
    selected = [torch.tensor(chosen) for chosen in ([0, 2, 6], [1, 5], [0, 1, 4], [3])]
    part = network.subnetwork(selected, network.heads[0])
    for layer, ins in zip(network.whole(network.heads[0]).layers, selected, strict=True):
        layer.weight[:, ~torch.isin(torch.arange(layer.inputs), ins)] = 0
    torch.testing.assert_close(part(x[:, selected[0]]), network.whole(network.heads[0])(x))


SPLIT = [torch.tensor(units) for units in ([0, 4], [1], [0, 3])]
Wiring = Callable[[Layer, Tensor, Tensor, Layer], Layer]


def moved(
    forms: Forms, dtype: torch.dtype = torch.float64, keep: Sequence[Tensor] = ()
) -> tuple[Expandable, list[Layer]]:
    """Return a network that has grown and moved since it knew its first task, and its old layers."""
    *hidden, head = random_layers(*WIDTHS, 2, dtype=dtype, of=forms)
    network = Expandable([layer.copy() for layer in hidden])
    network.stamp(head)
    now = random_layers(WIDTHS[0], *(width + 2 for width in WIDTHS[1:]), seed=5, dtype=dtype, of=forms)
    for layer, old, units in zip(now, hidden, keep, strict=bool(keep)):
        stay = ~torch.isin(torch.arange(old.units), units)
        layer.weight[: old.units, : old.inputs][stay] = old.weight[stay]
        layer.bias[: old.units][stay] = old.bias[stay]
    network.hidden = now
    return network, hidden


def unfed(hidden: Sequence[Layer]) -> None:
    """Cut, in place, what unsplit units read from split ones."""
    for layer, below, units in zip(hidden[1:], SPLIT, SPLIT[1:], strict=False):
        unsplit = ~torch.isin(torch.arange(layer.units), units)
        layer.weight[unsplit.nonzero(), below] = 0


def test_old_answers_are_those_of_before_once_all_moved_units_are_split(forms: Forms, x: Tensor) -> None:
    network, before = moved(forms, torch.float32, keep=SPLIT)
    expected = Chain(before, network.heads[0])(x)
    network.duplicate(SPLIT, before, random_layers(WIDTHS[-1] + 2, 1)[0])
    assert torch.equal(network.slice(0)(x), expected)


def test_a_split_changes_no_argument(forms: Forms) -> None:
    network, before = moved(forms)
    now, kept = [layer.copy() for layer in network.hidden], [layer.copy() for layer in before]
    split_layer(network.hidden[1], SPLIT[1], SPLIT[0], before[1])
    for layers, copies in ((network.hidden, now), (before, kept)):
        assert all(torch.equal(a.weight, b.weight) for a, b in zip(layers, copies, strict=True))


def double_counting(layer: Layer, split: Tensor, below: Tensor, before: Layer) -> Layer:
    """Wire a split as a literal reading would: whoever reads a split input reads its copy as well, both in full."""
    single = split_layer(layer, split, below, before)
    weight = single.weight.clone()
    weight[:, layer.inputs :] = torch.cat([layer.weight, layer.weight[split]])[:, below]
    weight[layer.units :, below] = layer.weight[split][:, below]
    return Layer(weight, single.bias, layer.form)


@pytest.mark.parametrize(("wiring", "keeps"), [(split_layer, True), (double_counting, False)])
def test_a_split_keeps_the_present_answers_where_it_can(
    wiring: Wiring, keeps: bool, forms: Forms, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expandable, "split_layer", wiring)
    network, before = moved(forms)
    unfed(before)
    head = random_layers(WIDTHS[-1] + 2, 1, dtype=torch.float64)[0]
    present = network.whole(head)(x.double())
    after = network.whole(network.duplicate(SPLIT, before, head))(x.double())
    assert torch.allclose(after, present, rtol=0, atol=1e-10) is keeps


@pytest.mark.parametrize(("wiring", "times"), [(split_layer, 1), (double_counting, 2)])
def test_an_unsplit_old_units_two_edges_sum_to_the_present_one(wiring: Wiring, times: int, forms: Forms) -> None:
    network, before = moved(forms, keep=SPLIT)
    now, below, split = network.hidden[1], SPLIT[0], SPLIT[1]
    after = wiring(now, split, below, before[1])
    unsplit = ~torch.isin(torch.arange(before[1].units), split)
    edges = after.weight[: before[1].units][unsplit]
    torch.testing.assert_close(
        edges[:, below] + edges[:, now.inputs :], times * now.weight[: before[1].units][unsplit][:, below]
    )


def test_copies_and_newcomers_read_copies_alone_and_originals_nothing_newer(forms: Forms) -> None:
    network, before = moved(forms)
    now, below, split = network.hidden[1], SPLIT[0], SPLIT[1]
    after = split_layer(now, split, below, before[1])
    young = after.weight[before[1].units :]
    assert not young[:, below].any()
    assert torch.equal(young[:, now.inputs :], torch.cat([now.weight[before[1].units :], now.weight[split]])[:, below])
    assert torch.equal(after.weight[split][:, : before[1].inputs], before[1].weight[split])
    assert not after.weight[split][:, before[1].inputs :].any()
    assert torch.equal(after.bias[split], before[1].bias[split])
    assert torch.equal(after.bias[now.units :], now.bias[split])


def test_no_split_changes_nothing(forms: Forms) -> None:
    network, before = moved(forms, keep=[torch.tensor([], dtype=torch.long)] * 3)
    now = [layer.copy() for layer in network.hidden]
    network.duplicate([torch.tensor([], dtype=torch.long)] * 3, before, network.heads[0])
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(network.hidden, now, strict=True))


def test_moved_edges_leave_their_place() -> None:
    moved_edges = move_edges(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1]))
    assert moved_edges.tolist() == [[1.0, 0.0, 3.0, 2.0]]


def test_a_slice_shares_nothing_with_the_network(network: Expandable, x: Tensor) -> None:
    before = network.slice(0)(x)
    network.slice(0).hidden[0].weight.zero_()
    assert torch.equal(network.slice(0)(x), before)
    assert all(layer.weight.is_contiguous() for layer in network.slice(0).layers)
