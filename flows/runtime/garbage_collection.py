"""Python's search for garbage, left out where it only costs: while modules load, and when the program ends.

Half a million objects of imported modules are looked through again and again: a third of the time to load them, and
two seconds at the end.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without it; what they made stays, and is not looked through from now on."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def paused() -> Iterator[None]:
    """Make many objects that stay without it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def leave_at_exit() -> None:
    """End the program without it: the system takes the memory back as it is."""
    atexit.register(gc.freeze)
