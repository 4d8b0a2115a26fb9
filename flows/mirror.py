"""Writes records of the ledger into MLflow: an experiment a stream, a parent run a benchmark, a child run a cell."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus
from numpy.typing import NDArray

from den import metrics
from flows import datasets, tracking
from reports import tables

Record = Mapping[str, Any]

BATCH = 1000  # metrics in one call; MLflow takes no more
FINISHED = RunStatus.to_string(RunStatus.FINISHED)


def show(suite: str, records: Sequence[Record], report: Path | None = None) -> None:
    """Add the records that MLflow does not know, as children of one parent run a stream."""
    client = MlflowClient(tracking.address())
    for stream in sorted({record["cell"]["stream"] for record in records}):
        _show_stream(client, suite, [record for record in records if record["cell"]["stream"] == stream], report)


def _show_stream(client: MlflowClient, suite: str, records: Sequence[Record], report: Path | None) -> None:
    experiment = _experiment(client, records[0]["cell"]["stream"])
    new = [record for record in records if not _known(client, experiment, record)]
    if not new:
        return
    parent = _parent(client, experiment, suite, records)
    for record in new:
        _show_cell(client, experiment, parent, suite, record)
    client.log_batch(parent, metrics=_summary(records))
    if report is not None:
        client.log_artifacts(parent, str(report), "report")
    client.set_terminated(parent)


def _experiment(client: MlflowClient, stream: str) -> str:
    found = client.get_experiment_by_name(stream)
    if found is not None:
        return found.experiment_id
    own = tracking.address().startswith("sqlite:")
    return client.create_experiment(stream, artifact_location=f"{tracking.artifacts()}/{stream}" if own else None)


def _known(client: MlflowClient, experiment: str, record: Record) -> bool:
    """Tell whether the cell is there under its name; a half-told one of an earlier run is removed."""
    found = client.search_runs([experiment], f"tags.identity = '{record['identity']}'")
    for run in found:
        if run.info.status != FINISHED:
            client.delete_run(run.info.run_id)
    return any(run.info.status == FINISHED and run.info.run_name == _name(record) for run in found)


def _parent(client: MlflowClient, experiment: str, suite: str, records: Sequence[Record]) -> str:
    """Return the benchmark's run; one that an earlier telling left open is taken up again."""
    left_open = f"tags.role = 'benchmark' and tags.suite = '{suite}' and attributes.status = 'RUNNING'"
    found = client.search_runs([experiment], left_open, max_results=1)
    if found:
        return found[0].info.run_id
    stream, commit = records[0]["cell"]["stream"], records[-1]["provenance"]["commit"]
    tags = {"role": "benchmark", "suite": suite, "stream": stream, "mlflow.source.git.commit": commit or ""}
    tags |= {"data": pin} if (pin := datasets.pinned(stream)) else {}
    start = min(_milliseconds(record["provenance"]["started"]) for record in records)
    return client.create_run(experiment, start_time=start, tags=tags, run_name=f"{suite} · {stream}").info.run_id


def _show_cell(client: MlflowClient, experiment: str, parent: str, suite: str, record: Record) -> None:
    cell, origin = record["cell"], record["provenance"]
    start, tags = _milliseconds(origin["started"]), _tags(record, parent, suite)
    run = client.create_run(experiment, start, tags, _name(record)).info.run_id
    client.log_batch(run, params=[Param(key, str(value)) for key, value in _flat(cell)])
    client.log_inputs(run, [_data(record)])
    for batch in _batches(_metrics(record)):
        client.log_batch(run, metrics=batch)
    client.log_dict(run, dict(record), "record.json")
    client.set_terminated(run, FINISHED, _milliseconds(origin["finished"]))


def _name(record: Record) -> str:
    return f"{tables.method(record)} · seed {record['cell']['seed']}"


def _tags(record: Record, parent: str, suite: str) -> dict[str, str]:
    cell, origin = record["cell"], record["provenance"]
    about = {key: str(cell[key]) for key in ("stream", "method", "seed")}
    own = {"role": "cell", "identity": record["identity"], "suite": suite, "stream_hash": origin["stream_hash"]}
    return about | own | {"mlflow.parentRunId": parent, "mlflow.source.git.commit": origin["commit"] or ""}


def _data(record: Record) -> DatasetInput:
    stream, digest = record["cell"]["stream"], record["provenance"]["stream_hash"]
    source = f'{{"uri": "data/streams/{stream}"}}'
    data = Dataset(name=stream, digest=digest[:36], source_type="local", source=source)  # 36: the width of the column
    return DatasetInput(data, [InputTag("mlflow.data.context", "train")])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _metrics(record: Record) -> list[Metric]:
    now = _milliseconds(record["provenance"]["finished"])
    points = [*_score_points(record["scores"]), *_measure_points(record["measures"]), *_capacity_points(record)]
    return [Metric(key, float(value), now, step) for key, value, step in points if math.isfinite(value)]


def _score_points(scores: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Yield (key, value, step) of every score; the step is the number of tasks learned."""
    for score, rows in scores.items():
        matrix = np.array(rows, dtype=float)
        tasks = len(matrix)
        for after, row in enumerate(matrix, start=1):
            yield from ((f"{score}/task {task:02}", value, after) for task, value in enumerate(row, start=1))
        yield from ((f"{score}/average", value, after) for after, value in enumerate(metrics.averages(matrix), start=1))
        yield from ((f"{score}/{name}", measure(matrix), tasks) for name, measure in _wholes())


def _wholes() -> Iterator[tuple[str, Callable[[NDArray[np.float64]], float]]]:
    """Yield the metrics of a whole matrix; its average is the last of the averages already."""
    return ((name.replace("_", " "), metric) for name, metric in metrics.METRICS.items() if name != "average")


def _measure_points(measures: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, float, int]]:
    for one in measures:
        layer = "" if one["layer"] is None else f"layer {one['layer']}"
        if one["stage"] is not None:
            yield f"{one['measure']}/{' '.join(filter(None, (one['stage'], layer)))}", one["value"], one["task"]
        elif layer:
            yield f"{one['measure']}/{layer}", one["value"], one["task"]
        else:
            yield f"capacity/{one['measure']}", one["value"], one["task"]


def _capacity_points(record: Record) -> Iterator[tuple[str, float, int]]:
    tasks = max(len(rows) for rows in record["scores"].values())
    yield from ((f"final/{name}", value, tasks) for name, value in record["capacity"].items())
    yield "final/train seconds", record["train_seconds"], tasks


def _summary(records: Sequence[Record]) -> list[Metric]:
    """Return the parent's metrics: each method's final average of each score, over its seeds."""
    found: dict[str, list[float]] = {}
    for record in records:
        for score, rows in record["scores"].items():
            key = f"{score}/{tables.method(record)}"
            found.setdefault(key, []).append(metrics.average(np.array(rows, dtype=float)))
    now = max(_milliseconds(record["provenance"]["finished"]) for record in records)
    means = {key: float(np.mean(values)) for key, values in found.items()}
    return [Metric(key, value, now, 0) for key, value in means.items() if math.isfinite(value)]


def _batches(points: Sequence[Metric]) -> Iterator[Sequence[Metric]]:
    return (points[start : start + BATCH] for start in range(0, len(points), BATCH))


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
