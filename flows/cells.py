"""One cell as a Prefect flow, each stage of its method a visible step."""

from typing import Any

import prefect
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run

from den import suites
from den.config import read
from den.ledger import Places, Record, write_record
from den.runs import Cell, identity, named, record_path, unnamed
from den.worker import CellFailed, Worker
from flows import crew, datasets, lockfile, steps, zombies
from flows.progress import watcher

LIMIT = "den-cells"


@prefect.flow(name="cell", flow_run_name="{cell.title}")
def learn(cell: Cell, places: Places) -> Record:
    """Run one cell, each stage of its method a visible step; it goes on from the last stage that was finished.

    Where the server has a concurrency limit LIMIT, it holds for the cells of all machines together.
    """
    with concurrency(LIMIT, occupy=1, strict=False), Worker(cell, places, origin(cell)) as worker, crew.member(worker):
        for step in worker.steps():
            watcher().began(cell, step.task, step.stage)
            with zombies.untagged():
                steps.stage(worker, step)
        return worker.record


def origin(cell: Cell) -> dict[str, Any]:
    """Return what only the flow knows of where a cell's result comes from."""
    return {"flow_run": flow_run.id, "data_version": lockfile.pinned(cell.stream)}


def received(settings: dict[str, Any]) -> tuple[Cell, Places]:
    """Return the cell that another machine asks for, its data prepared here, and where this machine keeps things."""
    cell, places = read(Cell, settings, "cell"), Places()
    datasets.prepare([cell.stream], suites.load(), places)
    return cell, places


def taken(cell: Cell, places: Places, record: Record) -> Record:
    """Return a record of another machine, written into this one's ledger. Raises CellFailed for one of another cell."""
    if record["identity"] != (expected := identity(cell, places)):
        raise CellFailed(f"a worker sent {record['identity']}, not {expected}: it has other data, code or torch")
    write_record(record_path(cell, places), unnamed(record))
    return named(record, cell)
