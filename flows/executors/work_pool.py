"""Cells on other machines: workers of a Prefect work pool measure them, one run of the deployment `cell` per cell.

The machines share only the servers. A worker prepares its data, refuses to run with other code or another torch than
the requesting machine, and sends the measurement back as an artifact. The requesting machine writes it to the ledger.
"""

import json
import time
from typing import Any, cast

import prefect
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment

from den.cells import Cell, key_of
from den.ledger import Order, Places
from den.worker import CellFailed
from flows.executors.cell_flow import Worked, accepted, learn, received, sent
from flows.runtime import checkout

DEPLOYMENT = "remote cell/cell"
ON_GPU = "remote cell/cell-gpu"
ATTEMPTS = 3  # per cell, if its worker is lost
PAUSE = 10.0  # seconds before the second attempt; doubled for each further one
ARTIFACT = "measurement"


@prefect.flow(name="remote cell", flow_run_name="{cell[stream]} · {cell[method]} · seed {cell[seed]}")
def cell(cell: dict[str, Any], order: dict[str, Any]) -> None:
    """Measure one cell on this machine and send the measurement back.

    Raises OtherCode if code or torch differ from those of the requesting machine, SettingsError if the checkout is at
    another commit than the deployment.
    """
    checkout.refuse_other_commit()
    local_cell, places, local_order = received(cell, order)
    line = sent(learn(local_cell, places, local_order).measurement)
    Artifact(key=_key(local_order, key_of(local_cell, places)), type=ARTIFACT, data={"line": line}).create()


def learn_elsewhere(cell: Cell, places: Places, order: Order) -> Worked:
    """Let a worker of the pool measure the cell, and write its measurement to this machine's ledger.

    A lost worker is replaced, at most twice. Raises CellFailed.
    """
    run = _run(cell, order)
    for attempt in range(1, ATTEMPTS):
        if run.state is None or run.state.type != StateType.CRASHED:
            break
        time.sleep(PAUSE * 2 ** (attempt - 1))
        run = _run(cell, order)
    if run.state is None or run.state.type != StateType.COMPLETED:
        raise CellFailed(f"flow run {run.name} {run.id}: {run.state.message if run.state else 'no state'}")
    return accepted(_line(cell, places, order, run), cell, places, order)


def _run(cell: Cell, order: Order) -> FlowRun:
    deployment = ON_GPU if cell.training.device == "cuda" else DEPLOYMENT
    parameters = {"cell": cell.model_dump(mode="json"), "order": order.model_dump(mode="json")}
    run = run_deployment(deployment, parameters=parameters, timeout=None, poll_interval=2)
    return cast(FlowRun, run)  # it is a coroutine only inside an event loop


def _line(cell: Cell, places: Places, order: Order, run: FlowRun) -> str:
    """Return the sealed line that a run sent back. Raises CellFailed if it sent none for this cell."""
    key = _key(order, key_of(cell, places))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])), limit=1)
    if not artifacts:
        raise CellFailed(f"flow run {run.id} sent no artifact {key}: its machine has other data")
    return str(json.loads(str(artifacts[0].data))["line"])


def _key(order: Order, key: str) -> str:
    """Return the artifact's key, which names run and cell."""
    return f"measurement-{order.run}-{key}"
