"""The trend of a suite in MLflow: a run `history` with a metric per method, whose step is the number of the run."""

from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus

from flows.tracking import descriptions, metric_points, parent_runs
from flows.tracking.parent_runs import Parent

ROLE = "history"
NUMBER, HIGHEST = "number", "runs"


def add(client: MlflowClient, experiment: str, run: str, parent: Parent) -> None:
    """Number the run of a parent, and add its means to the trend, for methods of which it measured every cell."""
    history = _history(client, experiment, parent)
    highest = int(history.data.tags.get(HIGHEST, "0"))
    number = int(client.get_run(run).data.tags.get(NUMBER, highest + 1))
    client.set_tag(run, NUMBER, str(number))
    client.set_tag(history.info.run_id, HIGHEST, str(max(number, highest)))
    whole = [result for result in parent.results if result.name in parent.whole]
    client.log_batch(history.info.run_id, metric_points.of_results(whole, parent.ended, number))
    finished = RunStatus.to_string(RunStatus.FINISHED)
    client.set_terminated(history.info.run_id, finished, parent_runs.milliseconds(parent.ended))


def _history(client: MlflowClient, experiment: str, parent: Parent) -> Run:
    condition = f"tags.role = '{ROLE}' and tags.suite = '{parent.suite}'"
    if runs := client.search_runs([experiment], condition, max_results=1):
        return runs[0]
    note = descriptions.of_history(parent.suite, parent.stream)
    tags = {"role": ROLE, "suite": parent.suite, "stream": parent.stream, descriptions.NOTE: note}
    start = parent_runs.milliseconds(parent.started)
    return client.create_run(experiment, start, tags, f"history · {parent.suite}")
