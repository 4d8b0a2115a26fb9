"""What MLflow and Prefect have of this project that is older than asked, and its removal."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx

from den.config import SettingsError
from flows.tracking import remedies, tracker
from flows.tracking.parent_runs import ACCEPTED
from flows.tracking.tracker import ABOVE, NEWEST, OURS, PRUNED, YES

FLOWS = ("benchmark", "cell", "remote cell", "search", "prepare")  # whose runs are removed
PAGE = 200  # Prefect's API returns no more at a time
BATCH = 1000  # MLflow's runs of one page, and of one command line
PATIENCE = 10.0  # seconds for a server to delete logs
SQLITE = "sqlite:///"
REFERENCES = (ABOVE, "same_as", "report")  # tags of a run that name another
TAGS = (*REFERENCES, NEWEST, "trigger", "model")


class Shown(NamedTuple):
    """A run that MLflow shows: its start in milliseconds, the address of its artifacts, and TAGS."""

    id: str
    experiment: str
    started: int
    artifacts: str
    tags: Mapping[str, str]


def of_mlflow(limit: datetime, dry_run: bool) -> str:
    """Remove MLflow's runs that began before, with their models: marked as deleted, then collected by `mlflow gc`.

    Return a line with their count and size, empty if there are none; dry_run: remove nothing.
    """
    address = tracker.address()
    own = address.startswith(SQLITE)
    if own and not Path(address.removeprefix(SQLITE)).exists():
        return ""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(address)
        with tracker.store():
            kept, old = _parted(_shown(client), int(limit.timestamp() * 1000))
            models = _models_of(client, kept, old)
            size = _at([*(run.artifacts for run in old), *(model.artifact_location for model in models)])
            if not dry_run:
                _delete(client, old, models, int(limit.timestamp() * 1000))
            for start in range(0, len(old) if own and not dry_run else 0, BATCH):
                _collect(address, old[start : start + BATCH], models)
    except (MlflowException, SQLAlchemyError) as error:
        return f"MLflow: nothing ({remedies.line(error, address)})"
    left = f"{sized(size)} of artifacts" if own else "marked as deleted; `mlflow gc` on its server frees their space"
    return f"MLflow: {counted(len(old), 'run')}, {left}" if old else ""


def _shown(client: Any) -> Iterator[Shown]:
    """Yield MLflow's runs of this project."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    condition, token = " and ".join(f"tags.`{name}` = '{value}'" for name, value in OURS.items()), None
    while experiments:
        page = client.search_runs(experiments, condition, max_results=BATCH, page_token=token)
        for run in page:
            info, tags = run.info, {name: run.data.tags[name] for name in TAGS if name in run.data.tags}
            yield Shown(info.run_id, info.experiment_id, info.start_time, info.artifact_uri, tags)
        if not (token := page.token):
            break


def _parted(runs: Iterable[Shown], limit: int) -> tuple[list[Shown], list[Shown]]:
    """Return the runs to keep and those to remove. limit: milliseconds.

    Kept are, beside the younger ones, accepted results, the newest measurement of each cell, and what these refer to:
    the run above a cell, and the one that has the report or network of the same bits.
    """
    by_id = {run.id: run for run in runs}
    accepted = {run.id for run in by_id.values() if run.tags.get("trigger") == ACCEPTED}
    waiting = [run for run in by_id.values() if run.started >= limit or run.tags.get(NEWEST) == YES]
    waiting += [run for run in by_id.values() if accepted & {run.id, run.tags.get(ABOVE)}]
    kept: set[str] = set()
    while waiting:
        run = waiting.pop()
        if run.id not in kept:
            kept.add(run.id)
            waiting += [by_id[id] for name in REFERENCES if (id := run.tags.get(name)) in by_id]
    ordered = by_id.values()
    return [run for run in ordered if run.id in kept], [run for run in ordered if run.id not in kept]


def _models_of(client: Any, kept: Sequence[Shown], old: Sequence[Shown]) -> list[Any]:
    """Return the models of runs to remove that no other run shares."""
    shared, ids = {run.tags.get("model") for run in kept}, {run.id for run in old}
    experiments, models, token = sorted({run.experiment for run in old}), [], None
    while experiments:
        page = client.search_logged_models(experiments, page_token=token)
        models += [model for model in page if model.source_run_id in ids and model.model_id not in shared]
        if not (token := page.token):
            break
    return models


def _delete(client: Any, runs: Sequence[Shown], models: Sequence[Any], limit: int) -> None:
    """Delete runs and models; note per experiment until when, so that `den sync` does not mirror them again."""
    for experiment in {run.experiment for run in runs}:
        before = int(client.get_experiment(experiment).tags.get(PRUNED, 0))
        client.set_experiment_tag(experiment, PRUNED, str(max(limit, before)))
    for model in models:
        client.delete_logged_model(model.model_id)
    for run in runs:
        client.delete_run(run.id)


def _collect(address: str, runs: Sequence[Shown], models: Sequence[Any]) -> None:
    """Have MLflow remove deleted runs, and those of the models that are theirs, for good."""
    ids = {run.id for run in runs}
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", address, "--tracking-uri", address]
    command += ["--run-ids", ",".join(sorted(ids))]
    if theirs := [model.model_id for model in models if model.source_run_id in ids]:
        command += ["--logged-model-ids", ",".join(theirs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise SettingsError(f"`mlflow gc` failed ({last[0]}); the runs are marked as deleted, run it again")


def of_prefect(limit: datetime, dry_run: bool) -> str:
    """Remove Prefect's flow runs that ended before, with artifacts and logs; return a line as `of_mlflow` does."""
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
        return f"Prefect: nothing, since its server does not answer ({type(error).__name__})"
    return f"Prefect: {counted(count, 'flow run')}" if count else ""


def _ended_flow_runs(client: Any, limit: datetime, offset: int) -> list[Any]:
    """Return ids of flow runs that ended before; delete nothing."""
    from prefect.client.schemas import filters

    ended = filters.FlowRunFilter(end_time=filters.FlowRunFilterEndTime.model_validate({"before_": limit}))
    ours = filters.FlowFilter(name=filters.FlowFilterName(any_=list(FLOWS)))
    runs = client.read_flow_runs(flow_filter=ours, flow_run_filter=ended, limit=PAGE, offset=offset)
    return [run.id for run in runs]


def _delete_flow_runs(client: Any, ids: Sequence[Any]) -> None:
    """Delete flow runs and their artifacts, which no server deletes with them; wait until their logs are gone."""
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
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def counted(count: int, noun: str) -> str:
    """Return 1 run, 2 runs."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def sized(size: int) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _at(addresses: Iterable[str]) -> int:
    """Return the size of folders of this machine, by their file: addresses."""
    parts = map(urlsplit, addresses)
    return sum(size_of(Path(unquote(part.path))) for part in parts if part.scheme == "file")
