"""Writes parents to MLflow: an experiment per stream, with a run per parent, its cells below it, and the trend."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, RunStatus, RunTag

from flows.tracking import (
    cell_runs,
    descriptions,
    inventory,
    metric_points,
    parent_runs,
    remedies,
    stores,
    tracker,
    trend,
    views,
)
from flows.tracking.cell_runs import COMMIT, SOURCE
from flows.tracking.parent_runs import Parent
from reports import labels

FINISHED, FAILED = RunStatus.to_string(RunStatus.FINISHED), RunStatus.to_string(RunStatus.FAILED)
RUNNING = RunStatus.to_string(RunStatus.RUNNING)
ROLE = "run"


def show(client: MlflowClient, parent: Parent) -> None:
    """Add a parent with the cells that MLflow lacks; a complete parent stays, an interrupted one is completed."""
    experiment = _experiment(client, parent.stream)
    run = _opened(client, experiment, parent)
    if run is None:
        return
    cell_runs.show(client, experiment, run, parent)
    _describe(client, experiment, run, parent)
    if parent.numbered:
        trend.add(client, experiment, run, parent)
    client.set_terminated(run, FAILED if parent.alarming else FINISHED, parent_runs.milliseconds(parent.ended))
    inventory.toggle(client, experiment, parent.mark)


def _experiment(client: MlflowClient, stream: str) -> str:
    """Return the id of a stream's experiment, new if it does not exist; update its views. Raises Trashed if deleted."""
    name, view_tags = labels.stream(stream), views.tags()
    experiment: Experiment | None = client.get_experiment_by_name(name)
    if experiment is not None and experiment.lifecycle_stage == LifecycleStage.DELETED:
        raise remedies.Trashed(name, experiment.experiment_id, tracker.address())
    if experiment is None:
        folder = f"{tracker.artifacts()}/{stream}" if stores.is_database(tracker.address()) else None
        tags = {"stream": stream, descriptions.NOTE: descriptions.of_stream(stream)} | view_tags
        return str(client.create_experiment(name, folder, tags))
    for key, value in view_tags.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return str(experiment.experiment_id)


def _opened(client: MlflowClient, experiment: str, parent: Parent) -> str | None:
    """Return the id of the parent's run, new or reopened; None if the run is complete."""
    runs = client.search_runs([experiment], f"tags.run = '{parent.id}' and tags.role = '{ROLE}'", max_results=1)
    if not runs:
        tags = SOURCE | {"role": ROLE, "run": parent.id, "suite": parent.suite, "stream": parent.stream}
        start = parent_runs.milliseconds(parent.started)
        return str(client.create_run(experiment, start, tags | {"trigger": parent.trigger}, parent.name).info.run_id)
    info, mark = runs[0].info, runs[0].data.tags.get("mark", "")
    if info.status != RUNNING and mark == parent.mark:
        return None
    if info.status != RUNNING:
        inventory.toggle(client, experiment, mark)
    client.update_run(info.run_id, RUNNING)
    return str(info.run_id)


def _describe(client: MlflowClient, experiment: str, run: str, parent: Parent) -> None:
    """Log the means, table, report, figures and description of a parent; repeating it changes nothing."""
    twin = _twin(client, experiment, run, parent)
    report = twin or (run if parent.report else "")
    if parent.report and not twin:
        _log_report(client, run, parent.report, parent.stream)
    if parent.results:
        client.log_text(run, descriptions.numbers(parent).to_csv(index=False), "summary.csv")
        client.log_inputs(run, [cell_runs.data_of(parent.results[-1].measurement)])
    counts = {"measured": str(len(parent.measured)), "reused": str(len(parent.reused))}
    link = descriptions.link("an earlier run", experiment, twin) if twin else ""
    about = {"verdict": parent.verdict, "report": report, "same_as": twin, "bits": parent.bits, "mark": parent.mark}
    tags = counts | {key: value for key, value in about.items() if value} | _commit(parent)
    tags[descriptions.NOTE] = descriptions.of_parent(parent, link)
    means = metric_points.of_results(parent.results, parent.ended)
    client.log_batch(run, means, tags=[RunTag(*tag) for tag in tags.items()])


def _twin(client: MlflowClient, experiment: str, run: str, parent: Parent) -> str:
    """Return the id of the earlier run that has the report of equal bits; empty if there is none."""
    condition = f"tags.bits = '{parent.bits}' and tags.role = '{ROLE}' and tags.report != ''"
    twins = client.search_runs([experiment], condition, max_results=1, order_by=["attributes.start_time ASC"])
    return twins[0].data.tags["report"] if twins and twins[0].info.run_id != run else ""


def _log_report(client: MlflowClient, run: str, report: Path, stream: str) -> None:
    client.log_artifacts(run, str(report), "report")
    for figure in sorted((report / "figures" / stream).glob("*.png")):
        client.log_artifact(run, str(figure), "figures")


def _commit(parent: Parent) -> dict[str, str]:
    """Return the commit of a parent's measurements as tags; none if they have several commits."""
    commits = {result.measurement.origin.commit for result in parent.measured}
    commit = commits.pop() if len(commits) == 1 else None
    return {"commit": commit, COMMIT: commit} if commit else {}
