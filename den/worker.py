"""A cell's own process: the arithmetic of one cell in one process and one thread, steered from outside.

The two sides exchange one JSON line a message: the child announces a step and waits for the word to run it.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from den.ledger import Places, Record

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
GO, ORPHANED = "go", 3
Message = dict[str, Any]


class CellFailed(RuntimeError):
    """A cell could not be finished; the message names task, stage and reason."""


@dataclass(frozen=True)
class Step:
    """A stage that a cell is about to run; tasks count from 1."""

    task: int
    stage: str

    @property
    def title(self) -> str:
        return f"task {self.task} · {self.stage}"


class Worker:
    """A cell in a process of its own; leaving the context ends the process, whatever it is doing."""

    def __init__(self, cell: Any, places: Places) -> None:
        self.cell, self.places = cell, places
        self.record: Record = {}
        self._log = places.work / "logs" / f"{cell.stream}-{cell.method}-{cell.seed}-{os.getpid()}.log"

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "den.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | ONE_THREAD,
            )
        places = {name: str(getattr(self.places, name)) for name in ("data", "results", "work")}
        self._send({"cell": self.cell.model_dump(mode="json"), "places": places})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]

    def steps(self) -> Iterator[Step]:
        """Yield the stages still to do; give each to `run` before asking for the next. At the end `record` is there."""
        while "step" in (message := self._receive()):
            yield Step(**message["step"])
        self.record = message["record"]

    def run(self, step: Step) -> Message:
        """Have the child run the step; return its seconds and measures. Raises CellFailed."""
        self._send({GO: step.title})
        return self._receive(step)

    def kill(self) -> None:
        """End the child at once; a step that waits for it raises CellFailed."""
        self._child.kill()

    def _send(self, message: Message) -> None:
        with suppress(BrokenPipeError):  # the child's end is told by the next answer, which does not come
            print(json.dumps(message), file=self._child.stdin, flush=True)

    def _receive(self, step: Step | None = None) -> Message:
        line = self._child.stdout.readline()  # type: ignore[union-attr]
        if not line:
            where = step.title if step else "between stages"
            raise CellFailed(f"{where}: its process ended with code {self._child.wait()}; see {self._log}")
        message: Message = json.loads(line)
        if "failed" in message:
            raise CellFailed(message["failed"])
        return message


def serve() -> None:
    """Be the child: run the steps of the cell that comes first on standard input, each when told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    inbox = _inbox()
    order = inbox.get()
    try:
        _serve(order, inbox)
    except Exception as error:
        _say({"failed": str(error) if isinstance(error, ArithmeticError) else f"{type(error).__name__}: {error}"})
        raise


def _serve(order: Message, inbox: "queue.Queue[Message]") -> None:
    import torch

    from den.config import read
    from den.runs import Cell, Execution, locked

    torch.set_num_threads(1)
    cell = read(Cell, order["cell"], "cell")
    places = Places(**{name: Path(path) for name, path in order["places"].items()})
    with locked(cell, places):
        execution = Execution.resume(cell, places)
        for step in execution.steps():
            _say({"step": {"task": step.task + 1, "stage": step.stage}})
            inbox.get()
            first = len(execution.result.measures)
            step.run()
            measures = execution.result.measures[first:]
            seconds = next(row["value"] for row in reversed(measures) if row["measure"] == "seconds")
            _say({"seconds": seconds, "measures": measures})
        _say({"record": execution.finish()})


def _inbox() -> "queue.Queue[Message]":
    """Return the messages of standard input as they come; the end of it ends this process, whatever it is doing."""
    inbox: queue.Queue[Message] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            inbox.put(json.loads(line))
        os._exit(ORPHANED)

    threading.Thread(target=listen, daemon=True).start()
    return inbox


def _say(message: Message) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    serve()
