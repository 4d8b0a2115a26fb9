"""What the smoke suite costs through the library alone: python benchmarks/smoke.py

Needs the prepared stream `blobs`: den prepare --stream blobs.
"""

import tempfile
import time
from pathlib import Path

import torch

from den import suites
from den.execution import execute
from den.ledger import Places


def main() -> None:
    """Print the seconds of every cell and of all, imports left out."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        places = Places(ledger=folder / "ledger", index=folder / "index.sqlite", work=folder / "work")
        start = time.perf_counter()
        for cell in suites.load().cells("smoke"):
            began = time.perf_counter()
            execute(cell, places)
            print(f"{cell.title:32}{time.perf_counter() - began:6.2f} s")
        print(f"{'all':32}{time.perf_counter() - start:6.2f} s")


if __name__ == "__main__":
    main()
