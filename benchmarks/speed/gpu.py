"""A training step of the same network on a GPU, replayed as a CUDA graph, beside one launched kernel by kernel."""

from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Generator

from benchmarks.speed import timing, training
from den.networks.layers import Chain, to

NOT_RUN = "torch sees no GPU here; docs/results.md has the numbers of one"
KERNELS, GRAPH, STEPS = "kernel by kernel", "replayed", 600


def rows(repeats: int) -> list[timing.Row]:
    """Return milliseconds a step, capturing included; nothing without a GPU."""
    if not torch.cuda.is_available():
        return []
    device, generator = torch.device("cuda"), Generator().manual_seed(0)
    split, made = training.examples(generator).to(device), training.network(generator)
    chain = Chain(to(made.hidden, device), *to([made.head], device))
    timed = []
    for name, penalties in training.penalised(chain).items():
        replayed = training.fitted(chain, split, generator, penalties, STEPS)
        kernels, graph = f"{name}, {KERNELS}", f"{name}, {GRAPH}"
        times = timing.alternated({kernels: by_kernels(replayed), graph: replayed}, repeats)
        timed += timing.beside(times, kernels, "ms", 1000 / STEPS, {graph: (kernels, 1 / 5)})
    return timed


def by_kernels(fitted: Callable[[], object]) -> Callable[[], object]:
    """Return the same training, no step of it replayed."""
    return patch("den.training.launched", lambda step, *_: step)(fitted)
