"""A cell's own process: the arithmetic of one cell in one process and one thread, steered from outside.

The two sides exchange one JSON line a message: the child announces a step and waits for the word to run it.
Children are forked from one process that has torch loaded already, which is most of a short cell's time.
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
# The allocator of Linux would hand memory back after every step and fault it in again for the next.
MEMORY_KEPT = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
PRELOADED = ["den.preloaded", "torch._dynamo"]  # the second is what the first step of an optimiser would load
LONGEST = 60  # bytes of a folder whose sockets have an address of at most 103, the least of all systems
GO, ORPHANED = "go", 3
Message = dict[str, Any]

_starting = threading.Lock()


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
    """A cell in a process of its own; leaving the context ends the process, whatever it is doing.

    After the last step `measurement` answers the cell; `measured` says whether it was measured now.
    As multiprocessing asks, a script that uses one does so under `if __name__ == "__main__":`.
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
        """Yield the stages still to do; give each to `run` before asking for the next.

        There is none if a measurement answers the cell already. A cell that another process measures is waited for.
        """
        while "step" in (message := self._receive()):
            yield Step(**message["step"])
        self.measurement, self.measured = sealed.read_as(Measurement, message["measurement"]), message["measured"]

    def run(self, step: Step) -> Message:
        """Have the child run the step; return its seconds and measures. Raises CellFailed."""
        self._send({GO: step.title})
        return self._receive(step)

    def finish(self, announce: Callable[[str], None] = lambda title: None) -> Measurement:
        """Run all steps that are left, each announced by its title; return what answers the cell. Raises CellFailed."""
        for step in self.steps():
            announce(step.title)
            self.run(step)
        return self.measurement

    def kill(self) -> None:
        """End the child at once; a step that waits for it raises CellFailed."""
        self._child.kill()

    def _send(self, message: Message) -> None:
        with suppress(BrokenPipeError):  # the child's end is told by the next answer, which does not come
            _put(self._line, message)

    def _receive(self, step: Step | None = None) -> Message:
        try:
            message = _get(self._line)
        except (EOFError, ConnectionError):
            self._child.join()
            where = step.title if step else "between stages"
            raise CellFailed(f"{where}: its process ended with code {self._child.exitcode}; see {self._log}") from None
        if reason := message.get("failed"):
            raise CellFailed(reason if step is None or reason.startswith(step.title) else f"{step.title}: {reason}")
        return message


def make_ready() -> None:
    """Start the process that all workers are forked from, where it is not there yet; returns before it is ready."""
    with _starting:
        if sys.platform == "linux":  # elsewhere torch may not be forked once it is loaded
            forkserver.set_forkserver_preload(PRELOADED)
        own = ONE_THREAD | MEMORY_KEPT
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            with _short_temporary_folder():
                forkserver.ensure_running()
        finally:
            for name, value in before.items():
                _restore(name, value)


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Have temporary files in /tmp if TMPDIR is too long for the address of a socket, as job folders on clusters are.

    The socket lies in a folder that this user alone may enter, wherever that is.
    """
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = before


def serve(line: Connection, log: str) -> None:
    """Be the child: run the steps of the cell that comes first on the line, each when told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    inbox = _inbox(line)
    order = inbox.get()
    try:
        _serve(order, inbox, line)
    except Exception as error:
        _put(line, {"failed": _reason(error)})
        raise


def _serve(order: Message, inbox: "queue.Queue[Message]", line: Connection) -> None:
    from den.cells import Cell
    from den.config import read
    from den.execution import Execution, answered, finish, locked, refuse_other_code
    from den.ledger import Ledger
    from den.training import set_up_torch

    set_up_torch()
    cell, asked = read(Cell, order["cell"], "cell"), read(Order, order["order"], "order")
    places = Places(**{name: Path(path) for name, path in order["places"].items()})
    refuse_other_code(cell, asked)
    with locked(cell, places):
        if (entry := answered(cell, places, asked)) is not None:
            _answer(line, Ledger.of(places).load(entry.id), measured=False)
            return
        execution = Execution.resume(cell, places, asked)
        for step in execution.steps():
            _put(line, {"step": {"task": step.task + 1, "stage": step.stage}})
            inbox.get()
            first = len(execution.result.measures)
            step.run()
            taken = execution.result.measures[first:]
            seconds = next(row["value"] for row in reversed(taken) if row["measure"] == measures.SECONDS)
            _put(line, {"seconds": seconds, "measures": taken})
        _answer(line, finish(execution), measured=True)


def _reason(error: Exception) -> str:
    """Return why a cell failed: our own words as they are, others with the name of their error."""
    from den.config import SettingsError
    from den.execution import OutOfMemory

    own = isinstance(error, ArithmeticError | SettingsError | OutOfMemory)
    return str(error) if own else f"{type(error).__name__}: {error}"


def _answer(line: Connection, measurement: Measurement, measured: bool) -> None:
    _put(line, {"measurement": sealed.seal(measurement), "measured": measured})


def _inbox(line: Connection) -> "queue.Queue[Message]":
    """Return the messages of the line as they come; the end of it ends this process, whatever it is doing."""
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
