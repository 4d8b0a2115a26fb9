"""Cells on other machines: the workers of a Prefect work pool run them, each a run of the deployment `cell`.

The machines share the servers alone. A worker prepares its data itself and keeps its own ledger; the record comes back
as an artifact of the run and is taken in only where its identity is the one expected here: same data, code and torch.
"""

import json
import time
from typing import Any

import prefect
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment

from den.ledger import Places, Record
from den.runs import Cell, finished, identity
from den.worker import CellFailed
from flows.cells import learn, received, taken

DEPLOYMENT = "remote cell/cell"
ON_GPU = "remote cell/cell-gpu"
ATTEMPTS = 3  # of a cell whose worker was lost
PAUSE = 10.0  # seconds before the second attempt, doubled before every other
ARTIFACT = "record"


@prefect.flow(name="remote cell", flow_run_name="{cell[stream]} · {cell[method]} · seed {cell[seed]}")
def cell(cell: dict[str, Any]) -> None:
    """Run one cell on this machine, unless its ledger has it, and send the record back."""
    asked, places = received(cell)
    record = finished(asked, places) or learn(asked, places)
    Artifact(key=_key(identity(asked, places)), type=ARTIFACT, data=record).create()


def learn_elsewhere(cell: Cell, places: Places) -> Record:
    """Have a worker of the pool run the cell; return its record, written into this machine's ledger.

    A worker that is lost is replaced, at most twice. Raises CellFailed.
    """
    run = _run(cell)
    for attempt in range(1, ATTEMPTS):
        if run.state is None or run.state.type != StateType.CRASHED:
            break
        time.sleep(PAUSE * 2 ** (attempt - 1))
        run = _run(cell)
    if run.state is None or run.state.type != StateType.COMPLETED:
        raise CellFailed(f"flow run {run.name} {run.id}: {run.state.message if run.state else 'no state'}")
    return taken(cell, places, _record(cell, places, run))


def _run(cell: Cell) -> FlowRun:
    deployment = ON_GPU if cell.training.device == "cuda" else DEPLOYMENT
    return run_deployment(deployment, parameters={"cell": cell.model_dump(mode="json")}, timeout=None, poll_interval=2)


def _record(cell: Cell, places: Places, run: FlowRun) -> Record:
    """Return the record that a run sent back. Raises CellFailed where it is none of this cell."""
    key = _key(identity(cell, places))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])), limit=1)
    if not found:
        raise CellFailed(f"flow run {run.id} sent no record {key}: its machine has other data, code or torch")
    record: Record = json.loads(str(found[0].data))
    return record


def _key(identity: str) -> str:
    return f"record-{identity}"
