"""A sequence whose items are made when asked for, and not kept."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")


class Lazy(Sequence[Item], Generic[Item]):
    """`count` items; item i is `make(i)`, made anew at every access."""

    def __init__(self, count: int, make: Callable[[int], Item]) -> None:
        self._positions = range(count)
        self._make = make

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return [self._make(position) for position in self._positions[index]]
        return self._make(self._positions[index])
