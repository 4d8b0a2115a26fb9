"""Examples, tasks and streams: the data that methods learn from and are tested on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Scale = float | Tensor
"One number for all features, or one per feature: (features,) float32."


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples and their targets: the training, validation or test data of a task.

    x: (examples, features), or images (examples, channels, height, width), uint8 or float32.
    y: (examples, outputs), uint8, 1 where the class is present.
    A network receives (x - mean) / deviation; the default scales pixels to [0, 1].
    """

    x: Tensor
    y: Tensor
    mean: Scale = 0.0
    deviation: Scale = 255.0

    def __len__(self) -> int:
        return len(self.y)

    def inputs(self, rows: Tensor | slice) -> Tensor:
        """Return the inputs of a network for the given rows: normalised, float32, in the shape of x."""
        x = _pick(self.x, rows)
        return (x - self.mean if isinstance(self.mean, Tensor) or self.mean else x) / self.deviation

    def targets(self, rows: Tensor | slice) -> Tensor:
        """Return the targets of the given rows: (rows, outputs) float32."""
        return _pick(self.y, rows)

    def features(self, chosen: Tensor) -> "Examples":
        """Return the examples with only the chosen features, or channels of images. chosen: ascending, int64."""
        if len(chosen) == self.x.shape[1]:
            return self
        return replace(self, x=self.x[:, chosen], mean=_at(self.mean, chosen), deviation=_at(self.deviation, chosen))

    def to(self, device: torch.device) -> "Examples":
        """Return the examples on `device`."""
        mean, deviation = _on(self.mean, device), _on(self.deviation, device)
        return replace(self, x=self.x.to(device), y=self.y.to(device), mean=mean, deviation=deviation)


@dataclass(frozen=True, eq=False)
class Task:
    """One task as a method sees it, without test data. `id` counts from 0."""

    id: int
    train: Examples
    validation: Examples

    @property
    def outputs(self) -> int:
        """The number of the task's outputs; each separates one class from the rest."""
        return self.train.y.shape[1]

    def to(self, device: torch.device) -> "Task":
        """Return the task on `device`."""
        return Task(self.id, self.train.to(device), self.validation.to(device))


@dataclass(frozen=True, eq=False)
class Stream:
    """A sequence of tasks, and apart from them their test data.

    shape: of one example, (features,) or (channels, height, width). classes: the number of outputs of the base
    network, whose weights are the denominator of capacity.
    """

    name: str
    shape: tuple[int, ...]
    classes: int
    tasks: Sequence[Task]
    tests: Sequence[Examples]

    @property
    def features(self) -> int:
        """The number of values in one example."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)


def _pick(tensor: Tensor, rows: Tensor | slice) -> Tensor:
    chosen = tensor[rows] if isinstance(rows, slice) else tensor.index_select(0, rows)  # 20 times quicker than [rows]
    return chosen.to(torch.float32)


def _at(scale: Scale, chosen: Tensor) -> Scale:
    return scale[chosen] if isinstance(scale, Tensor) else scale


def _on(scale: Scale, device: torch.device) -> Scale:
    return scale.to(device) if isinstance(scale, Tensor) else scale
