"""What a method keeps, in bytes: to answer, and to go on learning.

Kept is what cannot be computed again from the rest. Activations do not count, nor does an optimiser's state, unless
it is kept from task to task.
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
    """Bytes that a method keeps: to answer, and in addition to go on learning."""

    answer: int = 0
    learn: int = 0

    def most(self, other: "Kept") -> "Kept":
        """Return the larger of both, each kind for itself."""
        return Kept(max(self.answer, other.answer), max(self.learn, other.learn))


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
    """Return the bytes of the tasks' training examples and targets: 1 per number of uint8, 4 of float32."""
    return size(tensor for task in tasks for tensor in (task.train.x, task.train.y))
