"""Training steps on a GPU: launched kernel by kernel at first, captured as a CUDA graph, and replayed from then on.

The paper's networks are so small that a GPU waits longer for a step's kernels than it takes to run them. A replay
launches all of them at once, and nothing in it waits for the GPU.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

WARM_UP = 3  # steps until libraries have their workspaces and the optimiser its state, both outside the graph

Rate = float | Tensor  # a learning rate: a number would be captured with the step and stay what it was
Step = Callable[[Tensor, Rate], Tensor]
Replay = Callable[[], Tensor]


def launched(step: Step, batch: int, device: torch.device) -> Step:
    """Return the step as the device takes it best: replayed on a GPU, elsewhere as it is. `batch`: the rows of each."""
    return Replayed(step, batch, device) if device.type == "cuda" else step


class Replayed:
    """A step of training that is captured once it is warm. It reads rows and learning rate where they were then."""

    def __init__(self, step: Step, batch: int, device: torch.device) -> None:
        self.rows = torch.zeros(batch, dtype=torch.long, device=device)
        self.rate = torch.zeros((), device=device)
        self.step: Replay = partial(step, self.rows, self.rate)
        self.warm = 0

    def __call__(self, rows: Tensor, rate: Rate) -> Tensor:
        """Take a step; return its loss."""
        self.rows.copy_(rows)
        self.rate.fill_(rate)
        self.warm += 1
        if self.warm <= WARM_UP:
            return aside(self.step)
        if self.warm == WARM_UP + 1:
            self.step = capture(self.step)
        return self.step().clone()


def aside(step: Replay) -> Tensor:
    """Take a step on a stream of its own, as capturing will."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        loss = step()
    torch.cuda.current_stream().wait_stream(stream)
    return loss


def capture(step: Replay) -> Replay:
    """Return the step as a graph; capturing runs nothing. Each replay overwrites the loss of the one before."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def replay() -> Tensor:
        graph.replay()
        return loss

    return replay
