"""Begins, continues and ends runs in the ledger. One process at a time holds a run."""

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
    """What started a run, its deployment and flow-run id, and how many cells run at a time."""

    trigger: Trigger = "hand"
    deployment: str | None = None
    flow_run: str | None = None
    slots: int | None = None

    @property
    def run_id(self) -> str | None:
        """The id of a deployment's run, which a retry of the flow run shares; None without a deployment."""
        return self.flow_run if self.deployment else None


class LockedRun(NamedTuple):
    """A run and its acquired lock, which keeps other processes from continuing the run."""

    begun: Begun
    lock: FileLock


@contextmanager
def begun(
    request: Asked, cells: Sequence[Cell], places: Places, circumstances: Circumstances, fresh: bool = False
) -> Iterator[Begun]:
    """Begin or continue a run, and hold it for this process while the context lasts.

    Unless `fresh`, a local run continues the newest run of this machine that has the same request and code and was
    killed or has failed cells. Raises SettingsError if another process holds a deployment's run, and DataError if a
    stream is not prepared.
    """
    ledger, plan = Ledger.of(places), planned(cells, places)
    machine = provenance.machine(_device(cells[0]))
    earlier = None if fresh or circumstances.run_id else _continued(ledger, request, plan, machine, places)
    run = earlier or _begun(ledger, request, machine, plan, places, circumstances)
    try:
        yield run.begun
    finally:
        run.lock.release()


def end(
    start: Begun,
    results: Sequence[CellResult],
    failures: Mapping[str, str],
    verdict: str,
    remarks: Sequence[str],
    places: Places,
) -> Run:
    """Write the end of a run to the ledger; return the ended run."""
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
    """Remove the checkpoints of a run without failed cells: nothing reads them again, MLflow's models have copies."""
    if run.ended is None or run.ended.failures:
        return
    for folder in (places.work / run.id).glob("*/"):
        shutil.rmtree(folder, ignore_errors=True)


def planned(cells: Sequence[Cell], places: Places) -> tuple[Planned, ...]:
    """Return the ledger's description of cells. Raises DataError if a stream is not prepared."""
    return tuple(
        Planned(
            key=key_of(cell, places), stream=cell.stream, name=cell.name, seed=cell.seed, fingerprint=fingerprint(cell)
        )
        for cell in cells
    )


def order_for(start: Begun, cell: Cell, slots: int | None) -> Order:
    """Return the order to execute a cell of a run. slots: cells that run at a time, None if other machines decide."""
    return Order(
        run=start.id, again=start.asked.again, fingerprint=fingerprint(cell), torch=torch.__version__, slots=slots
    )


def is_held(places: Places, id: str) -> bool:
    """Return whether a living process of this machine holds a run."""
    return processes.is_held(_lock_of(places, id))


def is_open(run: Run) -> bool:
    """Return whether a run can be continued: it was killed, or has failed cells but not `again`."""
    return run.ended is None or bool(run.ended.failures and not run.begun.asked.again)


def is_of_this_checkout(run: Run, places: Places) -> bool:
    """Return whether a run was begun in this checkout; machines and checkouts may share a ledger."""
    return _lock_of(places, run.id).exists()


def _continued(
    ledger: Ledger, request: Asked, plan: tuple[Planned, ...], machine: Machine, places: Places
) -> LockedRun | None:
    """Return the newest run of this checkout that can be continued; None if there is none."""
    host = f"{platform.node()}/"
    for run in reversed(ledger.runs(request.suite)):
        start = run.begun
        local = start.deployment is None and start.process.startswith(host) and start.machine == machine
        same = (start.asked, start.cells, start.torch) == (request, plan, torch.__version__)
        same = same and is_of_this_checkout(run, places)
        if is_open(run) and local and same and (lock := processes.try_lock(_lock_of(places, run.id))):
            return LockedRun(start, lock)
    return None


def _begun(
    ledger: Ledger,
    request: Asked,
    machine: Machine,
    plan: tuple[Planned, ...],
    places: Places,
    circumstances: Circumstances,
) -> LockedRun:
    """Return a new run, or the existing run of a deployment."""
    id = circumstances.run_id or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    path = _lock_of(places, id)
    path.parent.mkdir(parents=True, exist_ok=True)
    if (lock := processes.try_lock(path)) is None:
        raise SettingsError(f"another process holds run {id}; wait until it ends")
    if earlier := ledger.runs(id=id):
        return LockedRun(earlier[0].begun, lock)
    start = Begun(
        id=id,
        asked=request,
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
    return LockedRun(start, lock)


def _lock_of(places: Places, id: str) -> Path:
    """Return the lock file of a run."""
    return places.work / id / LOCK


def _how(result: CellResult) -> How:
    return "measured" if result.how == "measured" else "reused"


def _device(cell: Cell) -> torch.device:
    """Return the device that a cell trains on; the CPU if its GPU is on another machine."""
    try:
        return device_of(cell.training)
    except SettingsError:
        return torch.device("cpu")
