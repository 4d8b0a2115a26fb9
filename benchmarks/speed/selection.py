"""A step of selective retraining beside a step of the whole network, over the share of units selected."""

from collections.abc import Callable

import torch
from torch import Generator

from benchmarks.speed import timing, training
from den.config import Training
from den.networks.layers import Chain
from den.tasks import Examples
from den.training import fit

WHOLE = "the whole network"
PAPER = (134, 68)  # of 312 and 128 units, what the paper's tasks select
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)


def rows(repeats: int) -> list[timing.Row]:
    """Return milliseconds a step: the paper's selections, and a curve of shares with all inputs."""
    generator = Generator().manual_seed(0)
    split, chain = training.examples(generator), training.network(generator)
    inputs, *widths = training.SIZES[:-1]
    selections = {
        "134 of 312, 68 of 128 units, all inputs": (inputs, *PAPER),
        "the same, half of the inputs": (inputs // 2, *PAPER),
        **{f"{share:.0%} of all units, all inputs": (inputs, *(round(share * w) for w in widths)) for share in SHARES},
    }
    runs = {WHOLE: step(chain, split, generator)}
    runs |= {name: step(*part(chain, split, counts), generator) for name, counts in selections.items()}
    bars = dict(zip(selections, ((WHOLE, 0.55), (WHOLE, 0.38)), strict=False))
    return timing.beside(timing.alternated(runs, repeats), WHOLE, "ms", 1000 / training.STEPS, bars)


def part(chain: Chain, split: Examples, counts: tuple[int, ...]) -> tuple[Chain, Examples]:
    """Return the sub-network of so many inputs and units a layer, and the examples as it takes them."""
    chosen = [torch.arange(count) for count in counts]
    hidden = [
        layer.part(units, below) for layer, below, units in zip(chain.hidden, chosen, chosen[1:], strict=False)
    ]  # fmt: skip
    return Chain(hidden, chain.head.part(slice(None), chosen[-1])), split.features(chosen[0])


def step(chain: Chain, split: Examples, generator: Generator) -> Callable[[], object]:
    """Return what takes the steps."""
    learned = Training(steps=training.STEPS, batch_size=training.BATCH)
    return lambda: fit(chain, split, learned, generator)
