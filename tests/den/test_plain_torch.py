"""Networks as other papers have them: what settings make of a network is what plain PyTorch makes of it."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from small import (
    CONVOLUTIONAL,
    LIVELY,
    NETWORK,
    PARAMS,
    TRAINING,
    Source,
    build,
    learn,
    most_on_either,
    permuted,
    random_layers,
    stream,
)
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from den import measures
from den.config import Network
from den.harness import generator_for
from den.methods import METHODS
from den.methods.base import Method
from den.methods.den import Den
from den.methods.finetune import Finetune
from den.methods.joint import Joint
from den.methods.single_task import SingleTask
from den.networks.blueprint import Blueprint
from den.networks.columns import new_column
from den.networks.expandable import Expandable
from den.networks.forms import DENSE, Convolution, Form
from den.networks.layers import Layer, fresh
from den.tasks import Examples, Stream

MODULES = {
    "dense": (DENSE, nn.Linear, (7, 5), {}),
    "many inputs": (DENSE, nn.Linear, (784, 312), {}),
    "positions": (Form((9,)), nn.Linear, (7 * 9, 5), {}),
    "convolution": (Convolution((3, 3), 8), nn.Conv2d, (7, 5), {"kernel_size": 3}),
}
SURGERY = {measures.KEPT_UNITS, measures.SPLIT_UNITS}
TORCH = NETWORK.model_copy(update={"init": "torch"})


@pytest.fixture(autouse=True)
def own_default_generator() -> Iterator[None]:
    """Leave the default generator, which torch's modules draw from, as it was."""
    with torch.random.fork_rng():
        yield


def as_default(generator: Generator) -> None:
    """Have torch's modules draw what the generator would."""
    torch.manual_seed(generator.initial_seed())


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_torch_draws_a_layer_as_its_own_module(name: str, seed: int) -> None:
    form, kind, (inputs, units), about = MODULES[name]
    torch.manual_seed(seed)
    module = kind(inputs, units, **about)
    layer = fresh(units, inputs if form.kernel != (9,) else 7, TORCH, Generator().manual_seed(seed), form)
    assert torch.equal(layer.weight.flatten(), module.weight.detach().flatten())
    assert torch.equal(layer.bias, module.bias.detach())


def within(values: Tensor, reads: int) -> bool:
    """Say whether values fill the limit of units that read so many numbers."""
    limit = reads**-0.5
    return bool(0.5 * limit < values.abs().max() <= limit) and bool((values != 0).all())


def test_new_units_and_what_reads_them_are_drawn_with_the_limit_of_the_grown_layer() -> None:
    *hidden, head = random_layers(20, 30, 10, 2)
    grown = Expandable(hidden).extension(head, (40, 40), TORCH, Generator().manual_seed(0))
    for layer, reads in zip(grown.layers, (20, 30 + 40, 10 + 40), strict=True):
        assert all(within(tensor, reads) for tensor in layer.parameters() if tensor.numel())
    assert len(grown.hidden[1].bias) == 40


def test_a_column_is_drawn_with_the_limit_of_all_that_it_reads() -> None:
    plan, generator = Blueprint.of(Network(widths=(30, 20)), (50,)), Generator().manual_seed(0)
    first = new_column([], plan, 10, TORCH, generator)
    second = new_column([first], plan, 10, TORCH, generator)
    for column, sizes in ((first, (50, 30, 20)), (second, (50, 60, 40))):
        for layer, reads in zip(column.layers, sizes, strict=True):
            assert within(layer.weight, reads) and within(layer.bias, reads)


def modules(sizes: tuple[int, ...], bias: bool) -> nn.Sequential:
    """Return linear layers, each with a rectifier behind it."""
    return nn.Sequential(*(one for ends in pairwise(sizes) for one in (nn.Linear(*ends, bias), nn.ReLU())))


def taught(on: Stream, seed: int, bias: bool) -> list[Tensor]:
    """Return the parameters of a plain network after training on task after task, a head for each."""
    as_default(generator_for(seed, -1, "build"))
    trunk, heads = modules((*on.shape, *NETWORK.widths), bias), []
    for task in on:
        as_default(generator_for(seed, task.id, "train"))
        heads.append(nn.Linear(NETWORK.widths[-1], task.outputs, bias))
        train(nn.Sequential(trunk, heads[-1]), task.train)
    return [tensor.detach() for module in (trunk, *heads) for tensor in module.parameters()]


def train(network: nn.Module, split: Examples) -> None:
    """Train by Adam, in batches drawn by the default generator, the learning rate falling to zero."""
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    an_epoch = len(split) // TRAINING.batch_size
    steps = an_epoch * TRAINING.epochs
    for epoch in range(TRAINING.epochs):
        order = torch.randperm(len(split))
        for number, rows in enumerate(order.split(TRAINING.batch_size)[:an_epoch], start=epoch * an_epoch):
            optimizer.param_groups[0]["lr"] = TRAINING.learning_rate * (1 - number / steps)
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(network(split.inputs(rows)), split.targets(rows)).backward()
            optimizer.step()


@pytest.mark.parametrize("source", [stream, permuted])
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("seed", [0, 1])
def test_finetuning_from_torchs_own_weights_is_a_plain_loop_to_the_bit(source: Source, bias: bool, seed: int) -> None:
    method, _ = learn("finetune", source(), seed, network=TORCH.model_copy(update={"bias": bias}))
    learned = [tensor for layer in layers_of(method) for tensor in layer.parameters()]
    expected = taught(source(), seed, bias)
    assert len(learned) == len(expected) == (2 if bias else 1) * (2 + 3)
    assert all(map(torch.equal, learned, expected))


def layers_of(method: Method) -> list[Layer]:
    """Return all layers that a method has learned."""
    if isinstance(method, SingleTask):
        return [layer for chain in method.networks for layer in chain.layers]
    assert isinstance(method, Finetune | Joint | Den)
    return [*method.network.hidden, *method.network.heads]


@most_on_either
def test_no_method_gives_a_bias_to_a_network_without(kind: str, source: Source) -> None:
    base = NETWORK if source is stream else CONVOLUTIONAL
    network = base.model_copy(update={"bias": False, "init": "torch"})
    params = PARAMS.get(kind, LIVELY if issubclass(METHODS[kind], Den) else {})
    method, result = learn(kind, source(), params=params, network=network)
    again = build(kind, source(), seed=1, params=params, network=network)
    again.restore(method.state())
    for layer in (*layers_of(method), *layers_of(again)):
        assert not layer.biased and len(layer.bias) == layer.units and not layer.bias.any()
    assert not any(name.endswith("bias") for name in method.state().tensors)
    if kind == "den":
        done = {row["measure"]: row["value"] for row in result.measures if row["measure"] in SURGERY and row["value"]}
        assert done.keys() == SURGERY
