"""What a training step costs beside the matrix products it is made of: python benchmarks/step.py

784-312-128-10, batch 256, one thread; both sides in alternation in one process, medians of the repeats.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from den.config import Training
from den.methods.den import weights
from den.networks.layers import Chain, stack
from den.penalties import L1, L2, Drift, Penalty
from den.tasks import Split
from den.training import fit

SIZES, BATCH, STEPS, REPEATS = (784, 312, 128, 10), 256, 100, 15


def products(x: Tensor, layers: list[Tensor]) -> Callable[[], None]:
    """Return the bare matrix products of one step: forwards, weight gradients, and input gradients but the first."""
    activations = [x, *(torch.rand(BATCH, units) for units in SIZES[1:])]

    def once() -> None:
        for weight, below, above in zip(layers, activations, activations[1:], strict=False):
            torch.mm(below, weight.T)
            torch.mm(above.T, below)
        for weight, above in zip(layers[1:], activations[2:], strict=True):
            torch.mm(above, weight)

    return once


def seconds_a_step(run: Callable[[], object]) -> float:
    """Return the seconds of one of STEPS steps."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Print milliseconds a step and ratios to the matrix products."""
    torch.set_num_threads(1)
    generator = Generator().manual_seed(0)
    split = Split(
        torch.randint(0, 256, (10_000, 784), generator=generator, dtype=torch.uint8),
        torch.randint(0, 2, (10_000, 10), generator=generator, dtype=torch.uint8),
    )
    layers = stack(SIZES, "glorot", generator)
    chain = Chain(layers[:-1], layers[-1])
    before = [tensor.clone() for tensor in chain.parameters()]
    floor = products(torch.rand(BATCH, 784), [layer.weight for layer in layers])
    variants: dict[str, list[Penalty]] = {
        "fine-tuning step": [],
        "L2 step": [Drift(chain.parameters(), before, 1.0)],
        "sparse step (L1, decay)": [L1(weights(chain), 1e-3), L2(weights(chain), 1e-3)],
    }
    times: dict[str, list[float]] = {"matrix products": [], **{name: [] for name in variants}}
    for _ in range(REPEATS + 1):
        times["matrix products"].append(seconds_a_step(lambda: [floor() for _ in range(STEPS)]))
        for name, penalties in variants.items():
            training = Training(steps=STEPS, batch_size=BATCH)
            times[name].append(seconds_a_step(lambda p=penalties, t=training: fit(chain, split, t, generator, p)))
    medians = {name: statistics.median(found[1:]) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:26}{1000 * median:8.2f} ms   {median / medians['matrix products']:.2f} x the matrix products")


if __name__ == "__main__":
    main()
