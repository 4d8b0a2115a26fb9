"""Runs in the ledger: begun or continued, held by one process, and ended."""

import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock

from den import provenance
from den.cells import Cell, fingerprint, key_of
from den.config import SettingsError
from den.ledger import Answer, Asked, Begun, CellResult, Ended, Ledger, Machine, Order, Places, Planned, Run
from den.ledger.run import How, Trigger
from den.training import device_of
from flows.runtime import processes

LOCK = "lock"


@dataclass(frozen=True)
class Circumstances:
    """How a run comes about: by whom, under which deployment and flow-run id, and how many cells run at a time."""

    trigger: Trigger = "hand"
    deployment: str | None = None
    flow_run: str | None = None
    slots: int | None = None

    @property
    def run_id(self) -> str | None:
        """The id that a deployment's run has; a retry of the flow run has it too."""
        return self.flow_run if self.deployment else None


class Held(NamedTuple):
    """A run and its lock, taken: while it is, no other process continues the run."""

    begun: Begun
    lock: FileLock


@contextmanager
def begun(
    asked: Asked, cells: Sequence[Cell], places: Places, circumstances: Circumstances, fresh: bool = False
) -> Iterator[Begun]:
    """Begin or continue a run, and hold it for this process while the context lasts.

    A local run continues the newest one of the same request and code on this machine that was killed, or of which cells
    failed, unless `fresh`. Raises SettingsError if another process holds a deployment's run, DataError for unprepared
    streams.
    """
    ledger, plan = Ledger.of(places), planned(cells, places)
    machine = provenance.machine(_device(cells[0]))
    held = None if fresh or circumstances.run_id else _continued(ledger, asked, plan, machine, places)
    held = held or _begun(ledger, asked, machine, plan, places, circumstances)
    try:
        yield held.begun
    finally:
        held.lock.release()


def end(
    start: Begun,
    results: Sequence[CellResult],
    failures: Mapping[str, str],
    verdict: str,
    remarks: Sequence[str],
    places: Places,
) -> Run:
    """Write how a run ended; return it."""
    answers = tuple(
        Answer(title=result.title, measurement=result.measurement.id, how=_how(result)) for result in results
    )
    ended = Ended(
        id=start.id,
        ended=datetime.now(UTC),
        answers=answers,
        failures=dict(failures),
        verdict=verdict,
        remarks=tuple(remarks),
    )
    Ledger.of(places).end(ended)
    return Run(start, ended)


def discard_checkpoints(run: Run, places: Places) -> None:
    """Remove the checkpoints of a run without failures: only MLflow's models, which have copies, would read them."""
    if run.ended is None or run.ended.failures:
        return
    for folder in (places.work / run.id).glob("*/"):
        shutil.rmtree(folder, ignore_errors=True)


def planned(cells: Sequence[Cell], places: Places) -> tuple[Planned, ...]:
    """Return cells as a run keeps them. Raises DataError for a stream that is not prepared."""
    return tuple(
        Planned(
            key=key_of(cell, places), stream=cell.stream, name=cell.name, seed=cell.seed, fingerprint=fingerprint(cell)
        )
        for cell in cells
    )


def order_for(start: Begun, cell: Cell, slots: int | None) -> Order:
    """Return how a cell of a run is to be executed. slots: cells that run at a time now, None if others decide."""
    return Order(
        run=start.id, again=start.asked.again, fingerprint=fingerprint(cell), torch=torch.__version__, slots=slots
    )


def is_held(places: Places, id: str) -> bool:
    """Return whether a living process of this machine holds a run."""
    return processes.is_held(_lock_of(places, id))


def is_open(run: Run) -> bool:
    """Return whether a run may be continued: it was killed, or cells failed that need not all be measured again."""
    return run.ended is None or bool(run.ended.failures and not run.begun.asked.again)


def is_of_this_checkout(run: Run, places: Places) -> bool:
    """Return whether a run was begun here; a ledger may be shared by machines, and by checkouts of one machine."""
    return _lock_of(places, run.id).exists()


def _continued(
    ledger: Ledger, asked: Asked, plan: tuple[Planned, ...], machine: Machine, places: Places
) -> Held | None:
    """Return the newest run of this checkout that this one continues, if there is any."""
    host = f"{platform.node()}/"
    for run in reversed(ledger.runs(asked.suite)):
        start = run.begun
        local = start.deployment is None and start.process.startswith(host) and start.machine == machine
        same = (start.asked, start.cells, start.torch) == (asked, plan, torch.__version__)
        here = is_of_this_checkout(run, places)
        if is_open(run) and local and same and here and (lock := processes.taken(_lock_of(places, run.id))):
            return Held(start, lock)
    return None


def _begun(
    ledger: Ledger,
    asked: Asked,
    machine: Machine,
    plan: tuple[Planned, ...],
    places: Places,
    circumstances: Circumstances,
) -> Held:
    """Return a new run, or the one that has a deployment's id already."""
    id = circumstances.run_id or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    path = _lock_of(places, id)
    path.parent.mkdir(parents=True, exist_ok=True)
    if (lock := processes.taken(path)) is None:
        raise SettingsError(f"run {id} is held by another process; wait for its end")
    if earlier := ledger.runs(id=id):
        return Held(earlier[0].begun, lock)
    start = Begun(
        id=id,
        asked=asked,
        cells=plan,
        started=datetime.now(UTC),
        trigger=circumstances.trigger,
        process=processes.own_name(),
        machine=machine,
        load=provenance.load(),
        slots=circumstances.slots,
        torch=torch.__version__,
        deployment=circumstances.deployment,
        **provenance.code(),
    )
    ledger.begin(start)
    return Held(start, lock)


def _lock_of(places: Places, id: str) -> Path:
    """Return the file that is locked while a process of this machine holds a run."""
    return places.work / id / LOCK


def _how(result: CellResult) -> How:
    return "measured" if result.how == "measured" else "reused"


def _device(cell: Cell) -> torch.device:
    """Return what a cell trains on; the processor if its GPU is on another machine."""
    try:
        return device_of(cell.training)
    except SettingsError:
        return torch.device("cpu")
