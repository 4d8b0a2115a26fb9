"""The size of a network: its weights, its non-zero weights, and its operations per example."""

from collections.abc import Iterable

from torch import Tensor


def weights(tensors: Iterable[Tensor]) -> int:
    """Return the number of weights in the tensors, zeros included."""
    return sum(tensor.numel() for tensor in tensors)


def nonzero(tensors: Iterable[Tensor]) -> int:
    """Return the number of weights in the tensors that are not exactly zero."""
    return sum(int(tensor.count_nonzero()) for tensor in tensors)


def flops(multiplications: int) -> int:
    """Return the operations per example: the multiplications, and one addition for each of them."""
    return 2 * multiplications
