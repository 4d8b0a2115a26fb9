"""What is reported of a task that was learned, and the warning about growth without an end."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from den import measures

Row = Mapping[str, Any]
HALF = 0.5


class GrowthWarning(UserWarning):
    """Every task makes the network grow as far as its parameters allow."""


@dataclass(frozen=True)
class TaskReport:
    """Statistics of learning one task.

    task: counts from 1. classes: the labels, in the order of the columns of `predict_proba`. examples: their number.
    stages: their names, in order. seconds, steps: of all stages. loss: the mean training loss of the last steps,
    without penalties. residual: how far from optimal the last stage ended, from 0 to 1; None without a certificate.
    units: of each hidden layer, after the task. capacity: weights relative to the base network, whose output layer
    has all classes so far.
    expanded: whether DEN added units. selected_units: the units that the task was retrained on, inputs first.
    new_units, split_units: per hidden layer, the units that expansion added and that were split. drift: per hidden
    layer, how far the farthest unit moved. These are empty for a method, or a task, that does nothing of the kind.
    """

    task: int
    classes: tuple[int | float | bool | str, ...]
    examples: int
    stages: tuple[str, ...]
    seconds: float
    steps: int
    loss: float
    residual: float | None
    units: tuple[int, ...]
    capacity: float
    expanded: bool = False
    selected_units: tuple[int, ...] = ()
    new_units: tuple[int, ...] = ()
    split_units: tuple[int, ...] = ()
    drift: tuple[float, ...] = ()


def report_of(task: int, classes: Sequence[Any], examples: int, rows: Sequence[Row]) -> TaskReport:
    """Return the report of a task. rows: the measures of its stages and of the network after it."""
    stages = tuple(dict.fromkeys(row["stage"] for row in rows if row["stage"]))

    def of(measure: str) -> list[float]:
        return [row["value"] for row in rows if row["measure"] == measure]

    def counts(measure: str) -> tuple[int, ...]:
        return tuple(int(value) for value in of(measure))

    return TaskReport(
        task=task,
        classes=tuple(classes),
        examples=examples,
        stages=stages,
        seconds=sum(of(measures.SECONDS)),
        steps=int(sum(of(measures.STEPS))),
        loss=of(measures.LOSS)[-1],
        residual=next(reversed(of(measures.RESIDUAL)), None),
        units=counts(measures.UNITS),
        capacity=of(measures.CAPACITY)[-1],
        expanded=measures.EXPANSION in stages or measures.CONSTANT in stages,
        selected_units=counts(measures.SELECTED_UNITS),
        new_units=counts(measures.KEPT_UNITS),
        split_units=counts(measures.SPLIT_UNITS),
        drift=tuple(of(measures.DRIFT)),
    )


def warn_of_growth(reports: Sequence[TaskReport], limits: Sequence[int]) -> None:
    """Warn if the network grew as far as it may in every task after the first, of three tasks or more.

    limits: the new units per task of each hidden layer; empty for a method that does not grow.
    """
    later = reports[1:]
    if not limits or len(later) < 2:
        return
    last = later[-1]
    if all(measures.EXPANSION in report.stages and report.new_units == tuple(limits) for report in later):
        offered = " or ".join(map(str, sorted(set(limits))))
        message = f"raise group_sparsity, or loss_threshold: every task kept all {offered} new units of each layer"
    elif all(sum(report.split_units) > HALF * sum(report.units) for report in later):
        message = "raise drift, or drift_threshold: every task split more than half of the units"
    else:
        return
    reason = f"the network has {last.capacity:.2f} times the base. Tasks that share nothing need units of their own"
    warnings.warn(f"{reason}; if yours are alike: {message}", GrowthWarning, stacklevel=4)
