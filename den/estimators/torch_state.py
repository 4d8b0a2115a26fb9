"""The state of torch while an estimator computes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_for(threads: int) -> Iterator[None]:
    """Set torch up for repeatable results inside the context, and restore it.

    One thread by default: the networks are small, and several threads take several times the processor time without
    being quicker. Sums of several threads also have other bits than those of one.
    """
    before = torch.get_num_threads()
    if threads != before:
        torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        if threads != before:
            torch.set_num_threads(before)
