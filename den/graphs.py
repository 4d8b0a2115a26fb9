"""Training steps on a GPU: the first ones launch single kernels, one is captured as a CUDA graph, the rest replay it.

The paper's networks are so small that launching a step's kernels takes longer than running them. A replay launches
all of them at once, and never waits for the GPU.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

WARM_UP = 3  # steps in which libraries allocate workspaces and the optimiser its state, outside of the graph

Rate = float | Tensor  # a learning rate: in a graph a tensor, since a captured number would never change
Step = Callable[[Tensor, Rate, Rate], Tensor]
Replay = Callable[[], Tensor]


def launched(step: Step, batch: int, device: torch.device) -> Step:
    """Return the step for the device: replayed from a graph on a GPU, unchanged elsewhere.

    batch: the number of rows that a step takes.
    """
    return Replayed(step, batch, device) if device.type == "cuda" else step


class Replayed:
    """A training step that is captured after the warm-up; it reads rows and rates from tensors of its own."""

    def __init__(self, step: Step, batch: int, device: torch.device) -> None:
        self.rows = torch.zeros(batch, dtype=torch.long, device=device)
        self.rates = torch.zeros((), device=device), torch.zeros((), device=device)
        self.as_it_is = step
        self.step: Replay = partial(step, self.rows, *self.rates)
        self.taken = 0

    def __call__(self, rows: Tensor, *rates: Rate) -> Tensor:
        """Take a step; return its loss. rows: (batch,) or fewer, int64. rates: learning rates."""
        for target, rate in zip(self.rates, rates, strict=True):
            target.fill_(rate)
        if len(rows) != len(self.rows):  # the last batch of a pass
            return aside(partial(self.as_it_is, rows, *self.rates))
        self.rows.copy_(rows)
        self.taken += 1
        if self.taken <= WARM_UP:
            return aside(self.step)
        if self.taken == WARM_UP + 1:
            self.step = Captured(self.step)
        return self.step().clone()


def aside(step: Replay) -> Tensor:
    """Take a step on the CUDA stream on which it will be captured."""
    stream = side()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        loss = step()
    torch.cuda.current_stream().wait_stream(stream)
    return loss


@cache
def side() -> torch.cuda.Stream:
    """Return the CUDA stream of all captures. One suffices, and libraries keep a workspace for each stream they see."""
    return torch.cuda.Stream()


class Captured:
    """A step as a CUDA graph. Capturing runs nothing. Each replay overwrites the loss of the previous one.

    The object holds the step, because a graph does not keep the tensors alive that it reads and writes.
    """

    def __init__(self, step: Replay) -> None:
        self.step, self.graph = step, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=side()):
            self.loss = step()

    def __call__(self) -> Tensor:
        """Replay the step; return its loss."""
        self.graph.replay()
        return self.loss
