"""Keeps the tags `suites` and `newest` of cells true, so that a filter on both gives the means of a suite.

Of a cell's measurements (same key, name and device) the newest has `newest = yes`, and carries the suites of all of
them. If a suite's settings change, its cell has another key: the former one no longer counts for that suite.
"""

from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus, RunTag

from den.ledger import CellResult
from flows.tracking import parent_runs
from flows.tracking.tracker import NEWEST, NO, YES

SUITES = "suites"
MOST = 1000  # newest measurements of one name and seed, which differ in their settings


def settle(
    client: MlflowClient,
    experiment: str,
    run: str,
    before: Mapping[str, str],
    result: CellResult,
    suite: str,
    finish: bool = False,
) -> None:
    """Have a cell's run carry `suite`, and say whether it is the newest; then correct the others.

    before: the run's tags; the suites of one that was not the newest may have gone over to others. finish: end the run
    too, before others are corrected: one that is cut off before that is removed, and may not have changed any.
    """
    end = parent_runs.milliseconds(result.measurement.origin.ended)
    rivals = _rivals(client, experiment, run, result)
    alike = [rival for rival in rivals if _is_of(rival, result)]
    other = [rival for rival in rivals if rival not in alike and suite in _parted(rival.data.tags)]
    superseded = any(rival.info.end_time > end for rival in alike)
    own = {suite} | (_parted(before) if superseded or before.get(NEWEST) == YES else set())
    if not superseded:
        own = own.union(*(_parted(rival.data.tags) for rival in alike))
    tags = _tags(own, not superseded)
    if any(rival.info.end_time > end for rival in other):
        tags = _without(own, suite) if not superseded else tags
    _write(client, run, tags)
    if finish:
        client.set_terminated(run, RunStatus.to_string(RunStatus.FINISHED), end)
    for rival in alike:
        changed = _tags(_parted(rival.data.tags) | own, True) if superseded else _tags(_parted(rival.data.tags), False)
        _write(client, rival.info.run_id, changed)
    for rival in other:
        if rival.info.end_time <= end:
            _write(client, rival.info.run_id, _without(_parted(rival.data.tags), suite))


def _rivals(client: MlflowClient, experiment: str, run: str, result: CellResult) -> list[Run]:
    """Return the other runs that are the newest of their cell, of the same name and seed."""
    condition = f"tags.{NEWEST} = '{YES}' and tags.method = '{result.name}' and tags.seed = '{result.measurement.seed}'"
    runs = client.search_runs([experiment], condition, max_results=MOST)
    return [rival for rival in runs if rival.info.run_id != run]


def _is_of(run: Run, result: CellResult) -> bool:
    """Return whether a run in MLflow is of a result's cell and device: a GPU does not replace a processor."""
    measurement = result.measurement
    return (run.data.tags["key"], run.data.tags.get("device")) == (measurement.key, measurement.device)


def _without(suites: Iterable[str], suite: str) -> Mapping[str, str]:
    """Return the tags of a cell that no longer counts for a suite; one that counts for no other is not the newest."""
    remaining = set(suites) - {suite}
    return _tags(remaining or {suite}, bool(remaining))


def _tags(suites: Iterable[str], is_newest: bool) -> Mapping[str, str]:
    return {SUITES: f"|{'|'.join(sorted(suites))}|", NEWEST: YES if is_newest else NO}


def _parted(tags: Mapping[str, str]) -> set[str]:
    return set(filter(None, tags.get(SUITES, "").split("|")))


def _write(client: MlflowClient, run: str, tags: Mapping[str, str]) -> None:
    client.log_batch(run, tags=[RunTag(*tag) for tag in tags.items()])
