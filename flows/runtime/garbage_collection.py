"""Pauses garbage collection during imports and at exit.

Imported modules hold half a million objects. Scanning them takes a third of the time of their import, and two seconds
at exit.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Pause garbage collection during imports, and exclude the imported objects from later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def paused() -> Iterator[None]:
    """Pause garbage collection while many lasting objects are created."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def leave_at_exit() -> None:
    """Skip garbage collection at exit: the operating system frees the memory."""
    atexit.register(gc.freeze)
