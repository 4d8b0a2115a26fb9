"""Writes the cells of a parent to MLflow: one run per measurement and name."""

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, RunStatus, RunTag

from den.ledger import CellResult, Measurement
from den.ledger.settings import flat
from flows.tracking import descriptions, metric_points, models, newest_tags, parent_runs
from flows.tracking.parent_runs import Parent
from flows.tracking.tracker import ABOVE, OURS

SOURCE = OURS | {"mlflow.source.type": "LOCAL"}  # MLflow shows the commit beside it
COMMIT = "mlflow.source.git.commit"
FINISHED = RunStatus.to_string(RunStatus.FINISHED)
WIDTH = 36  # characters of a digest that MLflow stores


def show(client: MlflowClient, experiment: str, run: str, parent: Parent) -> None:
    """Add the cells that MLflow lacks below the run of their parent, and tag all cells with its suite."""
    for title, result in zip(parent_runs.titles(parent), parent.results, strict=True):
        cell = _existing(client, experiment, result)
        if cell is None:
            above = run if result.how != "reused" else _run_of(client, experiment, result.measurement.origin.run)
            _add(client, experiment, above, title, parent, result)
            continue
        if result.how == "measured" and cell.data.tags.get(ABOVE) != run:
            client.set_tag(cell.info.run_id, ABOVE, run)
        newest_tags.settle(client, experiment, cell.info.run_id, cell.data.tags, result, parent.suite)


def data_of(measurement: Measurement) -> DatasetInput:
    """Return the MLflow data set of a cell."""
    source = f'{{"uri": "data/streams/{measurement.stream}"}}'
    data = Dataset(name=measurement.stream, digest=measurement.data[:WIDTH], source_type="local", source=source)
    return DatasetInput(data, [InputTag("mlflow.data.context", "train")])


def _existing(client: MlflowClient, experiment: str, result: CellResult) -> Run | None:
    """Return the run of a measurement under its name, None if there is none; delete runs that were interrupted."""
    runs = client.search_runs([experiment], f"tags.measurement = '{result.measurement.id}'", max_results=100)
    for run in runs:
        if run.info.status != FINISHED:
            models.forget(client, experiment, run.info.run_id)
            client.delete_run(run.info.run_id)
    whole = (run for run in runs if run.info.status == FINISHED and run.data.tags["method"] == result.name)
    return next(whole, None)


def _run_of(client: MlflowClient, experiment: str, id: str | None) -> str:
    """Return the id of the MLflow run of a run of the ledger; empty if MLflow has none."""
    runs = client.search_runs([experiment], f"tags.run = '{id}' and tags.role = 'run'", max_results=1) if id else []
    return runs[0].info.run_id if runs else ""


def _add(client: MlflowClient, experiment: str, above: str, title: str, parent: Parent, result: CellResult) -> None:
    measurement = result.measurement
    about = _about(result, parent)
    twin = _twin(client, experiment, about["bits"])
    tags = SOURCE | about | {"role": "cell"} | ({ABOVE: above} if above else {})
    start = parent_runs.milliseconds(measurement.origin.started)
    run = client.create_run(experiment, start, tags, title).info.run_id
    client.log_batch(run, params=[Param(key, str(value)) for key, value in flat(measurement.settings)])
    client.log_inputs(run, [data_of(measurement)])
    model, new = _model(client, experiment, run, result, twin, about)
    for batch in metric_points.of_cell(measurement, model if new else None):
        client.log_batch(run, metrics=batch)
    if twin is None:
        client.log_text(run, measurement.model_dump_json(indent=1), "measurement.json")
    link = descriptions.link(twin.info.run_name, experiment, twin.info.run_id) if twin else ""
    more = {
        "model": model,
        "same_as": twin.info.run_id if twin else "",
        descriptions.NOTE: descriptions.of_cell(result, model, link),
    }
    client.log_batch(run, tags=[RunTag(key, value) for key, value in more.items() if value])
    newest_tags.settle(client, experiment, run, {}, result, parent.suite, finish=True)


def _twin(client: MlflowClient, experiment: str, bits: str) -> Run | None:
    """Return the oldest run with the same bits; None if there is none."""
    condition = f"tags.bits = '{bits}' and attributes.status = '{FINISHED}' and tags.role = 'cell'"
    runs = client.search_runs([experiment], condition, max_results=1, order_by=["attributes.start_time ASC"])
    return runs[0] if runs else None


def _model(
    client: MlflowClient, experiment: str, run: str, result: CellResult, twin: Run | None, about: dict[str, str]
) -> tuple[str, bool]:
    """Return the id of the cell's model, empty without one, and whether it is new; runs of equal bits share a model."""
    shared = twin.data.tags.get("model", "") if twin else ""
    if shared and models.exists(client, shared):
        return shared, False
    model = models.log(client, experiment, run, result, about)
    if model and twin:
        client.set_tag(twin.info.run_id, "model", model)
    return model, bool(model)


def _about(result: CellResult, parent: Parent) -> dict[str, str]:
    """Return the tags of a cell and its model; a value that was not recorded has no tag."""
    measurement = result.measurement
    origin = measurement.origin
    tags = {
        "suite": parent.suite,
        "stream": measurement.stream,
        "method": result.name,
        "seed": str(measurement.seed),
        "measurement": measurement.id,
        "key": measurement.key,
        "device": measurement.device,
        "digest": measurement.digest,
        "fingerprint": origin.fingerprint,
        "bits": parent_runs.bits(measurement),
        "data": measurement.data,
        "run": origin.run,
        "commit": origin.commit,
        COMMIT: origin.commit,
        "machine": origin.machine.label,
        "verdict": parent.verdict if result.how == "measured" else "",
    }
    return {key: value for key, value in tags.items() if value}
