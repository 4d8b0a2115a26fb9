"""A plan says what the network will be: its shapes, its weights and what an answer costs."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import inputs
from torch import Generator

from den.config import Convolution, Network, SettingsError, read
from den.networks.blueprint import Blueprint
from den.networks.forms import DENSE, Form

COLOURED = (3, 32, 32)


def convolutions(*filters: tuple[int, int]) -> tuple[Convolution, ...]:
    """Return convolutions of so many channels and so much pooling each."""
    return tuple(Convolution(channels=channels, kernel=5, pooling=pooling) for channels, pooling in filters)


LENET = Network(convolutions=convolutions((20, 2), (50, 2)), widths=(800, 500))
ALEXNET = Network(convolutions=convolutions((64, 2), (128, 2), (256, 1), (256, 1), (128, 2)), widths=(384, 192))

# channels read, channels, positions of an answer; then units read, units
PAPERS = {
    "LeNet": (LENET, 5, [(3, 20, 32**2), (20, 50, 16**2)], [(50 * 8**2, 800), (800, 500), (500, 5)]),
    "AlexNet": (
        ALEXNET,
        10,
        [(3, 64, 32**2), (64, 128, 16**2), (128, 256, 8**2), (256, 256, 8**2), (256, 128, 8**2)],
        [(128 * 4**2, 384), (384, 192), (192, 10)],
    ),
}
TOTALS = {"LeNet": (2_989_000, 10_898_500), "AlexNet": (4_348_480, 267_921_280)}


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_networks_are_counted_as_by_hand(name: str) -> None:
    network, outputs, filters, dense = PAPERS[name]
    plan = Blueprint.of(network, COLOURED)
    flat = sum(read * units for read, units in dense)
    weights = 25 * sum(read * channels for read, channels, _ in filters) + flat
    multiplications = 25 * sum(read * channels * positions for read, channels, positions in filters) + flat
    assert plan.weights(outputs) == weights == TOTALS[name][0]
    assert plan.multiplications(outputs) == multiplications == TOTALS[name][1]


@pytest.mark.parametrize("network", [LENET, ALEXNET], ids=["LeNet", "AlexNet"])
def test_the_papers_networks_read_images(network: Network) -> None:
    x = inputs(2, *COLOURED)
    for layer in Blueprint.of(network, COLOURED).layers(network, Generator().manual_seed(0)):
        x = layer(x).relu()
    assert x.shape == (2, network.widths[-1])
    assert x.any()


@st.composite
def planned(draw: st.DrawFn) -> tuple[Network, tuple[int, ...]]:
    """Return a network, and the shape of an example that it can read."""
    side = left = draw(st.integers(1, 9))
    filters = []
    for _ in range(draw(st.integers(0, 3))):
        pooling = draw(st.integers(1, left))
        filters.append(
            Convolution(channels=draw(st.integers(1, 4)), kernel=draw(st.sampled_from([1, 3, 5])), pooling=pooling)
        )
        left //= pooling
    widths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    image = (side, side) if filters or draw(st.booleans()) else ()
    return Network(convolutions=tuple(filters), widths=tuple(widths)), (draw(st.integers(1, 3)), *image)


@settings(max_examples=60, deadline=None)
@given(planned(), st.integers(1, 4))
def test_a_plan_counts_what_it_builds(asked: tuple[Network, tuple[int, ...]], outputs: int) -> None:
    network, shape = asked
    plan = Blueprint.of(network, shape)
    layers = plan.layers(network, Generator().manual_seed(0))
    x, head = inputs(3, *shape), outputs * network.widths[-1]
    for layer in layers:
        x = layer(x)
        assert x.shape == (3, layer.units, *layer.form.image)
    assert tuple(layer.units for layer in layers) == plan.widths
    assert plan.weights(outputs) == sum(layer.weight.numel() for layer in layers) + head
    assert plan.multiplications(outputs) == sum(layer.multiplications for layer in layers) + head


@settings(max_examples=20, deadline=None)
@given(planned(), st.floats(0.01, 1))
def test_a_narrowed_plan_has_fewer_units_of_the_same_forms(
    asked: tuple[Network, tuple[int, ...]], factor: float
) -> None:
    plan = Blueprint.of(*asked)
    narrow = plan.narrowed(factor)
    assert (narrow.inputs, narrow.forms) == (plan.inputs, plan.forms)
    assert all(1 <= few <= many for few, many in zip(narrow.widths, plan.widths, strict=True))
    assert narrow.weights(1) <= plan.weights(1)


def test_a_dense_network_reads_features_one_by_one_and_images_by_channel() -> None:
    network = Network(widths=(8, 6))
    assert Blueprint.of(network, (48,)).forms == (DENSE, DENSE)
    assert Blueprint.of(network, (3, 4, 4)).forms == (Form((16,)), DENSE)
    assert Blueprint.of(network, (48,)).weights(1) == Blueprint.of(network, (3, 4, 4)).weights(1)


@pytest.mark.parametrize(
    ("network", "shape", "said"),
    [
        (LENET, (784,), r"^network\.convolutions\.0: .* not images; leave network\.convolutions empty$"),
        (LENET, (3, 32, 30), r"^network\.convolutions\.0: reads square images, not 32 × 30$"),
        (LENET, (1, 2, 2), r"^network\.convolutions\.1\.pooling: 2 × 2 leaves nothing of 1 × 1 pixels$"),
        (ALEXNET, (3, 7, 7), r"^network\.convolutions\.4\.pooling: 2 × 2 leaves nothing of 1 × 1 pixels$"),
    ],
)
def test_what_cannot_be_built_is_refused_by_its_key(network: Network, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Blueprint.of(network, shape)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"channels": 3, "kernel": 4}, r"^network\.convolutions\.0\.kernel: .*odd number, not 4"),
        ({"channels": 0}, r"^network\.convolutions\.0\.channels: .*greater than 0"),
        ({"channels": 3, "pooling": 0}, r"^network\.convolutions\.0\.pooling: .*greater than 0"),
        ({"kernel": 3}, r"^network\.convolutions\.0\.channels: missing"),
        ([3, 5], r"^network\.convolutions\.0"),
    ],
)
def test_a_convolution_that_is_none_is_refused_by_its_key(given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(Network, {"convolutions": [given]}, "network")
