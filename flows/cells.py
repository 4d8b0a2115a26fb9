"""One cell as a Prefect flow, each stage of its method a visible step."""

from typing import Any

import prefect
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run

from den.ledger import Places, Record
from den.runs import Cell
from den.worker import Worker
from flows import crew, datasets, steps
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
            steps.stage(worker, step)
        return worker.record


def origin(cell: Cell) -> dict[str, Any]:
    """Return what only the flow knows of where a cell's result comes from."""
    return {"flow_run": flow_run.id, "data_version": datasets.pinned(cell.stream)}
