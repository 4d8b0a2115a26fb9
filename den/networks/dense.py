"""A network of fixed width: shared hidden layers, and one head per task or one for all."""

from collections.abc import Sequence

from torch import Generator, Tensor

from den.config import Network
from den.networks.layers import Chain, Layer, fresh, to


class Dense:
    """Hidden layers that all tasks share, and the heads learned so far."""

    def __init__(self, hidden: Sequence[Layer], one_head: bool = False) -> None:
        self.hidden = list(hidden)
        self.heads: list[Layer] = []
        self.one_head = one_head

    def head(self, task: int) -> Layer:
        """Return the task's head; tasks count from 0."""
        return self.heads[0 if self.one_head else task]

    def chain(self, task: int) -> Chain[Layer]:
        """Return the network with the task's head, sharing its tensors."""
        return Chain(self.hidden, self.head(task))

    def add_head(self, outputs: int, network: Network, generator: Generator) -> None:
        """Add a head for the next task; a single head is added once, with the first task.

        Raises ValueError if the single head does not have the task's number of outputs.
        """
        if self.one_head and self.heads:
            if self.heads[0].units != outputs:
                raise ValueError("network.heads: one head serves only streams whose tasks have the same outputs")
            return
        new = fresh(outputs, self.hidden[-1].units, network, generator)
        self.heads += to([new], self.hidden[0].weight.device)

    def shared(self) -> list[Tensor]:
        """Return the parameters that more than one task uses."""
        layers = [*self.hidden, *(self.heads if self.one_head else [])]
        return [tensor for layer in layers for tensor in layer.parameters()]
