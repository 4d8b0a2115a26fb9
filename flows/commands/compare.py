"""`den compare`: compare the methods of a suite with one of them, as a table, Markdown, CSV or LaTeX."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from den import metrics
from den.config import SettingsError
from flows.commands import console, row_text
from flows.pipeline import stored_floors, suite_results
from flows.places import of_project
from reports import accepted_results, labels, latex_tables, tables, text_tables
from reports.analysis.comparison import READING, Comparison, against_rival
from reports.stream_results import StreamResults
from reports.tables import Tables


def print_comparisons(suite: str, methods: Sequence[str], rival: str, accepted: bool, form: str) -> None:
    """Print a comparison of a suite's methods with `rival` for each stream. Raises SettingsError.

    Accepted results stand in for cells that are not measured here. accepted: use accepted results alone.
    """
    collected = accepted_results.read_tables(suite) if accepted else _collected(suite)
    comparisons = [_comparison(results, methods, rival) for results in collected.per_stream]
    if form == "csv":
        frames = [
            comparison.numbers.assign(
                stream=comparison.stream,
                rival=comparison.rival,
                how=_how(collected, comparison.stream, comparison.numbers),
            )
            for comparison in comparisons
        ]
        print(row_text.of(pd.concat(frames), form), end="")
        return
    for comparison in comparisons:
        about = (READING, comparison.note, comparison.results.label_notes, _sources(collected, comparison.stream))
        note = " ".join(filter(None, about))
        _show(replace(comparison, note=note), form)


def _collected(suite: str) -> Tables:
    places = of_project()
    suite_results.refuse_unknown(suite, places)
    results = suite_results.with_accepted(suite, places)
    if not results:
        raise SettingsError(
            f"suite {suite} has no results, measured or accepted; `den run --suite {suite}` measures it"
        )
    return tables.collect(results, suite, stored_floors.of_results(results, places))


def _sources(collected: Tables, stream: str) -> str:
    """Return which methods were measured here, and which are accepted, with their commits and machines."""
    cells = collected.cells[collected.cells["stream"] == stream]
    accepted, measured = cells[cells["how"] == "accepted"], cells[cells["how"] != "accepted"]
    if accepted.empty or measured.empty:
        return ""
    commits = ", ".join(sorted(set(accepted["commit"].fillna("").map(labels.commit))))
    machines = "; ".join(sorted({str(machine) for machine in accepted["machine"]}))
    return f"Measured here: {_methods(measured)}. Accepted (commits {commits}; {machines}): {_methods(accepted)}."


def _methods(cells: pd.DataFrame) -> str:
    return ", ".join(labels.method(method) for method in labels.ordered(cells["method"]))


def _how(collected: Tables, stream: str, numbers: pd.DataFrame) -> list[str]:
    """Return for each method whether its results were measured here, accepted, or both."""
    cells = collected.cells[collected.cells["stream"] == stream]
    sources = cells.assign(how=cells["how"].where(cells["how"] == "accepted", "measured")).groupby("method")["how"]
    return [" and ".join(sorted(sources.get_group(method).unique())) for method in numbers["method"]]


def _comparison(results: StreamResults, methods: Sequence[str], rival: str) -> Comparison:
    """Return the comparison of the requested methods. Raises SettingsError for a method without results."""
    unknown = [method for method in [*methods, rival] if method and method not in results.methods]
    if unknown:
        measured = f"there are {', '.join(results.methods)}"
        raise SettingsError(f"{', '.join(unknown)}: no finished cell on {results.stream}; {measured}")
    chosen = [method for method in results.methods if not methods or method in (*methods, rival or "den")]
    return against_rival(results.among(chosen), rival)


def _show(comparison: Comparison, form: str) -> None:
    title = f"{labels.stream(comparison.stream)}: {comparison.title}"
    if form == "table":
        console.show_table(title, *comparison.tables, note=comparison.note)
        return
    if form == "markdown":
        print(f"### {title}\n\n{comparison.note}")
    for score, table in zip(comparison.results.scores_measured, comparison.tables, strict=True):
        print(_latex(comparison, score, table) if form == "latex" else f"\n{text_tables.markdown(table)}")


def _latex(comparison: Comparison, score: str, table: pd.DataFrame) -> str:
    """Return a score's table as LaTeX; the caption of the main score says how to read them all."""
    results = comparison.results
    rest = comparison.note if score == results.main_score else "To be read as the table before."
    caption = (
        f"{labels.stream(results.stream)}: average {labels.SCORES[score]} after {results.tasks} tasks, "
        f"{comparison.title}. {rest}"
    )
    averages = results.estimates_of(metrics.average, score)
    best = max(averages, key=lambda method: averages[method].mean)
    return latex_tables.latex(table, caption, f"tab:{results.stream}-{score}".replace("_", "-"), best)
