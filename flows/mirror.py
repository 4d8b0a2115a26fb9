"""Writes records of the ledger into MLflow: an experiment a stream, a parent run a benchmark, a child run a cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunStatus, RunTag

from den.ledger import identities
from flows import lockfile, models, notes, points, tracking
from reports import names, tables

Record = Mapping[str, Any]
Tags = dict[str, str]

FINISHED = RunStatus.to_string(RunStatus.FINISHED)
SOURCE = {"mlflow.source.name": "den", "mlflow.source.type": "LOCAL"}  # the commit is shown beside it
COMMIT = "mlflow.source.git.commit"


@dataclass(frozen=True)
class Benchmark:
    """The finished cells of a suite on one stream, and what was made of them."""

    suite: str
    stream: str
    records: Sequence[Record]
    report: Path | None
    verdict: str

    @property
    def newest(self) -> Record:
        """The record that was finished last."""
        return max(self.records, key=lambda record: points.milliseconds(record["provenance"]["finished"]))


def show(suite: str, records: Sequence[Record], report: Path | None = None, verdict: str = "") -> None:
    """Add the records that MLflow does not know, as children of one parent run a stream."""
    client = MlflowClient(tracking.address())
    for stream in sorted({record["cell"]["stream"] for record in records}):
        found = [record for record in records if record["cell"]["stream"] == stream]
        _show(client, Benchmark(suite, stream, found, report, verdict))


def _show(client: MlflowClient, benchmark: Benchmark) -> None:
    experiment = _experiment(client, benchmark.newest)
    new = [record for record in benchmark.records if not _known(client, experiment, record)]
    if not new:
        return
    parent = _parent(client, experiment, benchmark)
    for record in new:
        _show_cell(client, experiment, parent, benchmark, record)
    _describe(client, parent, benchmark, len(new))
    client.set_terminated(parent)


def _experiment(client: MlflowClient, record: Record) -> str:
    stream = record["cell"]["stream"]
    name = names.stream(stream)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    own = tracking.address().startswith("sqlite:")
    tags = {"stream": stream, notes.NOTE: notes.of_stream(record)}
    return client.create_experiment(name, f"{tracking.artifacts()}/{stream}" if own else None, tags)


def _known(client: MlflowClient, experiment: str, record: Record) -> bool:
    """Tell whether the cell is there under its name; a half-told one of an earlier run is removed."""
    searches = (f"tags.identity = '{one}'" for one in identities(record))
    found = [run for search in searches for run in client.search_runs([experiment], search)]
    for run in found:
        if run.info.status != FINISHED:
            models.forget(client, experiment, run.info.run_id)
            client.delete_run(run.info.run_id)
    method = tables.method(record)
    return any(run.info.status == FINISHED and run.data.tags["method"] == method for run in found)


def _parent(client: MlflowClient, experiment: str, benchmark: Benchmark) -> str:
    """Return the benchmark's run; one that an earlier telling left open is taken up again."""
    left_open = f"tags.role = 'benchmark' and tags.suite = '{benchmark.suite}' and attributes.status = 'RUNNING'"
    found = client.search_runs([experiment], left_open, max_results=1)
    if found:
        return found[0].info.run_id
    tags = SOURCE | {"role": "benchmark", "suite": benchmark.suite, "stream": benchmark.stream}
    tags |= {"data": pin} if (pin := lockfile.pinned(benchmark.stream)) else {}
    start = min(points.milliseconds(record["provenance"]["started"]) for record in benchmark.records)
    name = f"{benchmark.suite} · {names.stream(benchmark.stream)}"
    return client.create_run(experiment, start, tags, name).info.run_id


def _describe(client: MlflowClient, parent: str, benchmark: Benchmark, new: int) -> None:
    """Give the benchmark's run its table, report, figures and words; once more changes nothing."""
    suite, records, verdict = benchmark.suite, benchmark.records, benchmark.verdict
    if table := notes.markdown(suite, records):
        client.log_text(parent, table, "summary.md")
        client.log_text(parent, notes.numbers(suite, records).to_csv(index=False), "summary.csv")
    if benchmark.report is not None:
        client.log_artifacts(parent, str(benchmark.report), "report")
        for figure in sorted((benchmark.report / "figures" / benchmark.stream).glob("*.png")):
            client.log_artifact(parent, str(figure), "figures")
    client.log_inputs(parent, [_data(benchmark.newest)])
    tags = _origin(benchmark.newest, verdict) | {notes.NOTE: notes.of_benchmark(suite, records, new, verdict)}
    client.log_batch(parent, points.of_benchmark(records), tags=[RunTag(*tag) for tag in tags.items()])


def _show_cell(client: MlflowClient, experiment: str, parent: str, benchmark: Benchmark, record: Record) -> None:
    origin, about = record["provenance"], _about(record, benchmark)
    tags = SOURCE | about | _origin(record, benchmark.verdict) | {"role": "cell", "mlflow.parentRunId": parent}
    name = f"{names.method(tables.method(record))} · seed {record['cell']['seed']}"
    run = client.create_run(experiment, points.milliseconds(origin["started"]), tags, name).info.run_id
    client.log_batch(run, params=[Param(key, str(value)) for key, value in _flat(record["cell"])])
    client.log_inputs(run, [_data(record)])
    model = models.log(client, experiment, run, record, about)
    for batch in points.of_cell(record, model):
        client.log_batch(run, metrics=batch)
    client.log_dict(run, dict(record), "record.json")
    client.set_tag(run, notes.NOTE, notes.of_cell(record, model))
    client.set_terminated(run, FINISHED, points.milliseconds(origin["finished"]))


def _about(record: Record, benchmark: Benchmark) -> Tags:
    """Return the tags that a cell and its model are found by."""
    cell = {"stream": benchmark.stream, "method": tables.method(record), "seed": str(record["cell"]["seed"])}
    data = {"stream_hash": record["provenance"]["stream_hash"]}
    return cell | data | {"suite": benchmark.suite, "identity": record["identity"]}


def _origin(record: Record, verdict: str) -> Tags:
    """Return the tags of the code and the verdict, where they are known; MLflow shows its own of the commit."""
    commit = record["provenance"]["commit"]
    return ({"commit": commit, COMMIT: commit} if commit else {}) | ({"verdict": verdict} if verdict else {})


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
