"""Workers: each measures one cell in a process and thread of its own, controlled by the parent process.

Both processes exchange messages, one line of JSON each: the child announces a step and waits for the order to run it.
Children are forked from a process that has already loaded torch; loading it would take most of a short cell's time.
"""

import json
import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from den import measures
from den.ledger import Measurement, Order, Places, sealed

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# By default the allocator of Linux returns memory after each step, and must fault it in again for the next.
MEMORY_KEPT = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
PRELOADED = ["den.preloaded", "torch._dynamo"]  # an optimiser's first step would load the second
LONGEST = 60  # bytes of a folder's path, so that a socket's address has at most 103, the least limit of all systems
GO, ORPHANED = "go", 3
Message = dict[str, Any]

_starting = threading.Lock()


class CellFailed(RuntimeError):
    """A cell failed; the message names task, stage and reason."""


@dataclass(frozen=True)
class Step:
    """A stage that a cell runs next; tasks count from 1."""

    task: int
    stage: str

    @property
    def title(self) -> str:
        return f"task {self.task} · {self.stage}"


class Worker:
    """A cell in a process of its own; leaving the context kills the process.

    After the last step, `measurement` holds the measurement of the cell, and `measured` is False if it was reused.
    A script must use a worker under `if __name__ == "__main__":`, as multiprocessing requires.
    """

    measurement: Measurement
    measured: bool

    def __init__(self, cell: Any, places: Places, order: Order | None = None) -> None:
        self.cell, self.places, self.order = cell, places, order or Order()
        self._log = places.work / "logs" / f"{cell.stream}-{cell.name}-{cell.seed}-{os.getpid()}.log"

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        make_ready()
        context = multiprocessing.get_context("forkserver")
        self._line, theirs = context.Pipe()
        self._child = context.Process(target=serve, args=(theirs, str(self._log)), daemon=True)
        self._child.start()
        theirs.close()
        places = {name: str(path) for name, path in vars(self.places).items()}
        order = self.order.model_dump(mode="json")
        self._send({"cell": self.cell.model_dump(mode="json"), "places": places, "order": order})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.join()
        self._line.close()

    def steps(self) -> Iterator[Step]:
        """Yield the remaining stages; pass each to `run` before taking the next. Raises CellFailed.

        There are none if an existing measurement answers the cell. Waits if another process measures the cell.
        """
        while "step" in (message := self._receive()):
            yield Step(**message["step"])
        self.measurement, self.measured = sealed.read_as(Measurement, message["measurement"]), message["measured"]

    def run(self, step: Step) -> Message:
        """Run the step in the child; return its seconds, its measures, and `auroc`. Raises CellFailed.

        auroc: after an evaluation, the AUROC on each task so far; otherwise empty.
        """
        self._send({GO: step.title})
        return self._receive(step)

    def finish(self, announce: Callable[[str], None] = lambda title: None) -> Measurement:
        """Run the remaining steps; return the cell's measurement. Raises CellFailed.

        announce: called with the title of each step before it runs.
        """
        for step in self.steps():
            announce(step.title)
            self.run(step)
        return self.measurement

    def kill(self) -> None:
        """Kill the child; a step that waits for it raises CellFailed."""
        self._child.kill()

    def _send(self, message: Message) -> None:
        with suppress(BrokenPipeError):  # the next `_receive` reports the end of the child
            _put(self._line, message)

    def _receive(self, step: Step | None = None) -> Message:
        try:
            message = _get(self._line)
        except (EOFError, ConnectionError):
            self._child.join()
            stage = step.title if step else "between stages"
            raise CellFailed(f"{stage}: its process ended with code {self._child.exitcode}; see {self._log}") from None
        if reason := message.get("failed"):
            raise CellFailed(reason if step is None or reason.startswith(step.title) else f"{step.title}: {reason}")
        return message


def make_ready() -> None:
    """Start the process from which all workers are forked, unless it runs; do not wait until it is ready."""
    with _starting:
        if sys.platform == "linux":  # on other systems a process that has loaded torch must not be forked
            forkserver.set_forkserver_preload(PRELOADED)
        variables = ONE_THREAD | MEMORY_KEPT
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            with _short_temporary_folder():
                forkserver.ensure_running()
        finally:
            for name, value in before.items():
                _restore(name, value)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Put temporary files into /tmp if TMPDIR is too long for a socket's address, as the job folders of clusters are.

    Only the user may enter the socket's folder.
    """
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = before


def serve(line: Connection, log: str) -> None:
    """Run the child: read a cell from the line, then run each of its steps when the parent orders it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C, and kills the child
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    inbox = _inbox(line)
    message = inbox.get()
    try:
        _serve(message, inbox, line)
    except Exception as error:
        _put(line, {"failed": _reason(error)})
        raise


def _serve(message: Message, inbox: "queue.Queue[Message]", line: Connection) -> None:
    from den.cells import Cell
    from den.config import read
    from den.execution import Execution, answered, finish, locked, refuse_other_code
    from den.ledger import Ledger
    from den.training import set_up_torch

    set_up_torch()
    cell, order = read(Cell, message["cell"], "cell"), read(Order, message["order"], "order")
    places = Places(**{name: Path(path) for name, path in message["places"].items()})
    refuse_other_code(cell, order)
    with locked(cell, places):
        if (entry := answered(cell, places, order)) is not None:
            _answer(line, Ledger.of(places).load(entry.id), measured=False)
            return
        execution = Execution.resume(cell, places, order)
        for step in execution.steps():
            _put(line, {"step": {"task": step.task + 1, "stage": step.stage}})
            inbox.get()
            first = len(execution.result.measures)
            step.run()
            taken = execution.result.measures[first:]
            seconds = next(row["value"] for row in reversed(taken) if row["measure"] == measures.SECONDS)
            scores = execution.result.scores["auroc"][step.task] if step.stage == measures.EVALUATION else []
            _put(line, {"seconds": seconds, "measures": taken, "auroc": scores[: step.task + 1]})
        _answer(line, finish(execution), measured=True)


def _reason(error: Exception) -> str:
    """Return why a cell failed: the message of an error of this project, or the class and message of another one."""
    from den.config import SettingsError
    from den.execution import OutOfMemory

    understood = isinstance(error, ArithmeticError | SettingsError | OutOfMemory)
    return str(error) if understood else f"{type(error).__name__}: {error}"


def _answer(line: Connection, measurement: Measurement, measured: bool) -> None:
    _put(line, {"measurement": sealed.seal(measurement), "measured": measured})


def _inbox(line: Connection) -> "queue.Queue[Message]":
    """Return a queue of the messages on the line; when the line closes, the process exits at once."""
    inbox: queue.Queue[Message] = queue.Queue()

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                inbox.put(_get(line))
        os._exit(ORPHANED)

    threading.Thread(target=listen, daemon=True).start()
    return inbox


def _put(line: Connection, message: Message) -> None:
    line.send_bytes(json.dumps(message).encode())


def _get(line: Connection) -> Message:
    message: Message = json.loads(line.recv_bytes())
    return message


def _restore(name: str, value: str | None) -> None:
    if value is None:
        del os.environ[name]
    else:
        os.environ[name] = value
