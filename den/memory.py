"""The memory of a method in bytes: what it keeps to answer, and what it keeps in addition to learn further tasks.

A tensor counts if it cannot be recomputed from the others. Activations do not count. An optimiser's state counts only
if it is kept from task to task.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from den.networks.layers import Layer
from den.tasks import Task

WORD = 4  # bytes per width of a stamp


@dataclass(frozen=True)
class Kept:
    """Bytes that a method keeps: to answer, and in addition to learn further tasks."""

    answer: int = 0
    learn: int = 0

    def most(self, kept: "Kept") -> "Kept":
        """Return the larger number of bytes of each kind."""
        return Kept(max(self.answer, kept.answer), max(self.learn, kept.learn))


def size(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors; a mask takes one bit per entry, rounded up to whole bytes."""
    return sum(
        (tensor.numel() + 7) // 8 if tensor.dtype == torch.bool else tensor.numel() * tensor.element_size()
        for tensor in tensors
    )


def of_layers(layers: Iterable[Layer]) -> int:
    """Return the bytes of the layers' weights and biases."""
    return size(tensor for layer in layers for tensor in layer.parameters())


def of_data(tasks: Iterable[Task]) -> int:
    """Return the bytes of the tasks' training examples and targets: 1 per uint8 number, 4 per float32 number."""
    return size(tensor for task in tasks for tensor in (task.train.x, task.train.y))
