"""A metric over the runs of a ledger: which runs are one series, and what each of them has for it.

A series is a method under the same settings, on the same seeds and the same kind of machine: values of two settings, or
means over other seeds, are never joined. Nothing but the ledger's index is read.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from den import measures
from den.config import SettingsError
from den.ledger import Entry, Ledger, Planned, Run
from reports import changes, names
from reports.changes import Change
from reports.summary import STATISTICS, estimate, main_score

METRICS = (*STATISTICS, measures.CAPACITY, measures.SECONDS)
ROWS = ["run", "started", "suite", "stream", "method", "settings", "seeds", "machine", "metric", "value", "measured"]
"The columns that `den history --format json` prints; `settings` keeps series apart that differ in nothing else."
COLUMNS = [*ROWS, "number", "error", "series", "commit", "torch"]
SERIES = ["stream", "method", "series", "seeds", "machine"]
"The columns by which points belong together."
AS_BEFORE = "as before"
BLOCKS = {"method_params.": "", "stream_params.": "stream."}
UNTOLD = ("seed", "training.device")

Accepted = Mapping[tuple[str, str, str], Mapping[str, Any]]
"Accepted settings by suite, stream and method."


class Named(NamedTuple):
    """A run's number among all of its suite, from 1, and the run."""

    number: int
    run: Run


def history(
    ledger: Ledger,
    suite: str = "",
    streams: Sequence[str] = (),
    methods: Sequence[str] = (),
    metric: str = "auroc",
    since: str = "",
    accepted: Accepted | None = None,
) -> pd.DataFrame:
    """Return a metric, a row for each method of each ended run, the oldest run first; means over seeds.

    methods: of a registry or variants, as runs name them; since: the earliest beginning of a run, ISO 8601.
    Columns: ROWS; number: of the run among all of its suite, from 1; error: the standard error of value, nan for one
    seed; series: of the settings; commit and torch that measured it. measured is False if any of the seeds was reused,
    or is missing. settings: what differs from the accepted ones, or, if none are accepted, from those of the first run.
    Raises SettingsError for a suite, stream, method or metric that is not there, naming what there is.
    """
    refuse_unknown([metric], METRICS, "metric")
    runs = _numbered(ledger.runs())
    refuse_unknown([suite] if suite else [], {named.run.suite for named in runs}, "suite")
    runs = [named for named in runs if suite in ("", named.run.suite)]
    _refuse_names(runs, streams, methods)
    entries = {entry.id: entry for entry in ledger.entries()}
    rows = [
        row
        for named in runs
        if named.run.begun.started.isoformat() >= since
        for row in _rows(named, streams, methods, metric, entries)
    ]
    return _with_settings(pd.DataFrame(rows, columns=COLUMNS), ledger, accepted or {})


def series(points: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the points of each series, methods in the order of all tables, the oldest series of a method first."""
    for method in names.ordered(points["method"]):
        for _, rows in points[points["method"] == method].groupby(SERIES, sort=False, dropna=False):
            yield rows.reset_index(drop=True)


def change_points(points: pd.DataFrame) -> list[tuple[pd.Series, Change]]:
    """Return where a series changed: the first point of each new level. Points that are not measured do not count."""
    solid = points[points["measured"] & points["value"].notna()].reset_index(drop=True)
    if solid.empty:
        return []
    find = changes.of_times if solid["metric"].iloc[0] == measures.SECONDS else changes.of_scores
    return [(solid.iloc[change.start], change) for change in find(solid["value"].tolist())]


def label(metric: str) -> str:
    """Return a metric as a reader knows it."""
    return names.SCORES.get(metric, metric.replace("_", " "))


def refuse_unknown(given: Iterable[str], there: Iterable[str], kind: str) -> None:
    """Raise SettingsError for a name that is not there; the message names what there is."""
    for name in given:
        if name not in there:
            raise SettingsError(f"{kind} {name!r} has no history here; there are {', '.join(there) or 'no runs'}")


def _numbered(runs: Iterable[Run]) -> list[Named]:
    counts: dict[str, int] = {}
    named = []
    for run in runs:
        counts[run.suite] = counts.get(run.suite, 0) + 1
        named.append(Named(counts[run.suite], run))
    return named


def _refuse_names(runs: Iterable[Named], streams: Sequence[str], methods: Sequence[str]) -> None:
    cells = {(cell.stream, cell.name) for named in runs for cell in named.run.begun.cells}
    refuse_unknown(streams, sorted({stream for stream, _ in cells}), "stream")
    there = {method for stream, method in cells if not streams or stream in streams}
    refuse_unknown(methods, names.ordered(there), "method")


def _rows(
    named: Named, streams: Sequence[str], methods: Sequence[str], metric: str, entries: Mapping[str, Entry]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each method of a run that any of its seeds has a measurement of."""
    groups: dict[tuple[str, str], list[Planned]] = {}
    for cell in named.run.begun.cells:
        if (not streams or cell.stream in streams) and (not methods or cell.name in methods):
            groups.setdefault((cell.stream, cell.name), []).append(cell)
    answers = named.run.answers
    for (stream, method), cells in groups.items():
        replies = [answers.get(cell.title) for cell in cells]
        there = [entries[reply.measurement] for reply in replies if reply and reply.measurement in entries]
        if there:
            whole = len(there) == len(cells) and all(reply and reply.how == "measured" for reply in replies)
            yield {
                **_about(named.run, stream, method, cells),
                "number": named.number,
                "measured": whole,
                **_of_entries(there, metric, named.run.begun.slots),
            }


def _about(run: Run, stream: str, method: str, cells: Iterable[Planned]) -> dict[str, Any]:
    return {
        "run": run.id,
        "started": pd.Timestamp(run.begun.started).tz_convert("UTC"),
        "suite": run.suite,
        "stream": stream,
        "method": method,
        "seeds": ",".join(map(str, sorted(cell.seed for cell in cells))),
    }


def _of_entries(entries: Sequence[Entry], metric: str, slots: int | None) -> dict[str, Any]:
    mean = estimate(_value(entry, metric) for entry in entries)
    return {
        "series": entries[0].series,
        "machine": _joined(_machine(entry, metric, slots) for entry in entries),
        "metric": metric,
        "value": mean.mean,
        "error": mean.error,
        "commit": _joined(entry.commit for entry in entries),
        "torch": _joined(entry.torch for entry in entries),
    }


def _machine(entry: Entry, metric: str, slots: int | None) -> str:
    """Return the kind of machine; of times, with its cores and the cells that ran beside each other."""
    if metric != measures.SECONDS:
        return entry.machine
    cores = f", {entry.cores} cores" if entry.cores else ""
    return f"{entry.machine}{cores}{f', {slots} slots' if slots else ''}"


def _value(entry: Entry, metric: str) -> float:
    if metric == measures.CAPACITY:
        return entry.totals.get(metric, math.nan)
    if metric == measures.SECONDS:
        return entry.train_seconds
    score, name = (metric, "average") if metric in names.SCORES else (main_score(entry.stream), metric)
    return entry.values.get(score, {}).get(name, math.nan)


def _joined(values: Iterable[str]) -> str:
    return " + ".join(sorted(set(values)))


def _with_settings(points: pd.DataFrame, ledger: Ledger, accepted: Accepted) -> pd.DataFrame:
    """Return the points with the settings in which each differs."""
    settings = ledger.settings(points["series"].unique())
    bases: dict[tuple[str, ...], Mapping[str, Any]] = dict(accepted)
    texts: dict[tuple[str, ...], str] = {}
    described = []
    for suite, stream, method, one in points[["suite", "stream", "method", "series"]].itertuples(index=False):
        base = bases.setdefault((suite, stream, method), settings.get(one, {}))
        place = (suite, stream, method, one)
        if place not in texts:
            texts[place] = difference(settings.get(one, {}), base)
        described.append(texts[place])
    return points.assign(settings=described)


def difference(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Return in which settings of a cell the first differ from the second, seed and device left out."""
    own, other = dict(_flat(settings)), dict(_flat(base))
    differing = [key for key in sorted({*own, *other}) if key not in UNTOLD and own.get(key) != other.get(key)]
    return ", ".join(f"{_short(key)}={own.get(key, AS_BEFORE)}" for key in differing)


def _flat(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _short(key: str) -> str:
    for block, short in BLOCKS.items():
        key = key.replace(block, short, 1) if key.startswith(block) else key
    return key
