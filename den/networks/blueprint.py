"""A network before there is one: the form and the number of units of each hidden layer."""

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
    """Hidden layers to be made. inputs: features, or channels of an image."""

    inputs: int
    widths: tuple[int, ...]
    forms: tuple[Form, ...]

    @classmethod
    def of(cls, network: Network, shape: Sequence[int]) -> Self:
        """Return the plan of the base network for examples of `shape`: (features,) or (channels, side, side).

        Raises SettingsError for convolutions of what is no image, or of one that pooling leaves nothing of.
        """
        inputs, *image = shape
        forms: list[Form] = []
        for number, one in enumerate(network.convolutions):
            side = _side(image, one.pooling, f"network.convolutions.{number}")
            forms.append(Convolution((one.kernel, one.kernel), side, one.pooling))
            image = list(forms[-1].image)
        forms.append(Form((math.prod(image),)) if image else DENSE)
        forms += [DENSE] * (len(network.widths) - 1)
        channels = (one.channels for one in network.convolutions)
        return cls(inputs, (*channels, *network.widths), tuple(forms))

    def narrowed(self, factor: float) -> Self:
        """Return the plan with so many times the units, at least one a layer."""
        return replace(self, widths=tuple(max(1, round(factor * width)) for width in self.widths))

    def layers(self, network: Network, generator: Generator) -> list[Layer]:
        """Return untrained hidden layers."""
        shapes = zip(pairwise((self.inputs, *self.widths)), self.forms, strict=True)
        return [fresh(units, inputs, network, generator, form) for (inputs, units), form in shapes]

    def weights(self, outputs: int) -> int:
        """Return the weights of the network under a head of so many outputs, zeros counted, biases not."""
        return sum(weights for weights, _ in self._counted(outputs))

    def multiplications(self, outputs: int) -> int:
        """Return the multiplications of one example under a head of so many outputs."""
        return sum(weights * form.positions for weights, form in self._counted(outputs))

    def _counted(self, outputs: int) -> Iterator[tuple[int, Form]]:
        """Yield the weights of each layer, the head's last, and its form."""
        shapes = zip(pairwise((self.inputs, *self.widths, outputs)), (*self.forms, DENSE), strict=True)
        yield from ((inputs * units * math.prod(form.kernel), form) for (inputs, units), form in shapes)


def _side(image: Sequence[int], pooling: int, key: str) -> int:
    if not image:
        raise SettingsError(f"{key}: the stream's examples are no images; leave network.convolutions empty")
    side = image[0]
    if side != image[-1]:
        raise SettingsError(f"{key}: reads square images, not {side} × {image[-1]}")
    if pooling > side:
        raise SettingsError(f"{key}.pooling: {pooling} × {pooling} leaves nothing of {side} × {side} pixels")
    return side
