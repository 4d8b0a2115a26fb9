"""`den history`: a metric over the runs of the ledger, as tables with a figure, or as JSON or CSV."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from rich.console import Console

from den import files, measures, paths
from den.config import SettingsError
from den.ledger import Ledger, Places
from flows.commands import row_text
from flows.commands.terminal_tables import grid, say
from flows.runtime import garbage_collection
from reports import accepted_results, labels
from reports.analysis import change_points, history
from reports.analysis.change_points import Search
from reports.analysis.history import ROWS, Accepted, Step
from reports.stream_results import STATISTICS

FOLDER = Path("reports/out/history")
LONGEST = 120  # characters that the names of methods may take in the name of a file
RUNS_SHOWN, CHANGES_SHOWN = 40, 8
NUMBERS = ("runs", "lowest", "highest", "last", "value")
DISTINCTIONS = ("suite", "settings", "seeds", "machine")
"Columns of text that a table shows only if their values differ between rows."
NO_CHANGE = f"A change point needs {change_points.FEWEST} complete runs of a series."


def print_history(
    suite: str | None,
    streams: Sequence[str],
    methods: Sequence[str],
    metric: str,
    since: str | None,
    form: str,
    places: Places,
) -> None:
    """Print the history of a metric, and draw it unless `form` is json or csv.

    Raises SettingsError for an unknown suite, stream, method or metric, and for an invalid date.
    """
    garbage_collection.leave_at_exit()
    with ExitStack() as stack:
        search = stack.enter_context(change_points.Process()).starts if form == "table" else None
        stack.enter_context(garbage_collection.paused())  # tens of thousands of entries stay in memory until the end
        ledger = Ledger.of(places)
        points = history.points(ledger, suite or "", streams, methods, metric, _date(since), _accepted(suite))
        if search is None:
            print(_rows(points, form), end="")
        else:
            _show_tables(points, suite, methods, metric, since, search)


def _accepted(suite: str | None) -> Accepted:
    """Return the settings of the accepted results of a suite, or of all suites."""
    return {
        (name, result.measurement.stream, result.name): result.measurement.settings
        for name in accepted_results.suites()
        if suite in (None, name)
        for result in accepted_results.results(name)
    }


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--since {text}: not a date; write one such as 2026-11-29") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rows(points: pd.DataFrame, form: str) -> str:
    started = [moment.isoformat() for moment in points["started"]]
    return row_text.of(points[ROWS].assign(started=started), form)


def _show_tables(
    points: pd.DataFrame, suite: str | None, methods: Sequence[str], metric: str, since: str | None, search: Search
) -> None:
    if points.empty:
        print(f"No ended run has measurements{f' since {since}' if since else ''}; `den run` makes them.")
        return
    groups = [
        rows.reset_index(drop=True) for _, of_stream in points.groupby("stream") for rows in history.series(of_stream)
    ]
    steps = history.steps(groups, search)
    for stream in sorted(points["stream"].unique()):
        of_stream = [pair for pair in zip(groups, steps, strict=True) if pair[0]["stream"].iloc[0] == stream]
        _show_stream(of_stream, suite, stream, methods, metric)


def _show_stream(
    series: Sequence[tuple[pd.DataFrame, list[Step]]],
    suite: str | None,
    stream: str,
    methods: Sequence[str],
    metric: str,
) -> None:
    console, runs = Console(), len({run for rows, _ in series for run in rows["run"]})
    title = f"{labels.stream(stream)}: {history.label(metric)} over {runs:,} run{'s' * (runs > 1)}"
    _print(console, title, pd.DataFrame([_summary(rows, steps, metric) for rows, steps in series]))
    if methods:
        points = pd.concat([rows for rows, _ in series]).sort_values("started", kind="stable")
        _print(console, _of_newest(len(points)), _single_runs(points.tail(RUNS_SHOWN), metric))
    if runs == 1:
        console.print("There is only one run so far, so there is no history to draw yet.")
        return
    for sentence in [*_changes(series, metric), f"Figure: {_draw(series, suite, stream, methods, metric)}"]:
        say(console, sentence)


def _summary(rows: pd.DataFrame, steps: Sequence[Step], metric: str) -> dict[str, str]:
    """Return the row of a series."""
    from reports.figures import metric_history

    solid = rows[rows["measured"]]
    values = solid["value"].dropna()
    hollow = len(rows) - len(solid)
    last = (solid if len(solid) else rows).iloc[-1]
    changed = f"{steps[-1].first['started']:%Y-%m-%d}" if steps else ""
    return {
        "method": labels.method(last["method"]),
        "suite": ", ".join(sorted(rows["suite"].unique())),
        "settings": last["settings"],
        "seeds": last["seeds"],
        "machine": last["machine"],
        "runs": f"{len(solid):,}" + (f" + {hollow:,} partly" if hollow else ""),
        "over time": metric_history.sparkline(values.tolist()),
        "lowest": _number(values.min(), metric),
        "highest": _number(values.max(), metric),
        "last": _with_error(last["value"], last["error"], metric),
        "changed": changed + (f" ({len(steps)} in all)" if len(steps) > 1 else ""),
    }


def _single_runs(points: pd.DataFrame, metric: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": points["method"].map(labels.method),
            "run": points["run"],
            "started": [f"{moment:%Y-%m-%d %H:%M}" for moment in points["started"]],
            "suite": points["suite"],
            "settings": points["settings"],
            "seeds": points["seeds"],
            "machine": points["machine"],
            "commit": points["commit"].map(labels.commit),
            "value": [_with_error(*pair, metric) for pair in zip(points["value"], points["error"], strict=True)],
            "measured": points["measured"].map({True: "all", False: "partly"}),
        }
    )


def _of_newest(count: int) -> str:
    return "" if count <= RUNS_SHOWN else f"The newest {RUNS_SHOWN} of {count:,} rows; --format csv prints all"


def _changes(series: Sequence[tuple[pd.DataFrame, list[Step]]], metric: str) -> Iterator[str]:
    """Yield a sentence per recent change point, with the commit and torch version if they changed too."""
    if all(rows["measured"].sum() < change_points.FEWEST for rows, _ in series):
        yield NO_CHANGE
    for step in sorted((step for _, steps in series for step in steps), key=_moment)[-CHANGES_SHOWN:]:
        first, last, change = step
        levels = f"{_number(change.before, metric)} → {_number(change.after, metric)}"
        causes = [
            f"; {name} {last[name][:12]} → {first[name][:12]}"
            for name in ("commit", "torch")
            if last[name] != first[name]
        ]
        place = f"{labels.method(first['method'])}, seeds {first['seeds']}, {first['machine']}"
        yield f"Changed {_moment(step):%Y-%m-%d}, run {first['run']}: {place}: {levels}{''.join(causes)}"


def _moment(step: Step) -> datetime:
    moment: datetime = step.first["started"]
    return moment


def _draw(
    series: Sequence[tuple[pd.DataFrame, list[Step]]],
    suite: str | None,
    stream: str,
    methods: Sequence[str],
    metric: str,
) -> Path:
    from reports.figures import export, metric_history

    path = figure_path(suite, stream, methods, metric)
    figure = metric_history.draw([rows for rows, _ in series], [steps for _, steps in series])
    files.write(path, export.png(figure))
    return path


def figure_path(suite: str | None, stream: str, methods: Sequence[str], metric: str) -> Path:
    """Return the path of a figure. Raises SettingsError for a name that cannot be part of a path."""
    chosen = "-".join(map(paths.part, methods))
    if len(chosen) > LONGEST:
        chosen = hashlib.sha256(chosen.encode()).hexdigest()[:12]
    labels = (paths.part(suite or "all"), paths.part(stream), chosen, paths.part(metric))
    return FOLDER / f"{'-'.join(filter(None, labels))}.png"


def _print(console: Console, title: str, rows: pd.DataFrame) -> None:
    """Print a table; columns with the same value in all rows become a sentence below it."""
    common = [column for column in DISTINCTIONS if column in rows and rows[column].nunique() == 1]
    table = rows.drop(columns=common)
    console.print(
        grid(table, table.itertuples(index=False), title=title, numbers=NUMBERS, text=DISTINCTIONS, padding=0)
    )
    values = "; ".join(f"{column}: {rows[column].iloc[0]}" for column in common if rows[column].iloc[0])
    if values:
        say(console, f"All have {values}.")


def _number(value: float, metric: str) -> str:
    if metric in STATISTICS:
        return labels.score(value)
    if metric == measures.SECONDS and not math.isnan(value):
        return f"{labels.number(value, 1)} s"
    return labels.number(value, 2)


def _with_error(value: float, error: float, metric: str) -> str:
    return labels.with_error(value, error) if metric in STATISTICS else _number(value, metric)
