"""A training step of the 784-312-128-10 network, batch 256, beside the matrix products it is made of."""

from collections.abc import Callable
from itertools import islice

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.speed import timing
from den.config import Network, Training
from den.networks.blueprint import Blueprint
from den.networks.layers import Chain, fresh
from den.penalties import L1, L2, Drift, Fisher, GroupLasso, Penalty, Within
from den.tasks import Examples
from den.training import fit

SIZES, BATCH, STEPS, EXAMPLES = (784, 312, 128, 10), 256, 60, 10_000
FLOOR, PLAIN, STEP = "the bare matrix products", "a plain PyTorch loop", "fine-tuning"


def rows(repeats: int) -> list[timing.Row]:
    """Return milliseconds a step."""
    generator = Generator().manual_seed(0)
    split, chain = examples(generator), network(generator)
    runs: dict[str, Callable[[], object]] = {
        FLOOR: products(split, [layer.weight for layer in chain.layers]),
        PLAIN: plain(split),
        **{name: fitted(chain, split, generator, penalties) for name, penalties in penalised(chain).items()},
    }
    bars = {
        STEP: (FLOOR, 1.25),
        "weight decay": (STEP, 1.15),
        "L2": (STEP, 1.15),
        "EWC": (STEP, 1.15),
        "L1 and weight decay": (STEP, 1.2),
        "Eq. 5, ten new units": (STEP, 1.2),
        "L1 and group lasso": (STEP, 1.2),
        "Eq. 6, units held": (STEP, 1.3),
    }
    return timing.beside(timing.alternated(runs, repeats), FLOOR, "ms", 1000 / STEPS, bars)


def examples(generator: Generator) -> Examples:
    """Return random images with random targets."""
    x = torch.randint(0, 256, (EXAMPLES, SIZES[0]), generator=generator, dtype=torch.uint8)
    return Examples(x, torch.randint(0, 2, (EXAMPLES, SIZES[-1]), generator=generator, dtype=torch.uint8))


def network(generator: Generator) -> Chain:
    """Return an untrained network."""
    features, *widths, outputs = SIZES
    network = Network(widths=tuple(widths))
    hidden = Blueprint.of(network, (features,)).layers(network, generator)
    return Chain(hidden, fresh(outputs, widths[-1], network, generator))


def penalised(chain: Chain) -> dict[str, list[Penalty]]:
    """Return the penalties of the steps that are timed."""
    tensors, weights = chain.parameters(), [layer.weight for layer in chain.layers]
    before = [tensor.clone() for tensor in tensors]
    new = [layer.weight[-10:] for layer in chain.hidden]
    none = torch.empty(0, dtype=torch.long)
    held = [Within((now.weight, now.bias), (now.copy().weight, now.copy().bias), none, 0.5) for now in chain.hidden]
    return {
        STEP: [],
        "weight decay": [L2(weights, 1e-6)],
        "L2": [Drift(tensors, before, 1e-3)],
        "EWC": [Fisher(tensors, before, [tensor.abs() for tensor in before], 1e-3)],
        "L1 and weight decay": [L1(weights, 1e-6), L2(weights, 1e-6)],
        "Eq. 5, ten new units": [L1(new, 1e-6), GroupLasso(new, 1e-6)],
        "L1 and group lasso": [L1(weights, 1e-6), GroupLasso(weights, 1e-6)],
        "Eq. 6, units held": [
            Drift(tensors, before, 1.0),
            *held,
        ],  # in a cell .2 % of units reach the surface at a step
    }


def fitted(
    chain: Chain, split: Examples, generator: Generator, penalties: list[Penalty], steps: int = STEPS
) -> Callable[[], object]:
    """Return what takes so many steps of the library's own loop."""
    training = Training(steps=steps, batch_size=BATCH)
    return lambda: fit(chain, split, training, generator, penalties)


def products(split: Examples, weights: list[Tensor]) -> Callable[[], None]:
    """Return the matrix products of STEPS steps: forwards, gradients of weights, and of all inputs but the first."""
    activations = [split.inputs(slice(BATCH)), *(torch.rand(BATCH, units) for units in SIZES[1:])]

    def run() -> None:
        for _ in range(STEPS):
            for weight, below, above in zip(weights, activations, activations[1:], strict=False):
                torch.mm(below, weight.T)
                torch.mm(above.T, below)
            for weight, above in zip(weights[1:], activations[2:], strict=True):
                torch.mm(above, weight)

    return run


def plain(split: Examples) -> Callable[[], None]:
    """Return STEPS steps as one writes them by hand: modules, float images in memory, a fused Adam."""
    layers = [part for a, b in zip(SIZES, SIZES[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = split.inputs(slice(None)), split.targets(slice(None))

    def run() -> None:
        for rows in islice(torch.randperm(len(x)).repeat(2).split(BATCH), STEPS):
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(model(x[rows]), y[rows]).backward()
            optimizer.step()

    return run
