"""Which runs and accepted results MLflow lacks, and showing them one after the other."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow import MlflowClient

from den.ledger import CellResult, Ended, Ledger, LedgerError, Places, Run
from flows import parents, tracking
from flows.parents import Parent, milliseconds
from flows.tracking import Progress
from reports import accepted_results, tables

PAGE = 1000  # runs that MLflow returns at once
PRUNED = "pruned"  # tag of an experiment: the milliseconds before which its runs were removed on purpose


@dataclass(frozen=True)
class Shown:
    """What MLflow has as a whole: id, stream and end of its parents. pruned: per stream, before when it lacks them."""

    parents: frozenset[tuple[str, str, int]]
    pruned: Mapping[str, int]

    def lacks(self, run: Run, ended: Ended) -> bool:
        """Return whether an ended run is to be shown on any stream."""
        start, end = milliseconds(run.begun.started), milliseconds(ended.ended)
        streams = {cell.stream for cell in run.begun.cells}
        return any((run.id, name, end) not in self.parents and start >= self.pruned.get(name, 0) for name in streams)

    def lacks_accepted(self, id: str, streams: Iterable[str]) -> bool:
        """Return whether accepted results are to be shown on any stream."""
        return not set(streams) <= {stream for known, stream, _ in self.parents if known == id}


@dataclass(frozen=True)
class Pending:
    """A run, or a suite's accepted results, that MLflow lacks; `parents` reads it."""

    name: str
    parents: Callable[[], Sequence[Parent]]


def show_run(run: Run, results: Sequence[CellResult], report: Path | None) -> None:
    """Show a run in MLflow, one parent per stream."""
    tracking.store()
    _show(MlflowClient(tracking.address()), parents.of_run(run, results, report))


def show_all(places: Places, progress: Progress) -> None:
    """Show what the ledger has, the oldest first, then accepted results."""
    tracking.store()
    client = MlflowClient(tracking.address())
    shown = _shown(client)
    pending = [*_runs(Ledger.of(places), shown), *_accepted(shown)]
    for number, item in enumerate(pending, start=1):
        progress(f"{number} of {len(pending)}: {item.name}")
        _show(client, item.parents())


def _show(client: MlflowClient, of_streams: Sequence[Parent]) -> None:
    from flows import mirror  # loads what draws and reads networks, which a sync with nothing to add can do without

    for parent in of_streams:
        with tracking.store():
            mirror.show(client, parent)


def _shown(client: MlflowClient) -> Shown:
    streams = [experiment for experiment in client.search_experiments() if "stream" in experiment.tags]
    pruned = {one.tags["stream"]: int(one.tags[PRUNED]) for one in streams if PRUNED in one.tags}
    condition, token = "tags.role = 'run' and attributes.status != 'RUNNING'", None
    shown: set[tuple[str, str, int]] = set()
    while streams:
        ids = [experiment.experiment_id for experiment in streams]
        page = client.search_runs(ids, condition, max_results=PAGE, page_token=token)
        shown |= {(run.data.tags["run"], run.data.tags["stream"], run.info.end_time) for run in page}
        if not (token := page.token):
            break
    return Shown(frozenset(shown), pruned)


def _runs(ledger: Ledger, shown: Shown) -> Iterator[Pending]:
    for run in ledger.runs():
        if run.ended is not None and shown.lacks(run, run.ended):
            yield Pending(f"{run.suite} · {run.begun.started:%Y-%m-%d %H:%M}", partial(_of_run, run, ledger))


def _of_run(run: Run, ledger: Ledger) -> Sequence[Parent]:
    return parents.of_run(run, list(results(run, ledger)))


def results(run: Run, ledger: Ledger) -> Iterator[CellResult]:
    """Yield what answers the cells of a run; what the ledger has lost is left out."""
    names = {cell.title: cell.name for cell in run.begun.cells}
    for answer in run.answers.values():
        try:
            measurement = ledger.load(answer.measurement)
        except LedgerError as error:
            tracking.logger.warning("%s", error)
            continue
        yield CellResult(names.get(answer.title, measurement.method), measurement, answer.how)


def _accepted(shown: Shown) -> Iterator[Pending]:
    for suite in accepted_results.suites():
        id, cells = _id(suite), tables.read_one(accepted_results.ACCEPTED / suite, "cells")
        if shown.lacks_accepted(id, cells["stream"]):
            yield Pending(f"accepted · {suite}", partial(_of_accepted, suite, id))


def _of_accepted(suite: str, id: str) -> Sequence[Parent]:
    return parents.of_accepted(suite, id, accepted_results.results(suite))


def _id(suite: str) -> str:
    """Return an id of a suite's accepted results, which changes if they do; without reading the measurements."""
    folder = accepted_results.ACCEPTED / suite
    content = b"".join((folder / name).read_bytes() for name in ("cells.csv", accepted_results.MEASUREMENTS))
    return f"accepted-{suite}-{hashlib.sha256(content).hexdigest()[:16]}"
