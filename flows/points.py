"""A record's numbers as MLflow's metrics, named so that charts group them; `step` is the number of tasks learned."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from mlflow.entities import Metric

from den import metrics
from reports import tables

Record = Mapping[str, Any]
Point = tuple[str, float, int]

BATCH = 1000  # metrics in one call; MLflow takes no more


def of_cell(record: Record, model: str | None = None) -> Iterator[Sequence[Metric]]:
    """Yield the metrics of a cell in batches; those after the last task are its model's as well, where it has one."""
    now, last = milliseconds(record["provenance"]["finished"]), tasks(record)
    points = [*_scores(record["scores"]), *_measures(record["measures"]), *_totals(record, last)]
    told = [
        Metric(key, float(value), now, step, model if step == last else None)
        for key, value, step in points
        if math.isfinite(value)
    ]
    return (told[start : start + BATCH] for start in range(0, len(told), BATCH))


def of_benchmark(records: Sequence[Record]) -> list[Metric]:
    """Return the parent's metrics: each method's final average of each score, over its seeds."""
    found: dict[str, list[float]] = {}
    for record in records:
        for score, rows in record["scores"].items():
            key = f"{score}/{tables.method(record)}"
            found.setdefault(key, []).append(metrics.average(np.array(rows, dtype=float)))
    now = max(milliseconds(record["provenance"]["finished"]) for record in records)
    means = {key: float(np.mean(values)) for key, values in found.items()}
    return [Metric(key, value, now, 0) for key, value in means.items() if math.isfinite(value)]


def tasks(record: Record) -> int:
    """Return how many tasks a record's cell has learned."""
    return max(len(rows) for rows in record["scores"].values())


def milliseconds(moment: str) -> int:
    """Return a moment of a record as MLflow counts time."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _scores(scores: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the scores of every task, and the metrics of the matrix, after each task as if it had been the last."""
    for score, rows in scores.items():
        R = np.array(rows, dtype=float)
        for after in range(1, len(R) + 1):
            seen = R[:after, :after]
            yield from ((f"{score}/task {task:02}", value, after) for task, value in enumerate(seen[-1], start=1))
            for name, metric in metrics.METRICS.items():
                yield f"{score}/{name.replace('_', ' ')}", metric(seen), after


def _measures(measures: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    for one in measures:
        layer = "" if one["layer"] is None else f"layer {one['layer']}"
        if one["stage"] is not None:
            yield f"{one['measure']}/{' '.join(filter(None, (one['stage'], layer)))}", one["value"], one["task"]
        elif layer:
            yield f"{one['measure']}/{layer}", one["value"], one["task"]
        else:
            yield f"capacity/{one['measure']}", one["value"], one["task"]


def _totals(record: Record, last: int) -> Iterator[Point]:
    yield from ((f"final/{name}", value, last) for name, value in record["capacity"].items())
    yield "final/train seconds", record["train_seconds"], last
