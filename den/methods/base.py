"""The protocol between learning algorithms and the harness."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Generator, Tensor

from den import measures
from den.capacity import flops, nonzero, weights
from den.config import Network, Params, SettingsError, Training
from den.memory import Kept
from den.networks.blueprint import Blueprint
from den.networks.forms import DENSE, Convolution, Form
from den.networks.layers import Layer, to
from den.tasks import Task
from den.training import LOSSES, Loss, device_of


class Measure(NamedTuple):
    """One number about a method. layer: 0 for the inputs, 1 for the first hidden layer, None for the whole network."""

    measure: str
    value: float
    layer: int | None = None


Measures = list[Measure]
StageRun = Callable[[Task, Generator], Measures]


class Stage(NamedTuple):
    """One named step of learning a task. run: trains in place, and returns measures."""

    name: str
    run: StageRun


class State(NamedTuple):
    """Everything that a method has learned: tensors, and values that JSON can hold."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """What a method knows before the first task.

    shape: of one example. classes: the outputs of the base network. tasks: their number.
    """

    shape: tuple[int, ...]
    classes: int
    tasks: int
    network: Network
    training: Training
    seed: int

    def __post_init__(self) -> None:
        """Raise SettingsError if the network does not fit the examples."""
        _ = self.base

    @property
    def base(self) -> Blueprint:
        """The hidden layers of the base network."""
        return Blueprint.of(self.network, self.shape)

    @property
    def base_weights(self) -> int:
        """The number of weights of the base network: its hidden layers and a single output layer for all classes."""
        return self.base.weights(self.classes)

    def hidden(self, generator: Generator) -> list[Layer]:
        """Return the untrained hidden layers of a base network."""
        return to(self.base.layers(self.network, generator), self.device)

    @property
    def device(self) -> torch.device:
        """The device to train on. Raises SettingsError if it is a GPU and torch sees none."""
        return device_of(self.training)

    @property
    def loss(self) -> Loss:
        """The loss that stages minimise."""
        return LOSSES[self.training.loss]


class Method(ABC):
    """A learning algorithm: six operations, and the parameters that it accepts.

    accepts: the class of its parameters. heads: the values of network.heads that it supports.
    peak: the most memory that it has kept while learning. A method that calls `note` saves it in its state.
    """

    accepts: ClassVar[type[Params]]
    heads: ClassVar[tuple[str, ...]] = ("per_task", "one")
    keeps_moments: ClassVar[bool] = False
    "Whether tasks share parameters whose optimiser state can be kept."
    problem: Problem
    peak: Kept = Kept()

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
        """Yield the stages of learning `task` lazily, because a later one may depend on the outcome of an earlier one.

        It is called once per task, in order, also for tasks that a checkpoint has completed.
        """

    @abstractmethod
    def predict(self, x: Tensor, task_id: int) -> Tensor | None:
        """Return class scores (examples, outputs), float32; None if the method has no answer yet.

        A larger score means a likelier class. x: normalised inputs, float32. task_id: counts from 0.
        """

    @abstractmethod
    def measure(self) -> Measures:
        """Return the measures of the present network."""

    @abstractmethod
    def state(self) -> State:
        """Return everything that has been learned."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Restore what `state()` returned."""

    def note(self, kept: Kept) -> None:
        """Raise the peak to the memory that the method keeps for a while."""
        self.peak = self.peak.most(kept)

    def bytes_kept(self, now: Kept) -> Measures:
        """Return measures of the bytes that the method keeps now, and of their peaks so far."""
        peak = now.most(self.peak)
        return [
            Measure(measures.TO_ANSWER, now.answer),
            Measure(measures.TO_LEARN, now.learn),
            Measure(measures.PEAK_TO_ANSWER, peak.answer),
            Measure(measures.PEAK_TO_LEARN, peak.learn),
        ]


def sizes_and_costs(
    problem: Problem, hidden: Sequence[Layer], heads: Sequence[Layer], multiplications: float
) -> Measures:
    """Return the units per layer, weights, non-zero weights, capacity and operations per example.

    multiplications: of the answer to one example, averaged over tasks.
    """
    tensors = [layer.weight for layer in (*hidden, *heads)]
    total = weights(tensors)
    return [
        *(Measure(measures.UNITS, layer.units, index) for index, layer in enumerate(hidden, start=1)),
        Measure(measures.WEIGHTS, total),
        Measure(measures.NONZERO, nonzero(tensors)),
        Measure(measures.CAPACITY, total / problem.base_weights),
        Measure(measures.FLOPS, flops(round(multiplications))),
    ]


def pack(prefix: str, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Return the layers' tensors under the names from which `unpack` restores them."""
    named = {}
    for index, layer in enumerate(layers):
        named[f"{prefix}.{index}.weight"] = layer.weight
        if layer.biased:
            named[f"{prefix}.{index}.bias"] = layer.bias
        if isinstance(layer.form, Convolution):
            named[f"{prefix}.{index}.geometry"] = torch.tensor([layer.form.side, layer.form.pooling])
    return named


def unpack(prefix: str, tensors: Mapping[str, Tensor]) -> list[Layer]:
    """Return copies of the layers that `pack` stored under `prefix`.

    The bits of a sum depend on the alignment of its tensors. Copies are aligned, and tensors of a file may not be.
    """
    count = sum(name.startswith(f"{prefix}.") and name.endswith(".weight") for name in tensors)
    names = (f"{prefix}.{index}" for index in range(count))
    return [_layer(name, tensors) for name in names]


def _layer(name: str, tensors: Mapping[str, Tensor]) -> Layer:
    weight, bias = tensors[f"{name}.weight"].clone(), tensors.get(f"{name}.bias")
    if bias is None:
        return Layer(weight, weight.new_zeros(len(weight)), _form(name, tensors), biased=False)
    return Layer(weight, bias.clone(), _form(name, tensors))


def _form(name: str, tensors: Mapping[str, Tensor]) -> Form:
    kernel = tuple(tensors[f"{name}.weight"].shape[2:])
    if (geometry := tensors.get(f"{name}.geometry")) is None:
        return Form(kernel) if kernel else DENSE
    side, pooling = geometry.tolist()
    return Convolution(kernel, side, pooling)
