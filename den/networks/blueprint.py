"""The plan of a network: the form and the number of units of each hidden layer."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from torch import Generator

from den.config import Network, SettingsError
from den.networks.forms import DENSE, Convolution, Form
from den.networks.layers import Layer, fresh


@dataclass(frozen=True)
class Blueprint:
    """The plan of hidden layers. inputs: the number of features, or channels of an image."""

    inputs: int
    widths: tuple[int, ...]
    forms: tuple[Form, ...]

    @classmethod
    def of(cls, network: Network, shape: Sequence[int]) -> Self:
        """Return the plan of the base network for examples of `shape`: (features,) or (channels, side, side).

        Raises SettingsError if the network has convolutions and the examples are not images, not square, or too small
        for the pooling.
        """
        inputs, *image = shape
        forms: list[Form] = []
        for index, convolution in enumerate(network.convolutions):
            side = _side(image, convolution.pooling, f"network.convolutions.{index}")
            forms.append(Convolution((convolution.kernel, convolution.kernel), side, convolution.pooling))
            image = list(forms[-1].image)
        forms.append(Form((math.prod(image),)) if image else DENSE)
        forms += [DENSE] * (len(network.widths) - 1)
        channels = (convolution.channels for convolution in network.convolutions)
        return cls(inputs, (*channels, *network.widths), tuple(forms))

    def narrowed(self, factor: float) -> Self:
        """Return the plan with the units of each layer multiplied by `factor`, and at least one unit per layer."""
        return replace(self, widths=tuple(max(1, round(factor * width)) for width in self.widths))

    def layers(self, network: Network, generator: Generator) -> list[Layer]:
        """Return the untrained hidden layers."""
        shapes = zip(pairwise((self.inputs, *self.widths)), self.forms, strict=True)
        return [fresh(units, inputs, network, generator, form) for (inputs, units), form in shapes]

    def weights(self, outputs: int) -> int:
        """Return the number of weights of the network with a head of that many outputs; biases do not count."""
        return sum(weights for weights, _ in self._counted(outputs))

    def multiplications(self, outputs: int) -> int:
        """Return the multiplications per example of the network with a head of that many outputs."""
        return sum(weights * form.positions for weights, form in self._counted(outputs))

    def _counted(self, outputs: int) -> Iterator[tuple[int, Form]]:
        """Yield the number of weights and the form of each layer, the head last."""
        shapes = zip(pairwise((self.inputs, *self.widths, outputs)), (*self.forms, DENSE), strict=True)
        yield from ((inputs * units * math.prod(form.kernel), form) for (inputs, units), form in shapes)


def _side(image: Sequence[int], pooling: int, key: str) -> int:
    """Return the side of square images. Raises SettingsError for other examples, or if pooling is larger."""
    if not image:
        raise SettingsError(f"{key}: the stream's examples are not images; leave network.convolutions empty")
    side = image[0]
    if side != image[-1]:
        raise SettingsError(f"{key}: reads square images, not {side} × {image[-1]}")
    if pooling > side:
        raise SettingsError(f"{key}.pooling: {pooling} × {pooling} leaves nothing of {side} × {side} pixels")
    return side
