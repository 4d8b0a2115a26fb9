"""The results of a suite: the newest measurement per cell, or the accepted one if the ledger has none."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from den import suites
from den.cells import Cell, key_of, settings_of
from den.config import SettingsError
from den.ledger import CellResult, Entry, Ledger, Places, Run
from den.ledger.settings import series_of
from den.streams.prepared import DataError
from den.suites import Plan
from reports import accepted_results

logger = logging.getLogger("den")


def of_ledger(suite: str, places: Places) -> list[CellResult]:
    """Return the newest measurement of each cell of a suite, and of cells that its runs added by method or seed.

    Cells of other settings than the suite's are left out. If a stream is not prepared here, or not for a seed, the
    newest measurement counts, whatever data it read, and a warning says so. A suite that is not in params.yaml is that
    of own data: its runs have the results, whatever has become of the file.
    """
    plan, ledger = suites.load(), Ledger.of(places)
    if suite not in plan.file.suites and (runs := ledger.runs(suite)):
        return of_runs(runs, ledger)
    results, unprepared = [], set()
    for cell in cells_of(plan, suite, ledger):
        try:
            entries = ledger.entries(key=key_of(cell, places), **_device(cell))
        except (DataError, SettingsError):
            entries = _of_any_data(cell, ledger)
            unprepared |= {cell.stream} if entries else set()
        if entries:
            results.append(CellResult(cell.name, ledger.load(entries[-1].id), "reused"))
    for stream in sorted(unprepared):
        logger.warning(
            "%s is not prepared here, or not for all seeds: its newest measurements are taken, whatever data they read",
            stream,
        )
    return results


def _of_any_data(cell: Cell, ledger: Ledger) -> list[Entry]:
    """Return the measurements of a cell's settings and seed, the oldest first."""
    return ledger.entries(series=series_of(settings_of(cell)), seed=cell.seed, **_device(cell))


def of_runs(runs: Sequence[Run], ledger: Ledger) -> list[CellResult]:
    """Return the newest result of each cell of these runs; of a stream and seed only on the newest data."""
    newest: dict[str, CellResult] = {}
    for run in sorted(runs, key=lambda run: run.begun.started):
        newest |= {result.title: replace(result, how="reused") for result in ledger.results(run)}
    data = {_draw(result): result.measurement.data for result in _by_time(newest.values())}
    return [result for result in newest.values() if result.measurement.data == data[_draw(result)]]


def refuse_unknown(suite: str, places: Places) -> None:
    """Raise SettingsError for a suite that neither params.yaml nor a run of the ledger has."""
    if not Ledger.of(places).runs(suite):
        suites.load().suite(suite)


def _by_time(results: Iterable[CellResult]) -> list[CellResult]:
    return sorted(results, key=lambda result: result.measurement.origin.ended)


def _draw(result: CellResult) -> tuple[str, int]:
    """Return the stream and the seed of a result."""
    return result.measurement.stream, result.measurement.seed


def _device(cell: Cell) -> dict[str, str]:
    """Return the kind of device that a cell's measurement must be of; any for `auto`."""
    return {} if cell.training.device == "auto" else {"device": cell.training.device}


def with_accepted(suite: str, places: Places) -> list[CellResult]:
    """Return the results of a suite from the ledger, and the accepted ones of cells that the ledger lacks.

    An accepted result is left out if the ledger has other data for its stream and seed: the two cannot be paired.
    """
    measured = of_ledger(suite, places)
    cells = {result.title for result in measured}
    data = {_draw(result): result.measurement.data for result in measured}
    accepted = accepted_results.results(suite) if suite in accepted_results.suites() else []
    return measured + [
        result
        for result in accepted
        if result.title not in cells and data.get(_draw(result), result.measurement.data) == result.measurement.data
    ]


def cells_of(plan: Plan, suite: str, ledger: Ledger) -> Iterator[Cell]:
    """Yield the cells of a suite and those that runs of it have added by name or seed, as params.yaml has them now."""
    grid = plan.suite(suite)
    cells = {(cell.stream, cell.name, cell.seed): cell for cell in plan.cells(suite)}
    yield from cells.values()
    planned = (cell for run in ledger.runs(suite) for cell in run.begun.cells)
    for place in dict.fromkeys((cell.stream, cell.name, cell.seed) for cell in planned):
        if place not in cells:
            try:
                yield plan.cell(grid, *place)
            except SettingsError:  # the method, variant or stream was removed
                continue
