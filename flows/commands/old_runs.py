"""Removes old runs of this project from MLflow and Prefect."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

import httpx

from den.config import SettingsError
from flows.tracking import remedies, tracker
from flows.tracking.parent_runs import ACCEPTED
from flows.tracking.tracker import ABOVE, NEWEST, OURS, PRUNED, YES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from prefect.client.orchestration import SyncPrefectClient

FLOWS = ("benchmark", "cell", "remote cell", "search", "prepare")  # flows whose runs are removed
PAGE = 200  # Prefect's API returns no more at a time
BATCH = 1000  # MLflow runs per page, and per command line
PATIENCE = 10.0  # seconds that a server has to delete logs
SQLITE = "sqlite:///"
REFERENCES = (ABOVE, "same_as", "report")  # tags whose value is the id of another run
TAGS = (*REFERENCES, NEWEST, "trigger", "model")


class TrackedRun(NamedTuple):
    """A run in MLflow: its start in milliseconds, the address of its artifacts, and those of TAGS that it has."""

    id: str
    experiment: str
    started: int
    artifacts: str
    tags: Mapping[str, str]


def of_mlflow(limit: datetime, dry_run: bool) -> str:
    """Remove the MLflow runs that began before `limit`, and their models.

    They are marked as deleted, then `mlflow gc` removes them if MLflow is not on a server. dry_run: remove nothing.
    Returns a line with their count and size, empty if there are none.
    """
    address = tracker.address()
    is_local = address.startswith(SQLITE)
    if is_local and not Path(address.removeprefix(SQLITE)).exists():
        return ""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(address)
        with tracker.store():
            young, old = _split(_tracked(client), int(limit.timestamp() * 1000))
            models = _models_of(client, young, old)
            size = _size_at([*(run.artifacts for run in old), *(model.artifact_location for model in models)])
            if not dry_run:
                _delete(client, old, models, int(limit.timestamp() * 1000))
            for start in range(0, len(old) if is_local and not dry_run else 0, BATCH):
                _collect(address, old[start : start + BATCH], models)
    except (MlflowException, SQLAlchemyError) as error:
        return f"MLflow: nothing ({remedies.line(error, address)})"
    marked = "marked as deleted; `mlflow gc` on its server frees their space"
    space = f"{sized(size)} of artifacts" if is_local else marked
    return f"MLflow: {counted(len(old), 'run')}, {space}" if old else ""


def _tracked(client: MlflowClient) -> Iterator[TrackedRun]:
    """Yield the MLflow runs of this project."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    condition, token = " and ".join(f"tags.`{name}` = '{value}'" for name, value in OURS.items()), None
    while experiments:
        page = client.search_runs(experiments, condition, max_results=BATCH, page_token=token)
        for run in page:
            info, tags = run.info, {name: run.data.tags[name] for name in TAGS if name in run.data.tags}
            yield TrackedRun(info.run_id, info.experiment_id, info.start_time, info.artifact_uri, tags)
        if not (token := page.token):
            break


def _split(runs: Iterable[TrackedRun], limit: int) -> tuple[list[TrackedRun], list[TrackedRun]]:
    """Return the runs to keep and the runs to remove. limit: in milliseconds.

    Younger runs stay, and so do accepted results, the newest measurement of each cell, and every run that these refer
    to: the parent of a cell, and the run that has the report or network of the same bits.
    """
    by_id = {run.id: run for run in runs}
    accepted = {run.id for run in by_id.values() if run.tags.get("trigger") == ACCEPTED}
    waiting = [run for run in by_id.values() if run.started >= limit or run.tags.get(NEWEST) == YES]
    waiting += [run for run in by_id.values() if accepted & {run.id, run.tags.get(ABOVE)}]
    needed: set[str] = set()
    while waiting:
        run = waiting.pop()
        if run.id not in needed:
            needed.add(run.id)
            waiting += [by_id[id] for name in REFERENCES if (id := run.tags.get(name)) in by_id]
    ordered = by_id.values()
    return [run for run in ordered if run.id in needed], [run for run in ordered if run.id not in needed]


def _models_of(client: MlflowClient, young: Sequence[TrackedRun], old: Sequence[TrackedRun]) -> list[LoggedModel]:
    """Return the models of old runs that no young run shares."""
    shared, ids = {run.tags.get("model") for run in young}, {run.id for run in old}
    experiments, token = sorted({run.experiment for run in old}), None
    models: list[LoggedModel] = []
    while experiments:
        page = client.search_logged_models(experiments, page_token=token)
        models += [model for model in page if model.source_run_id in ids and model.model_id not in shared]
        if not (token := page.token):
            break
    return models


def _delete(client: MlflowClient, runs: Sequence[TrackedRun], models: Sequence[LoggedModel], limit: int) -> None:
    """Delete runs and models; tag their experiments with `limit`, so that `den sync` does not show them again."""
    for experiment in {run.experiment for run in runs}:
        before = int(client.get_experiment(experiment).tags.get(PRUNED, 0))
        client.set_experiment_tag(experiment, PRUNED, str(max(limit, before)))
    for model in models:
        client.delete_logged_model(model.model_id)
    for run in runs:
        client.delete_run(run.id)


def _collect(address: str, runs: Sequence[TrackedRun], models: Sequence[LoggedModel]) -> None:
    """Let MLflow erase deleted runs, and those of the models that belong to them."""
    ids = {run.id for run in runs}
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", address, "--tracking-uri", address]
    command += ["--run-ids", ",".join(sorted(ids))]
    if model_ids := [model.model_id for model in models if model.source_run_id in ids]:
        command += ["--logged-model-ids", ",".join(model_ids)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        last = process.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SettingsError(f"`mlflow gc` failed ({last[0]}); the runs are marked as deleted; run `mlflow gc` again")


def of_prefect(limit: datetime, dry_run: bool) -> str:
    """Remove the Prefect flow runs that ended before `limit`, with artifacts and logs; return a line as `of_mlflow`."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME

    from flows.runtime import server

    if not PREFECT_API_URL.value() and not (Path(PREFECT_HOME.value()) / "prefect.db").exists():
        return ""
    server.refuse_damaged()
    try:
        with get_client(sync_client=True) as client:
            count = 0
            while page := _ended_flow_runs(client, limit, offset=count if dry_run else 0):
                count += len(page)
                if not dry_run:
                    _delete_flow_runs(client, page)
    except httpx.TransportError as error:
        return f"Prefect: nothing, because its server does not answer ({type(error).__name__})"
    return f"Prefect: {counted(count, 'flow run')}" if count else ""


def _ended_flow_runs(client: SyncPrefectClient, limit: datetime, offset: int) -> list[UUID]:
    """Return one page of ids of flow runs that ended before `limit`."""
    from prefect.client.schemas import filters

    ended = filters.FlowRunFilter(end_time=filters.FlowRunFilterEndTime.model_validate({"before_": limit}))
    ours = filters.FlowFilter(name=filters.FlowFilterName(any_=list(FLOWS)))
    runs = client.read_flow_runs(flow_filter=ours, flow_run_filter=ended, limit=PAGE, offset=offset)
    return [run.id for run in runs]


def _delete_flow_runs(client: SyncPrefectClient, ids: Sequence[UUID]) -> None:
    """Delete flow runs, and their artifacts, which a server keeps otherwise; wait until their logs are gone."""
    from prefect.client.schemas import filters

    of_runs = filters.ArtifactFilter(flow_run_id=filters.ArtifactFilterFlowRunId(any_=list(ids)))
    while artifacts := client.read_artifacts(artifact_filter=of_runs, limit=PAGE):
        for artifact in artifacts:
            client.delete_artifact(artifact.id)
    for id in ids:
        client.delete_flow_run(id)
    logs = filters.LogFilter(flow_run_id=filters.LogFilterFlowRunId(any_=list(ids)))
    end = time.monotonic() + PATIENCE
    while client.read_logs(logs, limit=1) and time.monotonic() < end:
        time.sleep(0.2)


def size_of(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as "1 run" or "2 runs"."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def sized(size: int) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _size_at(addresses: Iterable[str]) -> int:
    """Return the size of the folders on this machine that file: addresses name, in bytes."""
    parts = map(urlsplit, addresses)
    return sum(size_of(Path(unquote(part.path))) for part in parts if part.scheme == "file")
