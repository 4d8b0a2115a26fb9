"""What a method is: the protocol between learning algorithms and the harness."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Generator, Tensor

from den.capacity import base_weights, flops, nonzero, weights
from den.config import Network, Params, SettingsError, Training
from den.networks.layers import Layer
from den.tasks import Task
from den.training import device_of


class Measure(NamedTuple):
    """One number about a method: of a layer (0 for the inputs, 1 for the first hidden layer) or of the whole."""

    measure: str
    value: float
    layer: int | None = None


Measures = list[Measure]
StageRun = Callable[[Task, Generator], Measures]


class Stage(NamedTuple):
    """One named step of learning a task; `run` trains and returns what it measured."""

    name: str
    run: StageRun


class State(NamedTuple):
    """All that a method has learned: tensors, and plain values that JSON can hold."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """What a method is told before the first task."""

    features: int
    classes: int
    tasks: int
    network: Network
    training: Training
    seed: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs and hidden widths of the base network."""
        return (self.features, *self.network.widths)

    @property
    def base_weights(self) -> int:
        return base_weights(self.features, self.network.widths, self.classes)

    @property
    def device(self) -> torch.device:
        return device_of(self.training)


class Method(ABC):
    """A learning algorithm: six verbs, and the parameters it takes."""

    accepts: ClassVar[type[Params]]
    heads: ClassVar[tuple[str, ...]] = ("per_task", "one")

    @classmethod
    def refuse(cls, network: Network) -> None:
        """Raise SettingsError for a network that the method cannot work with."""
        if network.heads not in cls.heads:
            raise SettingsError(f"network.heads: {cls.__name__} needs {' or '.join(cls.heads)}, not {network.heads}")

    @classmethod
    @abstractmethod
    def build(cls, params: Any, problem: Problem, generator: Generator) -> Self:
        """Return the untrained method."""

    @abstractmethod
    def stages(self, task: Task) -> Iterator[Stage]:
        """Yield the stages of learning `task`, lazily: a later one may depend on what an earlier one found.

        Called once a task, in order, also for tasks whose stages are already behind a checkpoint.
        """

    @abstractmethod
    def predict(self, x: Tensor, task_id: int) -> Tensor | None:
        """Return class scores (examples, outputs), larger for likelier; None where the method has no answer yet."""

    @abstractmethod
    def measure(self) -> Measures:
        """Return what the figures need of the present network."""

    @abstractmethod
    def state(self) -> State:
        """Return all that has been learned."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Become what `state()` returned."""


def sizes_and_costs(problem: Problem, hidden: Sequence[Layer], heads: Sequence[Layer], an_answer: float) -> Measures:
    """Return units a layer, weights, non-zero weights, capacity and operations an example.

    an_answer: weights in use for the answer to one task.
    """
    tensors = [layer.weight for layer in (*hidden, *heads)]
    total = weights(tensors)
    return [
        *(Measure("units", layer.units, index) for index, layer in enumerate(hidden, start=1)),
        Measure("weights", total),
        Measure("nonzero", nonzero(tensors)),
        Measure("capacity", total / problem.base_weights),
        Measure("flops", flops(round(an_answer))),
    ]


def pack(prefix: str, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Return the layers' tensors under names that `unpack` understands."""
    named = {}
    for index, layer in enumerate(layers):
        named[f"{prefix}.{index}.weight"], named[f"{prefix}.{index}.bias"] = layer.weight, layer.bias
    return named


def unpack(prefix: str, tensors: Mapping[str, Tensor]) -> list[Layer]:
    """Return the layers that `pack` put under `prefix`."""
    count = sum(name.startswith(f"{prefix}.") and name.endswith(".weight") for name in tensors)
    return [Layer(tensors[f"{prefix}.{i}.weight"], tensors[f"{prefix}.{i}.bias"]) for i in range(count)]
