"""One side of benchmarks/same.py: what the code of one commit makes of settings, started in a checkout of it.

Answers JSON lines with JSON lines. It is run by the code of either commit, and so asks little of it.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import den
from den import suites
from den.config import read
from den.ledger import Places
from den.runs import Cell, Execution, identity

Answer = dict[str, Any]


def cells(suite: str, stream: str, methods: list[str], seed: int, overrides: list[str]) -> Answer:
    """Return the complete settings of a suite's cells on a stream, of some methods where they are named."""
    found = suites.load("params.yaml", overrides).cells(suite, [stream], methods, [seed])
    return {"cells": [cell.model_dump(mode="json") for cell in found]}


def prepare(stream: str, data: str) -> Answer:
    """Prepare a stream below the folder `data`."""
    from flows import datasets  # only here: it loads what the library does without

    datasets.build(stream, suites.load("params.yaml"), Places(Path(data)))
    return {}


def run(cell: Mapping[str, Any], data: str) -> Answer:
    """Return what a cell finds: scores, measures, and the final state, a digest for each of its tensors."""
    with TemporaryDirectory() as folder:
        places = Places(Path(data), Path(folder, "results"), Path(folder, "work"))
        execution = Execution.resume(read(Cell, cell, "cell"), places)
        for step in execution.steps():
            step.run()
    tensors, values = execution.method.state()
    digests = {name: digest(tensor) for name, tensor in tensors.items()}
    return {**vars(execution.result), "tensors": digests, "values": values}


def identify(cell: Mapping[str, Any], data: str) -> Answer:
    """Return the identity of a cell, and its settings as complete as this code has them."""
    known = read(Cell, cell, "cell")
    settings = known.model_dump(mode="json", exclude={"variant"})
    return {"identity": identity(known, Places(Path(data))), "cell": settings}


def digest(tensor: torch.Tensor) -> str:
    """Return a hash of a tensor's type, shape and bits."""
    about = f"{tensor.dtype} {tuple(tensor.shape)}".encode()
    return hashlib.sha256(about + tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


ASKED: dict[str, Callable[..., Answer]] = {"cells": cells, "prepare": prepare, "run": run, "identify": identify}


def main() -> None:
    """Answer every line; say first whose code this is."""
    torch.set_num_threads(1)
    line, sys.stdout = sys.stdout, sys.stderr  # nothing else may write on the line
    print(json.dumps({"library": str(Path(den.__file__).parent.parent)}), file=line, flush=True)
    for asked in sys.stdin:
        question = json.loads(asked)
        try:
            answer = ASKED[question.pop("do")](**question)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=line, flush=True)


if __name__ == "__main__":
    main()
