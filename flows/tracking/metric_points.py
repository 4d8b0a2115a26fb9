"""The numbers of a measurement as MLflow metrics, named so that charts group them; `step` is the number of tasks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
from mlflow.entities import Metric

from den import measures, metrics
from den.ledger import CellResult, Measurement
from flows.tracking.parent_runs import milliseconds

Point = tuple[str, float, int]

BATCH = 1000  # metrics per call; MLflow accepts no more


def of_cell(measurement: Measurement, model: str | None = None) -> Iterator[Sequence[Metric]]:
    """Return the metrics of a cell in batches; those after the last task also belong to its model, if it has one."""
    now, last = milliseconds(measurement.origin.ended), measurement.tasks
    points = [*_scores(measurement.scores), *_measures(measurement), *_totals(measurement)]
    logged = [
        Metric(key, float(value), now, step, model if step == last else None)
        for key, value, step in points
        if math.isfinite(value)
    ]
    return (logged[start : start + BATCH] for start in range(0, len(logged), BATCH))


def of_results(results: Sequence[CellResult], moment: datetime, step: int = 0) -> list[Metric]:
    """Return the means over results for each method: final scores, capacity and seconds, named as in auroc/den."""
    values: dict[str, list[float]] = {}
    for result in results:
        for quantity, value in _summary(result.measurement):
            values.setdefault(f"{quantity}/{result.name}", []).append(value)
    means = {key: float(np.mean(of_seeds)) for key, of_seeds in values.items()}
    return [Metric(key, mean, milliseconds(moment), step) for key, mean in means.items() if math.isfinite(mean)]


def _summary(measurement: Measurement) -> Iterator[tuple[str, float]]:
    for score in measurement.scores:
        yield score, metrics.average(measurement.matrix(score))
    if measures.CAPACITY in measurement.totals:
        yield measures.CAPACITY, measurement.totals[measures.CAPACITY]
    yield measures.SECONDS, measurement.train_seconds


def _scores(scores: Mapping[str, Sequence[Sequence[float | None]]]) -> Iterator[Point]:
    """Yield the scores of each task and the metrics of the score matrix, after each task as if it were the last."""
    for score, rows in scores.items():
        R = np.array(rows, dtype=float)
        for after in range(1, len(R) + 1):
            so_far = R[:after, :after]
            yield from ((f"{score}/task {task:02}", value, after) for task, value in enumerate(so_far[-1], start=1))
            for name, metric in metrics.METRICS.items():
                yield f"{score}/{name.replace('_', ' ')}", metric(so_far), after


def _measures(measurement: Measurement) -> Iterator[Point]:
    for row in measurement.measures.rows():
        if row.value is None:
            continue
        layer = "" if row.layer is None else f"layer {row.layer}"
        if row.stage is not None:
            yield f"{row.measure}/{' '.join(filter(None, (row.stage, layer)))}", row.value, row.task
        elif layer:
            yield f"{row.measure}/{layer}", row.value, row.task
        else:
            yield f"capacity/{row.measure}", row.value, row.task


def _totals(measurement: Measurement) -> Iterator[Point]:
    yield from ((f"final/{name}", value, measurement.tasks) for name, value in measurement.totals.items())
    yield "final/train seconds", measurement.train_seconds, measurement.tasks
