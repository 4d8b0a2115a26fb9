"""How large a network is: weights, non-zero weights, arithmetic an example; relative to the base network."""

from collections.abc import Iterable

from torch import Tensor


def weights(tensors: Iterable[Tensor]) -> int:
    """Return how many weights the tensors hold, zeros counted."""
    return sum(tensor.numel() for tensor in tensors)


def nonzero(tensors: Iterable[Tensor]) -> int:
    """Return how many weights of the tensors are not exactly zero."""
    return sum(int(tensor.count_nonzero()) for tensor in tensors)


def flops(multiplications: int) -> int:
    """Return the operations of one example: an addition for every multiplication."""
    return 2 * multiplications
