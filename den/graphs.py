"""Training steps on a GPU: launched kernel by kernel at first, captured as a CUDA graph, and replayed from then on.

The paper's networks are so small that a GPU waits longer for a step's kernels than it takes to run them. A replay
launches all of them at once, and nothing in it waits for the GPU.
"""

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

WARM_UP = 3  # steps until libraries have their workspaces and the optimiser its state, both outside the graph

Rate = float | Tensor  # a learning rate: a number would be captured with the step and stay what it was
Step = Callable[[Tensor, Rate, Rate], Tensor]
Replay = Callable[[], Tensor]


def launched(step: Step, batch: int, device: torch.device) -> Step:
    """Return the step as the device takes it best: replayed on a GPU, elsewhere as it is. `batch`: the rows of each."""
    return Replayed(step, batch, device) if device.type == "cuda" else step


class Replayed:
    """A step of training that is captured once it is warm. It reads rows and rates where they were then."""

    def __init__(self, step: Step, batch: int, device: torch.device) -> None:
        self.rows = torch.zeros(batch, dtype=torch.long, device=device)
        self.rates = torch.zeros((), device=device), torch.zeros((), device=device)
        self.as_it_is = step
        self.step: Replay = partial(step, self.rows, *self.rates)
        self.taken = 0

    def __call__(self, rows: Tensor, *rates: Rate) -> Tensor:
        """Take a step; return its loss."""
        for kept, rate in zip(self.rates, rates, strict=True):
            kept.fill_(rate)
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
    """Take a step on the stream that it will be captured on."""
    stream = side()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        loss = step()
    torch.cuda.current_stream().wait_stream(stream)
    return loss


@cache
def side() -> torch.cuda.Stream:
    """Return the one stream for all captures: libraries keep a workspace for every stream that they have seen."""
    return torch.cuda.Stream()


class Captured:
    """A step as a graph; capturing runs nothing. Each replay overwrites the loss of the one before.

    The step is kept: a graph keeps none of the tensors alive that it reads and writes.
    """

    def __init__(self, step: Replay) -> None:
        self.step, self.graph = step, torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=side()):
            self.loss = step()

    def __call__(self) -> Tensor:
        """Replay the step; return its loss."""
        self.graph.replay()
        return self.loss
