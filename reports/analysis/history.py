"""A metric over the runs of a ledger, in series of runs that can be compared.

A series is a method with the same settings, the same seeds and the same kind of machine: values of two settings, or
means over different seeds, are never joined. Only the ledger's index is read.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from den import measures
from den.config import SettingsError, alternatives
from den.ledger import Entry, Ledger, Planned, Run
from den.ledger.settings import flat
from reports import labels
from reports.analysis import change_points
from reports.analysis.change_points import Change, Search
from reports.estimates import Estimate, estimate
from reports.published_numbers import main_score
from reports.stream_results import STATISTICS

METRICS = (*STATISTICS, measures.CAPACITY, measures.SECONDS)
ROWS = ["run", "started", "suite", "stream", "method", "settings", "seeds", "machine", "metric", "value", "measured"]
"The columns that `den history --format json` prints; `settings` distinguishes series that are equal otherwise."
SERIES = ["stream", "method", "series", "seeds", "machine"]
"The columns that are equal in all points of a series."
AS_BEFORE = "as before"
BLOCKS = {"method_params.": "", "stream_params.": "stream."}
LEFT_OUT = ("seed", "training.device")

Accepted = Mapping[tuple[str, str, str], Mapping[str, Any]]
"Accepted settings by suite, stream and method."


class Point(NamedTuple):
    """The value of a method in a run: the columns of a history. `settings` is filled in later."""

    run: str
    started: datetime
    suite: str
    stream: str
    method: str
    settings: str
    seeds: str
    machine: str
    metric: str
    value: float
    measured: bool
    number: int
    error: float
    series: str
    commit: str
    torch: str


class Step(NamedTuple):
    """A change point of a series: the first point of the new level, the last point of the old one, and the levels."""

    first: pd.Series
    last: pd.Series
    change: Change


def points(
    ledger: Ledger,
    suite: str = "",
    streams: Sequence[str] = (),
    methods: Sequence[str] = (),
    metric: str = "auroc",
    since: datetime | None = None,
    accepted: Accepted | None = None,
) -> pd.DataFrame:
    """Return a metric per method and ended run, the oldest run first; values are means over seeds.

    methods: names of methods or variants, as runs have them; since: the earliest start of a run.
    Columns: those of Point. number: the run's place among all runs of its suite, from 1; error: the standard error of
    value, nan for one seed; series: hash of the settings; commit, torch: those that measured it; measured: False if any
    seed was reused or is missing; settings: the difference to the accepted settings, or to those of the first run if
    none are accepted. Raises SettingsError for an unknown suite, stream, method or metric, and lists the known ones.
    """
    _refuse_unknown([metric], METRICS, "metric")
    runs = ledger.runs()
    suites = {run.suite for run in runs}
    _refuse_unknown([suite] if suite else [], sorted(suites), "suite")
    runs = [run for run in runs if suite in ("", run.suite)]
    _refuse_names(runs, streams, methods)
    entries = {entry.id: entry for entry in ledger.entries()}
    rows = [
        point
        for name in suites
        for number, run in enumerate((run for run in runs if run.suite == name), start=1)
        if since is None or run.begun.started >= since
        for point in _points(number, run, streams, methods, metric, entries)
    ]
    rows.sort(key=lambda point: (point.started, point.run))
    return _with_settings(_frame(rows), ledger, accepted or {})


def series(points: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the points of each series, methods in the order of all tables, the oldest series of a method first."""
    for method in labels.ordered(points["method"]):
        for _, rows in points[points["method"] == method].groupby(SERIES, sort=False, dropna=False):
            yield rows.reset_index(drop=True)


def steps(groups: Sequence[pd.DataFrame], search: Search | None = None) -> list[list[Step]]:
    """Return the change points of each series. Points that were not measured do not count.

    search: `change_points.starts`, or a function like it.
    """
    solid = [rows[rows["measured"] & rows["value"].notna()] for rows in groups]
    times = bool(groups) and groups[0]["metric"].iloc[0] == measures.SECONDS
    changed = change_points.changes([rows["value"].tolist() for rows in solid], times, search)
    return [
        [Step(rows.iloc[change.start], rows.iloc[change.start - 1], change) for change in steps]
        for rows, steps in zip(solid, changed, strict=True)
    ]


def label(metric: str) -> str:
    """Return the label of a metric."""
    return labels.SCORES.get(metric, metric.replace("_", " "))


def _refuse_unknown(names: Iterable[str], measured: Collection[str], kind: str) -> None:
    """Raise SettingsError for a name that was never measured; the message lists those that were."""
    for name in names:
        if name not in measured:
            raise SettingsError(f"{kind} {name!r} has no history here; {alternatives(name, measured)}")


def _refuse_names(runs: Iterable[Run], streams: Sequence[str], methods: Sequence[str]) -> None:
    cells = {(cell.stream, cell.name) for run in runs for cell in run.begun.cells}
    _refuse_unknown(streams, sorted({stream for stream, _ in cells}), "stream")
    on_streams = {method for stream, method in cells if not streams or stream in streams}
    _refuse_unknown(methods, labels.ordered(on_streams), "method")


def _points(
    number: int,
    run: Run,
    streams: Sequence[str],
    methods: Sequence[str],
    metric: str,
    entries: Mapping[str, Entry],
) -> Iterator[Point]:
    """Yield a point for each method of a run with at least one measurement."""
    groups: dict[tuple[str, str], list[Planned]] = {}
    for cell in run.begun.cells:
        if (not streams or cell.stream in streams) and (not methods or cell.name in methods):
            groups.setdefault((cell.stream, cell.name), []).append(cell)
    answers = run.answers
    for cells in groups.values():
        replies = [answer for cell in cells if (answer := answers.get(cell.title))]
        measured = [entries[answer.measurement] for answer in replies if answer.measurement in entries]
        if measured:
            whole = len(measured) == len(cells) and all(answer.how == "measured" for answer in replies)
            yield _point(number, run, cells, metric, measured, whole)


def _point(
    number: int, run: Run, cells: Sequence[Planned], metric: str, measured: Sequence[Entry], whole: bool
) -> Point:
    """Return the point of a method. whole: the run measured all of its cells."""
    mean = _mean([_value(entry, metric) for entry in measured])
    return Point(
        run=run.id,
        started=run.begun.started,
        suite=run.suite,
        stream=cells[0].stream,
        method=cells[0].name,
        settings="",
        seeds=",".join(map(str, sorted(cell.seed for cell in cells))),
        machine=_joined(_machine(entry, metric, run.begun.slots) for entry in measured),
        metric=metric,
        value=mean.mean,
        measured=whole,
        number=number,
        error=mean.error,
        series=measured[0].series,
        commit=_joined(entry.commit for entry in measured),
        torch=_joined(entry.torch for entry in measured),
    )


def _frame(points: Sequence[Point]) -> pd.DataFrame:
    columns = zip(*points, strict=True) if points else [()] * len(Point._fields)
    frame = pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in zip(Point._fields, columns, strict=True)}
    )
    kinds = {"value": float, "error": float, "measured": bool, "number": int}
    return frame.astype(kinds).assign(started=pd.to_datetime(frame["started"], utc=True))


def _mean(values: Sequence[float]) -> Estimate:
    return Estimate(values[0], math.nan, 1) if len(values) == 1 else estimate(values)


def _machine(entry: Entry, metric: str, slots: int | None) -> str:
    """Return the kind of machine; for times, with its cores and the number of cells that ran in parallel."""
    if metric != measures.SECONDS:
        return entry.machine
    cores = f", {entry.cores} cores" if entry.cores else ""
    return f"{entry.machine}{cores}{f', {slots} slots' if slots else ''}"


def _value(entry: Entry, metric: str) -> float:
    if metric == measures.CAPACITY:
        return entry.totals.get(metric, math.nan)
    if metric == measures.SECONDS:
        return entry.train_seconds
    score, name = (metric, "average") if metric in labels.SCORES else (main_score(entry.stream), metric)
    return entry.values.get(score, {}).get(name, math.nan)


def _joined(values: Iterable[str]) -> str:
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else " + ".join(sorted(distinct))


def _with_settings(points: pd.DataFrame, ledger: Ledger, accepted: Accepted) -> pd.DataFrame:
    """Return the points with the column `settings` filled in."""
    settings = ledger.settings(points["series"].unique())
    bases: dict[tuple[str, str, str], Mapping[str, Any]] = dict(accepted)
    texts: dict[tuple[str, ...], str] = {}
    places = list(points[["suite", "stream", "method", "series"]].itertuples(index=False, name=None))
    for suite, stream, method, series in places:
        if (suite, stream, method, series) not in texts:
            base = bases.setdefault((suite, stream, method), settings[series])
            texts[suite, stream, method, series] = difference(settings[series], base)
    return points.assign(settings=[texts[place] for place in places])


def difference(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return how a cell's settings differ from other settings, without seed and device."""
    values, base_values = dict(flat(settings)), dict(flat(base))
    keys = sorted({*values, *base_values}.difference(LEFT_OUT))
    differing = [key for key in keys if values.get(key) != base_values.get(key)]
    return ", ".join(f"{_short(key)}={values.get(key, AS_BEFORE)}" for key in differing)


def _short(key: str) -> str:
    for block, short in BLOCKS.items():
        key = key.replace(block, short, 1) if key.startswith(block) else key
    return key
