"""One side of benchmarks/equivalence/same.py: plans or runs cells with the code of the checkout that it is started in.

Reads a job and writes a line for each of its items, in JSON. Either commit's code runs it, so it asks little of that.
"""

import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from den import suites
from den.config import read
from den.ledger import Places

try:
    from den.cells import Cell
    from den.execution import Execution
except ImportError:  # a commit up to version 0.5.0
    from den.runs import Cell, Execution


def plan(suite: str, stream: str, methods: list[str], seed: int, set: list[str]) -> list[dict[str, Any]]:
    """Return the complete settings of a suite's cells on a stream, of the suite's own methods if none is named."""
    cells = suites.load("params.yaml", set).cells(suite, [stream], methods, [seed])
    return [cell.model_dump(mode="json") for cell in cells]


def run(cell: dict[str, Any], data: str) -> dict[str, Any]:
    """Return what a cell measures: scores, measures, and the final state, a digest for each of its tensors."""
    with TemporaryDirectory() as folder:
        execution = Execution.resume(read(Cell, cell, "cell"), Places(data=Path(data), work=Path(folder)))
        for step in execution.steps():
            step.run()
    tensors, values = execution.method.state()
    digests = {name: digest(tensor) for name, tensor in tensors.items()}
    return {**vars(execution.result), "tensors": digests, "values": values}


def digest(tensor: torch.Tensor) -> str:
    """Return a hash of a tensor's type, shape and bits."""
    about = f"{tensor.dtype} {tuple(tensor.shape)}".encode()
    return hashlib.sha256(about + tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def answer(do: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return the result of an item, or why there is none."""
    try:
        return {"result": {"plan": plan, "run": run}[do](**item)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    torch.set_num_threads(1)
    output, sys.stdout = sys.stdout, sys.stderr  # nothing else may write among the answers
    if Path(suites.__file__).parents[1] != Path.cwd():
        sys.exit(f"{suites.__file__} is not the code of {Path.cwd()}")
    job = json.load(sys.stdin)
    for item in job["items"]:
        print(json.dumps(answer(job["do"], item)), file=output, flush=True)
