"""How large a network is: weights, non-zero weights, arithmetic an example; relative to the base network."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Tensor


def base_weights(features: int, widths: Sequence[int], classes: int) -> int:
    """Return the weights of the base network: its hidden layers and ONE output layer of the stream's classes."""
    return chain_weights((features, *widths, classes))


def chain_weights(sizes: Sequence[int]) -> int:
    """Return the weights of fully connected layers of the given sizes, zeros counted, biases not."""
    return sum(inputs * units for inputs, units in pairwise(sizes))


def weights(tensors: Iterable[Tensor]) -> int:
    """Return how many weights the tensors hold, zeros counted."""
    return sum(tensor.numel() for tensor in tensors)


def nonzero(tensors: Iterable[Tensor]) -> int:
    """Return how many weights of the tensors are not exactly zero."""
    return sum(int(tensor.count_nonzero()) for tensor in tensors)


def flops(weights: int) -> int:
    """Return the operations of a dense product for one example: a multiplication and an addition a weight."""
    return 2 * weights
