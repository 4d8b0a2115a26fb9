"""Layers and chains of layers.

Dimension 0 of a weight counts the layer's units, and dimension 1 its inputs. Further dimensions are the kernel of a
unit on one input. A unit's group consists of all its incoming weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

import torch
from torch import Generator, Tensor

from den.config import Network
from den.networks.forms import DENSE, Form
from den.penalties import drift


@dataclass(eq=False)
class Layer:
    """Units with their incoming weights. weight: (units, inputs, *form.kernel) float32. bias: (units,) float32.

    biased: whether units have a bias; if not, it is zero and not a parameter.
    """

    weight: Tensor
    bias: Tensor
    form: Form = DENSE
    biased: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        return self.form.pool(self.form.sums(x, self.weight, self.bias))

    @property
    def units(self) -> int:
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        return self.weight.shape[1]

    @property
    def multiplications(self) -> int:
        """The multiplications per example; a convolution uses each weight once per position."""
        return self.weight.numel() * self.form.positions

    def parameters(self) -> tuple[Tensor, ...]:
        return (self.weight, self.bias) if self.biased else (self.weight,)

    def part(self, units: Tensor | slice, inputs: Tensor | slice) -> "Layer":
        """Return a copy of the given units, with their weights on the given inputs only."""
        return replace(self, weight=self.weight[units][:, inputs].contiguous().clone(), bias=self.bias[units].clone())

    def copy(self) -> "Layer":
        return self.part(slice(None), slice(None))


class Trainable(Protocol):
    """A part of a chain."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def parameters(self) -> tuple[Tensor, ...]: ...


Kind = TypeVar("Kind", bound=Trainable)


@dataclass(frozen=True, eq=False)
class Chain(Generic[Kind]):
    """Hidden layers of rectified units, one after another, and a head on top."""

    hidden: Sequence[Kind]
    head: Kind

    def __call__(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return the inputs of the head: the activations of the last hidden layer."""
        for layer in self.hidden:
            x = layer(x).relu_()
        return x

    def activations(self, x: Tensor) -> list[Tensor]:
        """Return the activations of each hidden layer."""
        return list(accumulate(self.hidden, lambda below, layer: layer(below).relu(), initial=x))[1:]

    @property
    def layers(self) -> tuple[Kind, ...]:
        return (*self.hidden, self.head)

    def parameters(self) -> list[Tensor]:
        return [tensor for layer in self.layers for tensor in layer.parameters()]


def fresh(units: int, inputs: int, network: Network, generator: Generator, form: Form = DENSE) -> Layer:
    """Return a new layer, initialised after the network's `init` and `bias`, on the CPU."""
    fan_in, fan_out = form.fans(units, inputs)
    scale, fans = {"glorot": (6, fan_in + fan_out), "he": (6, fan_in), "torch": (1, fan_in)}[network.init]
    limit = math.sqrt(scale / fans)
    weight = torch.empty(units, inputs, *form.kernel).uniform_(-limit, limit, generator=generator)
    bias = torch.zeros(units)
    if network.bias and network.init == "torch":
        bias.uniform_(-limit, limit, generator=generator)
    return Layer(weight, bias, form, network.bias)


def to(layers: Sequence[Layer], device: torch.device) -> list[Layer]:
    """Return the layers on `device`."""
    return [replace(layer, weight=layer.weight.to(device), bias=layer.bias.to(device)) for layer in layers]


def active(activations: Sequence[Tensor]) -> list[Tensor]:
    """Return per hidden layer which units some example activates, (units,) bool. activations: of each layer."""
    return [(layer.detach() > 0).transpose(0, 1).flatten(1).any(dim=1) for layer in activations]


def unit_drift(layer: Layer, before: Layer) -> Tensor:
    """Return rho of each unit of `before`, (units,): how far its weights on old inputs and its bias have moved."""
    weight = layer.weight[: before.units, : before.inputs]
    return drift(weight - before.weight, layer.bias[: before.units] - before.bias)


def newer(layer: Layer, before: Layer) -> tuple[Tensor, Tensor]:
    """Return views of the weights that `before` does not have: of new units, and of old units on new inputs."""
    return layer.weight[before.units :], layer.weight[: before.units, before.inputs :]
