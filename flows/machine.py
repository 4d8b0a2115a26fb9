"""How many cells run at a time on this machine."""

import os
from collections.abc import Sequence

import torch

from den.cells import Cell
from den.training import device_of

MEMORY = 2 * 2**30  # bytes of a GPU that a cell may take: a stream, a small network, and CUDA's own


def slots(cells: Sequence[Cell]) -> int:
    """Return one slot for each usable core; where cells train on a GPU, no more than its free memory has room for."""
    if any(device_of(cell.training).type == "cuda" for cell in cells):
        free, _ = torch.cuda.mem_get_info()
        return max(1, min(cores(), free // MEMORY))
    return cores()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
