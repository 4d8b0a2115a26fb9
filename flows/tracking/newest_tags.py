"""Keeps the tags `suites` and `newest` of cells correct, so that a filter on both gives the means of a suite.

Among the measurements of a cell (same key, name and device) the newest has `newest = yes` and the suites of all of
them. If the settings of a suite change, its cell gets another key, and the former cell loses the suite.
"""

from collections.abc import Iterable, Mapping

from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus, RunTag

from den.ledger import CellResult
from flows.tracking import parent_runs
from flows.tracking.tracker import NEWEST, NO, YES

SUITES = "suites"
MOST = 1000  # newest measurements of a name and seed, which differ in their settings


def settle(
    client: MlflowClient,
    experiment: str,
    run: str,
    before: Mapping[str, str],
    result: CellResult,
    suite: str,
    finish: bool = False,
) -> None:
    """Tag the run of a cell with `suite` and whether it is the newest; then correct the tags of its rivals.

    before: the run's tags; if it was not the newest, its suites may belong to rivals by now. finish: also end the run,
    before rivals are corrected: an interrupted run is deleted later, so it must not have changed any rival.
    """
    end = parent_runs.milliseconds(result.measurement.origin.ended)
    rivals = _rivals(client, experiment, run, result)
    alike = [rival for rival in rivals if _is_of(rival, result)]
    former = [rival for rival in rivals if rival not in alike and suite in _suites_of(rival.data.tags)]
    superseded = any(rival.info.end_time > end for rival in alike)
    suites = {suite} | (_suites_of(before) if superseded or before.get(NEWEST) == YES else set())
    if not superseded:
        suites = suites.union(*(_suites_of(rival.data.tags) for rival in alike))
    tags = _tags(suites, not superseded)
    if any(rival.info.end_time > end for rival in former):
        tags = _without(suites, suite) if not superseded else tags
    _write(client, run, tags)
    if finish:
        client.set_terminated(run, RunStatus.to_string(RunStatus.FINISHED), end)
    for rival in alike:
        carried = _suites_of(rival.data.tags)
        changed = _tags(carried | suites, True) if superseded else _tags(carried, False)
        _write(client, rival.info.run_id, changed)
    for rival in former:
        if rival.info.end_time <= end:
            _write(client, rival.info.run_id, _without(_suites_of(rival.data.tags), suite))


def _rivals(client: MlflowClient, experiment: str, run: str, result: CellResult) -> list[Run]:
    """Return the other runs of the same name and seed that are tagged as the newest of their cell."""
    condition = f"tags.{NEWEST} = '{YES}' and tags.method = '{result.name}' and tags.seed = '{result.measurement.seed}'"
    runs = client.search_runs([experiment], condition, max_results=MOST)
    return [rival for rival in runs if rival.info.run_id != run]


def _is_of(run: Run, result: CellResult) -> bool:
    """Return whether an MLflow run has the cell and the kind of device of a result: a GPU does not replace a CPU."""
    measurement = result.measurement
    return (run.data.tags["key"], run.data.tags.get("device")) == (measurement.key, measurement.device)


def _without(suites: Iterable[str], suite: str) -> Mapping[str, str]:
    """Return the tags of a cell that loses a suite; without any other suite it is no longer the newest."""
    remaining = set(suites) - {suite}
    return _tags(remaining or {suite}, bool(remaining))


def _tags(suites: Iterable[str], is_newest: bool) -> Mapping[str, str]:
    return {SUITES: f"|{'|'.join(sorted(suites))}|", NEWEST: YES if is_newest else NO}


def _suites_of(tags: Mapping[str, str]) -> set[str]:
    return set(filter(None, tags.get(SUITES, "").split("|")))


def _write(client: MlflowClient, run: str, tags: Mapping[str, str]) -> None:
    client.log_batch(run, tags=[RunTag(*tag) for tag in tags.items()])
