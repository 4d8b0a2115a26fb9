"""The number of cells that run at a time on this machine."""

from collections.abc import Sequence

import torch

from den.cells import Cell
from den.provenance import cores
from den.training import device_of

MEMORY = 2 * 2**30  # bytes of a GPU that a cell may use: a stream, a small network, and CUDA itself


def slots(cells: Sequence[Cell]) -> int:
    """Return one slot per usable core; if cells train on a GPU, at most as many as fit into its free memory."""
    if any(device_of(cell.training).type == "cuda" for cell in cells):
        free, _ = torch.cuda.mem_get_info()
        return max(1, min(cores(), free // MEMORY))
    return cores()
