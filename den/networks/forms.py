"""Forms: how a layer reads its inputs. Everything else about layers, such as surgery, is the same for all forms."""

import math
from dataclasses import dataclass

from torch import Tensor, channels_last
from torch.nn.functional import conv2d, linear, max_pool2d, unfold

AT_ONCE = 50  # examples whose gradients are in memory together: 4 bytes per example and weight


@dataclass(frozen=True)
class Form:
    """The fully connected form: each unit reads all numbers of all inputs.

    kernel: the shape of a weight after its dimensions of units and inputs. An input is one number or, above
    convolutions, a channel of `kernel[0]` positions.
    """

    kernel: tuple[int, ...] = ()

    @property
    def positions(self) -> int:
        """The number of times that an example uses a weight."""
        return 1

    @property
    def image(self) -> tuple[int, ...]:
        """The shape of a unit's output for one example."""
        return ()

    def fans(self, units: int, inputs: int) -> tuple[int, int]:
        """Return the fan-in and the fan-out: the numbers that a unit reads, and the units that read a number."""
        return inputs * math.prod(self.kernel), units

    def sums(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the weighted sums (examples, units, *positions) of the inputs x (examples, inputs, *positions)."""
        return linear(x.flatten(1), weight.flatten(1), bias)

    def pool(self, sums: Tensor) -> Tensor:
        """Return the sums after pooling over neighbouring positions."""
        return sums

    def squares(self, x: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squares of the gradients of single examples, summed over examples: for weight and bias.

        x: inputs. back: gradients of the weighted sums. An example's weight gradient is the outer product of the two,
        so the sum of the squares is one matrix product of squares.
        """
        squared = back.square()
        weight = squared.T @ x.flatten(1).square()
        return weight.view(*back.shape[1:], x.shape[1], *self.kernel), squared.sum(dim=0)


@dataclass(frozen=True)
class Convolution(Form):
    """A convolution of side × side images with zero padding, then max pooling. A unit is an output channel."""

    side: int = 1
    pooling: int = 1

    @property
    def positions(self) -> int:
        return self.side**2

    @property
    def image(self) -> tuple[int, ...]:
        return (self.side // self.pooling,) * 2

    def fans(self, units: int, inputs: int) -> tuple[int, int]:
        return inputs * math.prod(self.kernel), units * math.prod(self.kernel)

    def sums(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if weight.numel():  # channels last halves the time of a step, mostly in pooling
            return conv2d(x.contiguous(memory_format=channels_last), weight, bias, padding=self.padding)
        zeros = x.new_zeros(len(x), len(weight), *x.shape[2:])  # conv2d refuses a layer without units or inputs
        return zeros if bias is None else zeros + bias[:, None, None]

    def pool(self, sums: Tensor) -> Tensor:
        if not sums.shape[1]:
            return sums.new_empty(len(sums), 0, *self.image)
        return max_pool2d(sums, self.pooling) if self.pooling > 1 else sums

    def squares(self, x: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
        back = back.flatten(2)
        weight = back.new_zeros(back.shape[1], x.shape[1] * math.prod(self.kernel))
        for inputs, gradients in zip(x.split(AT_ONCE), back.split(AT_ONCE), strict=True):
            patches = unfold(inputs, self.kernel, padding=self.padding)
            weight += (gradients @ patches.transpose(1, 2)).square().sum(dim=0)
        return weight.view(len(weight), x.shape[1], *self.kernel), back.sum(dim=2).square().sum(dim=0)

    @property
    def padding(self) -> int:
        """Rows or columns of zeros on each side of an image."""
        return self.kernel[0] // 2


DENSE = Form()
