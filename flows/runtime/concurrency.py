"""How many cells run at a time on this machine."""

from collections.abc import Sequence

import torch

from den.cells import Cell
from den.provenance import cores
from den.training import device_of

MEMORY = 2 * 2**30  # bytes of a GPU that a cell may take: a stream, a small network, and CUDA's own


def slots(cells: Sequence[Cell]) -> int:
    """Return one slot for each usable core; where cells train on a GPU, no more than its free memory has room for."""
    if any(device_of(cell.training).type == "cuda" for cell in cells):
        free, _ = torch.cuda.mem_get_info()
        return max(1, min(cores(), free // MEMORY))
    return cores()
