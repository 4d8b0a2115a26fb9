"""From results to what a person reads: the report's folder, and tidy rows."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from den import files, paths, suites
from den.config import SettingsError
from den.ledger import Ledger
from flows.judging import verdicts
from flows.pipeline import stored_floors, suite_results
from flows.pipeline.outcome import Outcome
from flows.places import REPORTS, of_project
from reports import accepted_results, tables
from reports.page import report
from reports.tables import Tables
from reports.text_tables import Table


def write(outcome: Outcome) -> Path:
    """Write tables, figures and the page of a run, and its metrics for DVC; return their folder."""
    request = outcome.run.begun.asked
    changes = "".join(f" --set {shlex.quote(override)}" for override in request.overrides)
    again = (
        f"den report --suite {request.suite} --run {outcome.run.id}  # of `den run --suite {request.suite}{changes}`"
    )
    return _draw(request.suite, outcome.tables, outcome.explained, again if changes else "")


def refresh(suite: str, run: str | None) -> Path:
    """Write the report of a run, or of the newest measurements of a suite; return its folder. Raises SettingsError."""
    places = of_project()
    if run:
        ledger = Ledger.of(places)
        ended = ledger.run(run)
        results = tuple(ledger.results(ended))
        verdict, floors = verdicts.of_run(ended, results, ledger), stored_floors.of_run(ended, results, places)
        return write(Outcome(ended, results, {}, verdict, floors))
    results = tuple(suite_results.of_ledger(suite, places))
    if not results:
        raise SettingsError(f"no cell of suite {suite} is measured here; {_remedy(suite)}")
    return _draw(suite, tables.collect(results, suite, stored_floors.of_results(results, places)), {})


def redraw(suite: str) -> Path:
    """Write the report of a suite's accepted results, without ledger or data; return its folder."""
    return _draw(suite, accepted_results.read_tables(suite), {}, f"den report --accepted --suite {suite}")


def scores(suite: str | None, accepted: bool) -> pd.DataFrame:
    """Return the tidy scores of a suite, or of all; accepted: from the accepted results."""
    if accepted:
        names = [suite] if suite else accepted_results.suites()
        frames = [accepted_results.read_tables(name).scores for name in names]
    else:
        names = [suite] if suite else list(suites.load().suites)
        frames = [tables.collect(suite_results.of_ledger(name, of_project()), name).scores for name in names]
    return pd.concat(frames)


def _draw(suite: str, collected: Tables, judged: Mapping[str, Table | None], again: str = "") -> Path:
    folder = REPORTS / paths.part(suite)
    report.write(collected, folder, judged, again)
    files.write(folder / "metrics.json", json.dumps(accepted_results.metrics(collected), indent=1) + "\n")
    return folder


def _remedy(suite: str) -> str:
    """Return what to do about a suite without measurements."""
    accepted = f", `den report --accepted --suite {suite}` draws the accepted results"
    return f"`den run --suite {suite}` measures them{accepted if suite in accepted_results.suites() else ''}"
