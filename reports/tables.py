"""The three tidy tables that every published figure and table is drawn from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import pandas as pd

from den import files, measures
from den.config import SettingsError
from den.ledger import CellResult
from reports.stream_results import KERNEL, StreamResults

SCORES = {
    "suite": "string",
    "stream": "string",
    "method": "string",
    "seed": "int64",
    "after_task": "int64",
    "task": "int64",
    "score": "string",
    "value": "float64",
}
CELLS = {
    "suite": "string",
    "stream": "string",
    "method": "string",
    "seed": "int64",
    "measurement": "string",
    "key": "string",
    "capacity": "float64",
    "parameters": "Int64",
    "nonzero": "Int64",
    "flops": "Int64",
    "train_seconds": "float64",
    "commit": "string",
    "data": "string",
    "machine": "string",
    "how": "string",
}
MEASURES = {
    "suite": "string",
    "stream": "string",
    "method": "string",
    "seed": "int64",
    "after_task": "int64",
    "stage": "string",
    "layer": "Int64",
    "measure": "string",
    "value": "float64",
}
COLUMNS = {"scores": SCORES, "cells": CELLS, "measures": MEASURES}


@dataclass(frozen=True, eq=False)
class Tables:
    """Scores, cells and measures of some suites, one tidy frame each. Tasks and layers count from 1.

    floors: by stream, the floors of stored labels, of streams that have no others. They are not written.
    Nobody changes the frames, so the results of each stream are derived once.
    """

    scores: pd.DataFrame
    cells: pd.DataFrame
    measures: pd.DataFrame
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def streams(self) -> list[str]:
        """Names of the streams, in alphabetical order."""
        return sorted(self.cells["stream"].unique())

    @cached_property
    def per_stream(self) -> list[StreamResults]:
        """The results of each stream, in alphabetical order."""
        return [self._results(stream) for stream in self.streams]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The summaries of all streams: one row per stream and method."""
        rows = (results.summary.to_dict("records") for results in self.per_stream)
        return pd.DataFrame([*chain.from_iterable(rows)])

    def of(self, stream: str = "") -> StreamResults:
        """Return the results of a stream, or of the only one. Raises ValueError for an unknown stream."""
        named = [results for results in self.per_stream if stream in ("", results.stream)]
        if len(named) != 1:
            raise ValueError(f"name one of the streams in these tables: {', '.join(self.streams)}")
        return named[0]

    def _results(self, stream: str) -> StreamResults:
        frames = (self.scores, self.cells, self.measures)
        scores, cells, rows = (frame[frame["stream"] == stream].reset_index(drop=True) for frame in frames)
        return StreamResults(stream, scores, cells, rows, stored_floor=self.floors.get(stream))


def collect(
    results: Iterable[CellResult], suite: str, floors: Mapping[str, Mapping[str, float]] | None = None
) -> Tables:
    """Return the tables of these results, as cells of `suite`; the order of the results does not matter.

    floors: by stream, those of stored labels.
    """
    results = list(results)
    rows: dict[str, Iterable[dict[str, object]]] = {
        "scores": (row for result in results for row in _scores(result)),
        "cells": (_cell(result) for result in results),
        "measures": (row for result in results for row in _measures(result)),
    }
    frames = {name: _frame(suite, rows[name], columns) for name, columns in COLUMNS.items()}
    return Tables(**frames, floors=floors or {})


def write(tables: Tables, folder: Path) -> None:
    """Write scores.csv, cells.csv and measures.csv into `folder`; `read_one` gives each back, bit for bit."""
    for name in COLUMNS:
        write_one(getattr(tables, name), folder, name)


def write_one(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write one of the tables into `folder`: scores, cells or measures; the same bytes each time."""
    files.write(_path(folder, name), table.to_csv(index=False, lineterminator="\n"))


def read_one(folder: Path, name: str) -> pd.DataFrame:
    """Return one of the tables of a folder: scores, cells or measures.

    Raises FileNotFoundError for a missing one, SettingsError for a damaged one or one of another format.
    """
    columns, path = COLUMNS[name], _path(folder, name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; write the tables with `den report` or `den accept`")
    try:
        frame = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
        if list(frame.columns) != list(columns):
            raise ValueError(f"it has columns {', '.join(frame.columns)}; they must be {', '.join(columns)}")
        return frame.astype(dict(columns))
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} is damaged: {reason}; restore it from git, or write it again") from None


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.csv"


def _frame(suite: str, rows: Iterable[dict[str, object]], columns: Mapping[str, str]) -> pd.DataFrame:
    return _tidy(pd.DataFrame([{"suite": suite} | row for row in rows], columns=list(columns)), columns)


def _tidy(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    return frame.astype(dict(columns)).sort_values(list(columns), kind="stable", ignore_index=True)


def _place(result: CellResult) -> dict[str, object]:
    return {"stream": result.measurement.stream, "method": result.name, "seed": result.measurement.seed}


def _scores(result: CellResult) -> Iterator[dict[str, object]]:
    for score, matrix in result.measurement.scores.items():
        for after_task, row in enumerate(matrix, start=1):
            for task, value in enumerate(row, start=1):
                if value is not None:
                    about = {"after_task": after_task, "task": task, "score": score, "value": value}
                    yield _place(result) | about


def _cell(result: CellResult) -> dict[str, object]:
    measurement = result.measurement
    origin, totals = measurement.origin, measurement.totals
    return _place(result) | {
        "measurement": measurement.id,
        "key": measurement.key,
        "capacity": totals.get(measures.CAPACITY),
        "parameters": totals.get(measures.WEIGHTS),
        "nonzero": totals.get(measures.NONZERO),
        "flops": totals.get(measures.FLOPS),
        "train_seconds": measurement.train_seconds,
        "commit": f"{origin.commit}-dirty" if origin.dirty else origin.commit,
        "data": measurement.data,
        "machine": origin.machine.label,
        "how": result.how,
    }


def _measures(result: CellResult) -> Iterator[dict[str, object]]:
    convolutions = result.measurement.settings.get("network", {}).get("convolutions", [])
    for layer, convolution in enumerate(convolutions, start=1):
        kernel = {"stage": None, "layer": layer, "measure": KERNEL, "value": float(convolution["kernel"])}
        yield _place(result) | {"after_task": 1} | kernel
    for row in result.measurement.measures.rows():
        about = {"stage": row.stage, "layer": row.layer, "measure": row.measure, "value": row.value}
        yield _place(result) | {"after_task": row.task} | about
