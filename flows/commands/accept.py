"""`den accept`: publish the results of one run as the accepted results of its suite."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from den import suites
from den.cells import Cell, settings_of
from den.config import SettingsError
from den.ledger import CellResult, Entry, Ledger, Measurement, Places, Run
from den.ledger.settings import key_of
from reports import accepted_results

logger = logging.getLogger(__name__)

LISTED = 3  # cells that a message names

Ids = Mapping[str, str]
"Ids of measurements, by the title of their cell."


def accept_run(suite: str, run_id: str | None, partial: bool, add: bool, places: Places) -> Path:
    """Publish the results of a run as the accepted results of a suite; return their folder.

    run_id: by default the newest complete run that has every cell to accept, with the settings of params.yaml.
    partial: accept the run even if cells are missing. add: keep the accepted results of cells that the run lacks.
    Raises SettingsError if no results can be accepted.
    """
    ledger, cells = Ledger.of(places), _grid(suite)
    run = _chosen(suite, run_id, partial or add, cells, ledger)
    _refuse_repeated(run)
    ids = _matching(cells, _ids_of(run, ledger), ledger)
    kept = _kept(suite, cells, ids) if add else {}
    _refuse_missing(run, cells, ids, kept, partial, add)
    measured = {title: ledger.load(id) for title, id in ids.items()} | kept
    results = [CellResult(cell.name, measured[cell.title]) for cell in cells if cell.title in measured]
    _refuse_mixed(run, results)
    _warn_of_uncommitted(run, results)
    return accepted_results.write(results, suite)


def _grid(suite: str) -> tuple[Cell, ...]:
    """Return the cells that the accepted results of a suite consist of."""
    plan = suites.load()
    return plan.cells(suite, seeds=plan.suite(suite).accepted_seeds or None)


def _chosen(suite: str, run_id: str | None, in_part: bool, cells: Sequence[Cell], ledger: Ledger) -> Run:
    """Return the run named by its id, or else the newest run that has the cells to accept."""
    if run_id:
        return _of_suite(suite, run_id, ledger)
    for run in reversed(ledger.runs(suite)):
        if _matching(cells, _ids_of(run, ledger), ledger) if in_part else _covers(run, cells, ledger):
            return run
    kind, hint = ("run", "") if in_part else ("complete run", ", --partial accepts an incomplete one")
    raise SettingsError(
        f"no {kind} of suite {suite} has the cells to accept with the settings of params.yaml; "
        f"`{_command(suite)}` makes one{hint}"
    )


def _of_suite(suite: str, run_id: str, ledger: Ledger) -> Run:
    runs = ledger.runs(id=run_id)
    if not runs:
        newest = [run.id for run in reversed(ledger.runs(suite))]
        raise SettingsError(
            f"run {run_id!r} is not in the ledger; the newest runs of suite {suite}: {_list(newest) or 'none'}"
        )
    if runs[0].suite != suite:
        raise SettingsError(
            f"run {run_id} belongs to suite {runs[0].suite}, not to {suite}; give --suite {runs[0].suite}"
        )
    return runs[0]


def _covers(run: Run, cells: Sequence[Cell], ledger: Ledger) -> bool:
    """Return whether a run is complete and has every cell with its present settings."""
    titles = {cell.title for cell in cells}
    ids = _ids_of(run, ledger)
    return run.whole and titles <= ids.keys() and titles == _matching(cells, ids, ledger).keys()


def _ids_of(run: Run, ledger: Ledger) -> Ids:
    """Return the measurements of a run's cells; of a run that has not ended, those it has made so far."""
    if run.ended is not None:
        return {title: answer.measurement for title, answer in run.answers.items()}
    measured = {entry.key: entry.id for entry in ledger.entries(run=run.id)}
    return {cell.title: measured[cell.key] for cell in run.begun.cells if cell.key in measured}


def _matching(cells: Sequence[Cell], ids: Ids, ledger: Ledger) -> Ids:
    """Return those measurements of these cells that have the present settings."""
    matching = {}
    for cell in cells:
        for entry in ledger.entries(id=ids[cell.title]) if cell.title in ids else ():
            if _is_of(cell, entry):
                matching[cell.title] = entry.id
    return matching


def _kept(suite: str, cells: Sequence[Cell], ids: Ids) -> dict[str, Measurement]:
    """Return the accepted measurements of the cells that a run lacks, by title, if they have the present settings.

    Raises SettingsError if the suite has no accepted results.
    """
    lacking = {cell.title: cell for cell in cells if cell.title not in ids}
    return {
        result.title: result.measurement
        for result in accepted_results.results(suite)
        if result.title in lacking and _is_of(lacking[result.title], result.measurement)
    }


def _is_of(cell: Cell, measured: Entry | Measurement) -> bool:
    """Return whether a measurement has the present settings of a cell, on whatever data."""
    return measured.key == key_of(settings_of(cell), measured.data)


def _refuse_repeated(run: Run) -> None:
    """Raise SettingsError if a run has a stream, method and seed more than once."""
    titles = Counter(answer.title for answer in run.ended.answers) if run.ended else Counter[str]()
    titles |= Counter(cell.title for cell in run.begun.cells)
    if repeated := [title for title, count in titles.items() if count > 1]:
        raise SettingsError(f"run {run.id} has {_list(repeated)} more than once; choose another run with --run")


def _refuse_missing(
    run: Run, cells: Sequence[Cell], ids: Ids, kept: Mapping[str, Measurement], partial: bool, add: bool
) -> None:
    missing = [cell.title for cell in cells if cell.title not in ids.keys() | kept.keys()]
    if not ids:
        raise SettingsError(f"run {run.id} has no cell of suite {run.suite} with the settings of params.yaml")
    if partial:
        return
    if missing:
        problem = f"lacks {_list(missing)}, or has them with other settings than params.yaml"
        hint = "" if add else "--add keeps those accepted before, "
    elif not run.whole:
        problem, hint = "is incomplete: it was stopped, or some of its cells failed", ""
    else:
        return
    measure = f"`{_command(run.suite)}` measures what is missing"
    raise SettingsError(f"run {run.id} {problem}; {measure}, {hint}--partial accepts the run as it is")


def _refuse_mixed(run: Run, results: Sequence[CellResult]) -> None:
    """Raise SettingsError if results of one method and stream were measured with different code."""
    codes: dict[tuple[str, str], set[str | None]] = {}
    for result in results:
        measurement = result.measurement
        codes.setdefault((measurement.stream, measurement.method), set()).add(measurement.origin.fingerprint)
    if mixed := [f"{method} on {stream}" for (stream, method), prints in codes.items() if len(prints) > 1]:
        raise SettingsError(
            f"run {run.id} mixes results of different code for {_list(mixed)}; "
            f"`{_command(run.suite)} --again` measures all of them with the present code"
        )


def _warn_of_uncommitted(run: Run, results: Sequence[CellResult]) -> None:
    """Warn of results of uncommitted code: nobody else can measure them again."""
    if dirty := [result.title for result in results if result.measurement.origin.dirty]:
        logger.warning("run %s has results of uncommitted code, marked -dirty in cells.csv: %s", run.id, _list(dirty))


def _command(suite: str) -> str:
    """Return the command that measures the cells to accept."""
    seeds = suites.load().suite(suite).accepted_seeds
    return f"den run --suite {suite}" + (f" --seeds {','.join(map(str, seeds))}" if seeds else "")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
