"""Departures of the released code in dynamic expansion (Algorithm 3)."""

from dataclasses import dataclass, replace

from torch import Generator, Tensor

from den.config import Network
from den.methods.den import Den
from den.networks.expandable import Grown
from den.networks.layers import Chain, fresh
from den.penalties import L1, GroupLasso, Penalty


@dataclass(frozen=True, eq=False)
class LearningHead(Grown):
    """A head whose old weights learn, too."""

    def parameters(self) -> tuple[Tensor, ...]:
        return (*super().parameters(), *self.old.parameters())


class HeadLearnsInExpansion(Den):
    """Eq. 5 trains all of the present head, and not only its weights from new units."""

    def extension(self, generator: Generator) -> Chain[Grown]:
        grown = super().extension(generator)
        head = grown.head
        return replace(grown, head=LearningHead(head.old.copy(), head.across, head.incoming, head.bias))

    def expansion(self, grown: Chain[Grown]) -> list[Penalty]:
        sparse, *more = super().expansion(grown)
        assert isinstance(sparse, L1)
        return [replace(sparse, tensors=[*sparse.tensors, grown.head.old.weight]), *more]


class BlockwiseGlorot(Den):
    """The weights into and out of new units are drawn with Glorot's limit for the small matrix of each block."""

    def extension(self, generator: Generator) -> Chain[Grown]:
        grown = super().extension(generator)
        for layer in grown.layers:
            redraw(layer, self.problem.network, generator)
        return grown


class GroupsByBlock(Den):
    """The groups of Eq. 5 are columns of single matrices: a new unit has one for old inputs and one for new inputs."""

    def expansion(self, grown: Chain[Grown]) -> list[Penalty]:
        sparse, _, *more = super().expansion(grown)
        blocks = [block for layer in grown.hidden for block in self.blocks(layer)]
        return [sparse, GroupLasso(blocks, self.params.group_sparsity), *more]

    def blocks(self, layer: Grown) -> list[Tensor]:
        """Return the new weights of a layer, block by block."""
        old, new = layer.incoming[:, : layer.old.inputs], layer.incoming[:, layer.old.inputs :]
        return [old, new, layer.across] if new.shape[1] else [old]


class TopDownPruning(Den):
    """Unused units are dropped in a single pass: a unit that only reads dropped units stays."""

    def drop_unused(self, grown: Chain[Grown]) -> Chain[Grown]:
        used = [layer.incoming.any(dim=1) for layer in grown.hidden]
        below = [used[0].new_empty(0), *used]
        layers = zip(grown.layers, [*used, used[0].new_empty(0)], below, strict=True)
        *hidden, head = (layer.keep(units, inputs) for layer, units, inputs in layers)
        return replace(grown, hidden=hidden, head=head)


def redraw(layer: Grown, network: Network, generator: Generator) -> None:
    """Draw the new weights of a layer again, in place: one matrix for the old inputs, one for the new inputs."""
    units, inputs = layer.across.shape
    new, old_inputs = len(layer.incoming), layer.old.inputs
    layer.incoming[:, :old_inputs] = fresh(new, old_inputs, network, generator).weight
    if inputs:
        reading = fresh(units + new, inputs, network, generator).weight
        layer.across.copy_(reading[:units])
        layer.incoming[:, old_inputs:] = reading[units:]
