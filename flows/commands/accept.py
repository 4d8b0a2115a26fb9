"""Publish the results of one run as a suite's accepted ones."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from den import suites
from den.cells import Cell, settings_of
from den.config import SettingsError
from den.ledger import CellResult, Ledger, Places, Run
from den.ledger.settings import key_of
from reports import accepted_results

logger = logging.getLogger(__name__)

NAMED = 3  # cells that a message names

Answers = Mapping[str, str]
"The ids of measurements by the titles of the cells that they answer."


def accept(suite: str, run_id: str | None, partial: bool, places: Places) -> Path:
    """Publish a run's results as the accepted ones of a suite; return their folder.

    run_id: by default that of the newest whole run that has every cell to accept, at its settings in params.yaml.
    partial: do without cells that the run has not measured. Raises SettingsError if there is nothing fit to publish.
    """
    ledger, cells = Ledger.of(places), _grid(suite)
    run = _chosen(suite, run_id, partial, cells, ledger)
    _refuse_repeated(run)
    answers = _matching(cells, _answers(run, ledger), ledger)
    _refuse_missing(run, cells, answers, partial)
    results = [CellResult(cell.name, ledger.load(answers[cell.title])) for cell in cells if cell.title in answers]
    _refuse_mixed(run, results)
    _name_uncommitted(run, results)
    return accepted_results.write(results, suite)


def _grid(suite: str) -> tuple[Cell, ...]:
    """Return the cells that an accepted suite has."""
    plan = suites.load()
    return plan.cells(suite, seeds=plan.suite(suite).accepted_seeds or None)


def _chosen(suite: str, run_id: str | None, partial: bool, cells: Sequence[Cell], ledger: Ledger) -> Run:
    """Return the run to publish: the one that is named, or else the newest that has what is to be accepted."""
    if run_id:
        return _of_suite(suite, run_id, ledger)
    for run in reversed(ledger.runs(suite)):
        if _matching(cells, _answers(run, ledger), ledger) if partial else _covers(run, cells, ledger):
            return run
    kind, hint = ("run", "") if partial else ("whole run", ", --partial does without missing cells")
    raise SettingsError(
        f"there is no {kind} of suite {suite} with the cells to accept, at the settings of params.yaml; "
        f"`{_command(suite)}` makes one{hint}"
    )


def _of_suite(suite: str, run_id: str, ledger: Ledger) -> Run:
    runs = ledger.runs(id=run_id)
    if not runs:
        newest = [run.id for run in reversed(ledger.runs(suite))]
        raise SettingsError(
            f"run {run_id!r} is not in the ledger; the newest of suite {suite}: {_named(newest) or 'none'}"
        )
    if runs[0].suite != suite:
        raise SettingsError(f"run {run_id} is one of suite {runs[0].suite}, not of {suite}; name that suite")
    return runs[0]


def _covers(run: Run, cells: Sequence[Cell], ledger: Ledger) -> bool:
    """Return whether a whole run answers every cell, at its present settings."""
    titles = {cell.title for cell in cells}
    answers = _answers(run, ledger)
    return run.whole and titles <= answers.keys() and titles == _matching(cells, answers, ledger).keys()


def _answers(run: Run, ledger: Ledger) -> Answers:
    """Return what answers a run's cells; of a run that has not ended, what it has measured so far."""
    if run.ended is not None:
        return {title: answer.measurement for title, answer in run.answers.items()}
    measured = {entry.key: entry.id for entry in ledger.entries(run=run.id)}
    return {cell.title: measured[cell.key] for cell in run.begun.cells if cell.key in measured}


def _matching(cells: Sequence[Cell], answers: Answers, ledger: Ledger) -> Answers:
    """Return the answers to these cells that were measured at their present settings."""
    matching = {}
    for cell in cells:
        for entry in ledger.entries(id=answers[cell.title]) if cell.title in answers else ():
            if entry.key == key_of(settings_of(cell), entry.data):
                matching[cell.title] = entry.id
    return matching


def _refuse_repeated(run: Run) -> None:
    """Refuse a run in which a stream, method and seed stands twice."""
    titles = Counter(answer.title for answer in run.ended.answers) if run.ended else Counter[str]()
    titles |= Counter(cell.title for cell in run.begun.cells)
    if repeated := [title for title, count in titles.items() if count > 1]:
        raise SettingsError(f"run {run.id} has {_named(repeated)} more than once; choose another with --run")


def _refuse_missing(run: Run, cells: Sequence[Cell], answers: Answers, partial: bool) -> None:
    missing = [cell.title for cell in cells if cell.title not in answers]
    if len(missing) == len(cells):
        raise SettingsError(f"run {run.id} has no cell of suite {run.suite} at the settings of params.yaml")
    if partial:
        return
    if missing:
        problem = f"lacks {_named(missing)}, or has them at other settings than params.yaml"
    elif not run.whole:
        problem = "is not whole: it was stopped, or cells of it failed"
    else:
        return
    raise SettingsError(f"run {run.id} {problem}; `{_command(run.suite)}` measures them, --partial does without them")


def _refuse_mixed(run: Run, results: Sequence[CellResult]) -> None:
    """Refuse results of one method and stream that were measured by different code."""
    codes: dict[tuple[str, str], set[str | None]] = {}
    for result in results:
        measurement = result.measurement
        codes.setdefault((measurement.stream, measurement.method), set()).add(measurement.origin.fingerprint)
    if mixed := [f"{method} on {stream}" for (stream, method), prints in codes.items() if len(prints) > 1]:
        raise SettingsError(
            f"run {run.id} mixes results of different code for {_named(mixed)}; "
            f"`{_command(run.suite)} --again` measures all with the code that is here"
        )


def _name_uncommitted(run: Run, results: Sequence[CellResult]) -> None:
    """Warn of results from code that was not committed: nobody else can measure them again."""
    if dirty := [result.title for result in results if result.measurement.origin.dirty]:
        logger.warning("run %s has results of uncommitted code, marked -dirty in cells.csv: %s", run.id, _named(dirty))


def _command(suite: str) -> str:
    """Return the command that measures what an accepted suite has."""
    seeds = suites.load().suite(suite).accepted_seeds
    return f"den run --suite {suite}" + (f" --seeds {','.join(map(str, seeds))}" if seeds else "")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
