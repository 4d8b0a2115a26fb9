"""Which runs and accepted results MLflow lacks, and showing them one after the other."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow import MlflowClient

from den.ledger import CellResult, Ledger, LedgerError, Places, Run
from flows import parents, tracking
from flows.parents import Parent
from flows.tracking import Progress
from reports import accepted_results

PAGE = 1000  # runs that MLflow returns at once

Shown = set[tuple[str, str, int]]
"Id, stream and end of what MLflow has as a whole."


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
    for done, item in enumerate(pending):
        progress(done, len(pending), item.name)
        _show(client, item.parents())
    progress(len(pending), len(pending), "")


def _show(client: MlflowClient, of_streams: Sequence[Parent]) -> None:
    from flows import mirror  # loads what draws and reads networks, which a sync with nothing to add can do without

    for parent in of_streams:
        with tracking.store():
            mirror.show(client, parent)


def _shown(client: MlflowClient) -> Shown:
    """Return what MLflow has as a whole: parents that are ended."""
    experiments = [one.experiment_id for one in client.search_experiments() if "stream" in one.tags]
    condition, token, shown = "tags.role = 'run' and attributes.status != 'RUNNING'", None, set()
    while experiments:
        page = client.search_runs(experiments, condition, max_results=PAGE, page_token=token)
        shown |= {(run.data.tags["run"], run.data.tags["stream"], run.info.end_time) for run in page}
        if not (token := page.token):
            break
    return shown


def _runs(ledger: Ledger, shown: Shown) -> Iterator[Pending]:
    for run in ledger.runs():
        if run.ended is None:
            continue
        end = int(run.ended.ended.timestamp() * 1000)
        if any((run.id, cell.stream, end) not in shown for cell in run.begun.cells):
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
    known = {id for id, _, _ in shown}
    for suite in accepted_results.suites():
        if (id := _id(suite)) not in known:
            yield Pending(f"accepted · {suite}", partial(_of_accepted, suite, id))


def _of_accepted(suite: str, id: str) -> Sequence[Parent]:
    return parents.of_accepted(suite, id, accepted_results.results(suite))


def _id(suite: str) -> str:
    """Return an id of a suite's accepted results, which changes if they do; without reading the measurements."""
    folder = accepted_results.ACCEPTED / suite
    content = b"".join((folder / name).read_bytes() for name in ("cells.csv", accepted_results.MEASUREMENTS))
    return f"accepted-{suite}-{hashlib.sha256(content).hexdigest()[:16]}"
