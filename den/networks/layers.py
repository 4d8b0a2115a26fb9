"""Layers, and chains of them: what is trained and what answers.

Dimension 0 of a weight counts the layer's units, dimension 1 its inputs; a unit's group is everything it reads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Generator, Tensor
from torch.nn.functional import linear


@dataclass(eq=False)
class Layer:
    """A fully connected layer: weight (units, inputs), bias (units)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)

    @property
    def units(self) -> int:
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        return self.weight.shape[1]

    def parameters(self) -> tuple[Tensor, Tensor]:
        return self.weight, self.bias

    def part(self, units: Tensor | slice, inputs: Tensor | slice) -> "Layer":
        """Return a copy of the given units, reading the given inputs only."""
        return Layer(self.weight[units][:, inputs].contiguous().clone(), self.bias[units].clone())

    def copy(self) -> "Layer":
        return self.part(slice(None), slice(None))


class Trainable(Protocol):
    """Anything a chain can be made of."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def parameters(self) -> tuple[Tensor, ...]: ...


Kind = TypeVar("Kind", bound=Trainable)


@dataclass(frozen=True, eq=False)
class Chain(Generic[Kind]):
    """Hidden layers applied one after another, with rectified units, and the head on top of them."""

    hidden: Sequence[Kind]
    head: Kind

    def __call__(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return what the head reads: the activations of the last hidden layer."""
        for layer in self.hidden:
            x = layer(x).relu_()
        return x

    @property
    def layers(self) -> tuple[Kind, ...]:
        return (*self.hidden, self.head)

    def parameters(self) -> list[Tensor]:
        return [tensor for layer in self.layers for tensor in layer.parameters()]


def fresh(units: int, inputs: int, init: str, generator: Generator) -> Layer:
    """Return a new layer: uniform weights with Glorot's or He's limit, zero biases."""
    limit = math.sqrt(6 / (inputs + units) if init == "glorot" else 6 / inputs)
    weight = torch.empty(units, inputs).uniform_(-limit, limit, generator=generator)
    return Layer(weight, torch.zeros(units))


def stack(sizes: Sequence[int], init: str, generator: Generator) -> list[Layer]:
    """Return new layers from sizes[0] inputs up to sizes[-1] units."""
    return [fresh(units, inputs, init, generator) for inputs, units in zip(sizes, sizes[1:], strict=False)]


def to(layers: Sequence[Layer], device: torch.device) -> list[Layer]:
    """Return the layers on `device`."""
    return [Layer(layer.weight.to(device), layer.bias.to(device)) for layer in layers]
