"""A network whose layers grow. This module does surgery only; it trains nothing.

Units are only appended. So the widths after a task are its stamp, and a slice of every layer by units and inputs is the
network as it was after that task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from den.config import Network
from den.networks.layers import Chain, Layer, fresh

Stamp = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Grown:
    """A layer of which only new parameters learn.

    old: the frozen layer. across: weights of old units on new inputs, (old units, new inputs, ...).
    incoming: weights of new units on all inputs, (new units, inputs, ...). bias: of new units, (new units,).
    """

    old: Layer
    across: Tensor
    incoming: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        form = self.old.form
        old = form.sums(x[:, : self.old.inputs], self.old.weight, self.old.bias)
        if self.across.shape[1]:
            old = old + form.sums(x[:, self.old.inputs :], self.across)
        return form.pool(torch.cat([old, form.sums(x, self.incoming, self.bias)], dim=1))

    def parameters(self) -> tuple[Tensor, ...]:
        learning = self.across, self.incoming, self.bias
        return learning if self.old.biased else learning[:2]

    def keep(self, units: Tensor, inputs: Tensor) -> "Grown":
        """Return the layer with some of its new units and inputs. units, inputs: boolean masks over the new ones."""
        old_inputs = torch.ones(self.old.inputs, dtype=torch.bool, device=inputs.device)
        incoming = self.incoming[units][:, torch.cat([old_inputs, inputs])]
        return Grown(self.old, self.across[:, inputs], incoming, self.bias[units])

    def whole(self) -> Layer:
        """Return an ordinary layer of the old and new units and inputs."""
        weight = torch.cat([torch.cat([self.old.weight, self.across], dim=1), self.incoming])
        return replace(self.old, weight=weight, bias=torch.cat([self.old.bias, self.bias]))


class Expandable:
    """Hidden layers that grow, with the head and the stamp of each task. A stamp: the widths after the task."""

    def __init__(self, hidden: Sequence[Layer]) -> None:
        self.hidden = list(hidden)
        self.heads: list[Layer] = []
        self.stamps: list[Stamp] = []

    @property
    def widths(self) -> Stamp:
        return tuple(layer.units for layer in self.hidden)

    def whole(self, head: Layer) -> Chain[Layer]:
        """Return the whole network with `head`; it shares its tensors, so training the chain trains the network."""
        return Chain(self.hidden, head)

    def slice(self, task: int) -> Chain[Layer]:
        """Return a copy of the network as it was after `task` (timestamped inference); its sums keep their bits."""
        widths = (self.hidden[0].inputs, *self.stamps[task])
        shapes = zip(self.hidden, widths[:-1], widths[1:], strict=True)
        return Chain([layer.part(slice(units), slice(inputs)) for layer, inputs, units in shapes], self.heads[task])

    def keep(self, units: Sequence[Tensor], head: Layer) -> Layer:
        """Drop all hidden units but these, before the first stamp; return the head over the rest.

        units: index tensors, one per hidden layer.
        """
        features = torch.arange(self.hidden[0].inputs, device=head.weight.device)
        rest = self.subnetwork([features, *units], head)
        self.hidden = list(rest.hidden)
        return rest.head

    def stamp(self, head: Layer) -> None:
        """Close a task: store its head and the present widths."""
        self.heads.append(head)
        self.stamps.append(self.widths)

    def subnetwork(self, selected: Sequence[Tensor], head: Layer) -> Chain[Layer]:
        """Return a copy of the selected units. selected: index tensors, the input features first."""
        shapes = zip(self.hidden, selected[:-1], selected[1:], strict=True)
        return Chain(
            [layer.part(units, inputs) for layer, inputs, units in shapes], head.part(slice(None), selected[-1])
        )

    def put_back(self, selected: Sequence[Tensor], part: Chain[Layer]) -> None:
        """Write the weights of a trained sub-network back to the selected units; nothing else changes."""
        for layer, inputs, units, trained in zip(self.hidden, selected[:-1], selected[1:], part.hidden, strict=True):
            layer.weight[units[:, None], inputs] = trained.weight
            layer.bias[units] = trained.bias

    def extension(self, head: Layer, units: Sequence[int], network: Network, generator: Generator) -> Chain[Grown]:
        """Return the network with `head` and with new units; old parameters are frozen.

        units: the number of new units, one per hidden layer.
        """
        counts = zip(self.hidden, units, (0, *units[:-1]), strict=True)
        layers = [extend(layer, new, below, network, generator) for layer, new, below in counts]
        return Chain(layers, extend(head, 0, units[-1], network, generator))

    def grow(self, extension: Chain[Grown]) -> Layer:
        """Append the new units of a trained extension to the hidden layers; return the head that reads them."""
        self.hidden = [layer.whole() for layer in extension.hidden]
        return extension.head.whole()

    def duplicate(self, split: Sequence[Tensor], before: Sequence[Layer], head: Layer) -> Layer:
        """Split units: restore the weights of each from `before`, and append a copy with its present weights.

        split: per hidden layer, the indices of the units to split, all older than the task. before: the layers at t-1.
        Returns the head, which reads the copies.
        """
        below = torch.empty(0, dtype=torch.long, device=head.weight.device)
        for index, (units, old) in enumerate(zip(split, before, strict=True)):
            self.hidden[index] = split_layer(self.hidden[index], units, below, old)
            below = units
        return replace(head, weight=move_edges(head.weight, below))


def extend(layer: Layer, units: int, inputs: int, network: Network, generator: Generator) -> Grown:
    """Return the layer with `units` new units and `inputs` new inputs."""
    device = layer.weight.device
    new = fresh(layer.units + units, layer.inputs + inputs, network, generator, layer.form)
    parts = new.weight[: layer.units, layer.inputs :], new.weight[layer.units :], new.bias[layer.units :]
    return Grown(layer, *(part.clone().to(device) for part in parts))


def drop_unused(extension: Chain[Grown]) -> Chain[Grown]:
    """Return the extension without the unused new units, whose incoming weights are all exactly zero.

    It proceeds from the bottom up, so a unit that only reads dropped units is dropped, too.
    """
    layers: list[Grown] = []
    used = extension.hidden[0].across.new_empty(0, dtype=torch.bool)
    for layer in extension.hidden:
        all_units = torch.ones_like(layer.bias, dtype=torch.bool)
        layer = layer.keep(all_units, used)
        used = layer.incoming.flatten(1).any(dim=1)
        layers.append(layer.keep(used, torch.ones(layer.across.shape[1], dtype=torch.bool, device=used.device)))
    return replace(extension, hidden=layers, head=extension.head.keep(all_units[:0], used))


def move_edges(weight: Tensor, split: Tensor) -> Tensor:
    """Return `weight` with columns for the copies of split inputs at the end; they replace the originals, now zero."""
    moved = torch.cat([weight, weight[:, split]], dim=1)
    moved[:, split] = 0
    return moved


def split_layer(layer: Layer, split: Tensor, below: Tensor, before: Layer) -> Layer:
    """Return the layer after a split of its units `split` and its inputs `below`. before: the layer at t-1.

    Copies and units of task t read only the copy of a split input. An old unit that is not split keeps its old edge to
    the original, and reads from the copy only the change during task t: the two weights sum to the present one, so
    nothing counts twice. A split unit reads what it read at t-1, and nothing newer.
    """
    weight = move_edges(layer.weight, below)
    weight[: before.units, below] = before.weight[:, below]
    weight[: before.units, layer.inputs :] -= before.weight[:, below]
    copies = move_edges(layer.weight[split], below)
    weight[split] = 0
    weight[split, : before.inputs] = before.weight[split]
    bias = layer.bias.clone()
    bias[split] = before.bias[split]
    return replace(layer, weight=torch.cat([weight, copies]), bias=torch.cat([bias, layer.bias[split]]))
