"""The three tidy tables that every published figure and table is drawn from."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from den import files

Record = Mapping[str, Any]

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
    "identity": "string",
    "capacity": "float64",
    "parameters": "int64",
    "nonzero": "int64",
    "flops": "int64",
    "train_seconds": "float64",
    "commit": "string",
    "stream_hash": "string",
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
KERNEL = "kernel"
"The measure of a convolution: the side of its filters."
COLUMNS = {"scores": SCORES, "cells": CELLS, "measures": MEASURES}


@dataclass(frozen=True, eq=False)
class Tables:
    """Scores, cells and measures of some suites, one tidy frame each; tasks and layers count from 1."""

    scores: pd.DataFrame
    cells: pd.DataFrame
    measures: pd.DataFrame

    def of(self, **values: object) -> "Tables":
        """Return the rows whose columns have these values, as in `tables.of(stream="blobs", seed=1)`."""
        return Tables(*(_where(frame, values) for frame in (self.scores, self.cells, self.measures)))

    def among(self, methods: Collection[str]) -> "Tables":
        """Return the rows of these methods."""
        frames = (self.scores, self.cells, self.measures)
        return Tables(*(frame[frame["method"].isin(methods)].reset_index(drop=True) for frame in frames))

    @property
    def streams(self) -> list[str]:
        """Names of the streams, in order of the alphabet."""
        return sorted(self.cells["stream"].unique())


def collect(records: Iterable[Record], suite: str) -> Tables:
    """Return the tables of these records of the ledger, as cells of `suite`, whatever the records' order."""
    records = list(records)
    rows: dict[str, Iterable[dict[str, Any]]] = {
        "scores": (row for record in records for row in _scores(record)),
        "cells": (_cell(record) for record in records),
        "measures": (row for record in records for row in _measures(record)),
    }
    return Tables(**{name: _frame(suite, rows[name], columns) for name, columns in COLUMNS.items()})


def write(tables: Tables, folder: Path) -> None:
    """Write scores.csv, cells.csv and measures.csv into `folder`; `read` gives the same tables back, bit for bit."""
    for field in fields(tables):
        files.write(folder / f"{field.name}.csv", getattr(tables, field.name).to_csv(index=False, lineterminator="\n"))


def read(folder: Path) -> Tables:
    """Return the tables that lie in `folder`."""
    return Tables(**{name: _read(folder / f"{name}.csv", columns) for name, columns in COLUMNS.items()})


def method(record: Record) -> str:
    """Return the name that a record's settings go by: that of a variant, or else the method's own."""
    cell: Mapping[str, Any] = record["cell"]
    return str(cell.get("variant") or cell["method"])


def _read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; write the tables with `den report` or `den accept`")
    frame = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    if list(frame.columns) != list(columns):
        raise ValueError(f"{path} has columns {', '.join(frame.columns)}; they must be {', '.join(columns)}")
    return frame.astype(dict(columns))


def _frame(suite: str, rows: Iterable[dict[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return _tidy(pd.DataFrame([{"suite": suite} | row for row in rows], columns=list(columns)), columns)


def _tidy(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    return frame.astype(dict(columns)).sort_values(list(columns), kind="stable", ignore_index=True)


def _where(frame: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    for column, value in values.items():
        if column in frame:
            frame = frame[frame[column] == value]
    return frame.reset_index(drop=True)


def _place(record: Record) -> dict[str, Any]:
    cell = record["cell"]
    return {"stream": cell["stream"], "method": method(record), "seed": cell["seed"]}


def _scores(record: Record) -> Iterator[dict[str, Any]]:
    for score, matrix in record["scores"].items():
        for after_task, row in enumerate(matrix, start=1):
            for task, value in enumerate(row, start=1):
                if value is not None:
                    found = {"after_task": after_task, "task": task, "score": score, "value": value}
                    yield _place(record) | found


def _cell(record: Record) -> dict[str, Any]:
    capacity, provenance = record["capacity"], record["provenance"]
    return _place(record) | {
        "identity": record["identity"],
        "capacity": capacity["capacity"],
        "parameters": capacity["weights"],
        "nonzero": capacity["nonzero"],
        "flops": capacity["flops"],
        "train_seconds": record["train_seconds"],
        "commit": f"{provenance['commit']}{'-dirty' if provenance['dirty'] else ''}",
        "stream_hash": provenance["stream_hash"],
    }


def _measures(record: Record) -> Iterator[dict[str, Any]]:
    for layer, one in enumerate(record["cell"].get("network", {}).get("convolutions", []), start=1):
        found = {"after_task": 1, "stage": None, "layer": layer, "measure": KERNEL, "value": float(one["kernel"])}
        yield _place(record) | found
    for row in record["measures"]:
        named = {key: row[key] for key in ("stage", "layer", "measure", "value")}
        yield _place(record) | {"after_task": row["task"]} | named
