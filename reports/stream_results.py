"""One stream's results, and everything that tables, figures and sentences derive from them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from den import metrics
from den.measures import UNITS
from reports import floors, label_notes, labels, published_numbers
from reports.estimates import MISSING, Estimate, Matrix, Metric, Values, estimate, over_seeds

MATRIX_METRICS = {name: metric for name, metric in metrics.METRICS.items() if name != "average"}
"Metrics of the main score besides its average."
STATISTICS = (*labels.SCORES, *MATRIX_METRICS)
"Columns of a summary: the average of every score, and MATRIX_METRICS."

BOTH = ("auroc", "accuracy")
"Scores whose forgetting reports show: one of the order of answers, one of the answers."
KERNEL = "kernel"
"The measure of a convolution: the side of its filters."

Matrices = Mapping[str, Mapping[int, Matrix]]
"A score matrix for each method and seed."


@dataclass(frozen=True, eq=False)
class StreamResults:
    """One stream's three tidy tables. What is derived from them is computed once; nobody changes the frames.

    chosen_from: the results of all methods, if these are of some of them.
    stored_floor: the floor of each score by the stored labels; None if it follows from the stream's definition.
    """

    stream: str
    scores: pd.DataFrame
    cells: pd.DataFrame
    measures: pd.DataFrame
    chosen_from: "StreamResults | None" = field(default=None, repr=False)
    stored_floor: Mapping[str, float] | None = None

    def among(self, methods: Collection[str]) -> "StreamResults":
        """Return the results of these methods."""
        frames = (self.scores, self.cells, self.measures)
        scores, cells, rows = (frame[frame["method"].isin(methods)].reset_index(drop=True) for frame in frames)
        return StreamResults(self.stream, scores, cells, rows, self.whole, self.stored_floor)

    @property
    def whole(self) -> "StreamResults":
        """The results of all methods of the stream."""
        return self.chosen_from or self

    @cached_property
    def without_departures(self) -> "StreamResults":
        """The results without methods that are one departure away from another: they are too many for curves.

        If there are no other methods, they stay.
        """
        methods = [method for method in self.methods if not labels.is_departure(method)]
        return self.among(methods) if methods and len(methods) < len(self.methods) else self

    @cached_property
    def methods(self) -> list[str]:
        """The methods, in the order of all tables."""
        return labels.ordered(self.cells["method"])

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of all methods."""
        return sorted(int(seed) for seed in self.cells["seed"].unique())

    @cached_property
    def tasks(self) -> int:
        """The number of tasks."""
        return int(self.scores["task"].max())

    @cached_property
    def main_score(self) -> str:
        """The score that the stream is reported in."""
        return published_numbers.main_score(self.stream)

    @cached_property
    def score_label(self) -> str:
        """The main score's label."""
        return labels.SCORES[self.main_score]

    @cached_property
    def scores_measured(self) -> list[str]:
        """The scores that some method has, the main score first."""
        measured = [score for score in labels.SCORES if self.matrices_of(score)]
        return sorted(measured, key=lambda score: score != self.main_score)

    @property
    def floor(self) -> Mapping[str, float]:
        """What the majority answer scores, by score; empty for a stream whose floor is not derived."""
        return floors.of(self.stream) if self.stored_floor is None else self.stored_floor

    @property
    def label_notes(self) -> str:
        """What the labels of the methods, of the majority answer and of capacities mean; empty if they are plain."""
        majority = [labels.MAJORITY] if self.floor else []
        return label_notes.of([*self.methods, *majority], max(self._fixed_capacities, default=1.0))

    @cached_property
    def matrices(self) -> Matrices:
        """The matrices of the main score. Raises ValueError for two cells of one method and seed."""
        return self.matrices_of(self.main_score)

    def matrices_of(self, score: str) -> Matrices:
        """Return the matrices of a score, methods in the order of all tables; empty if no method has it.

        Raises ValueError for two cells of one method and seed.
        """
        return self._matrices.get(score, {})

    @cached_property
    def averages(self) -> Values:
        """The main score after the last task, averaged over tasks."""
        return self.values_of(metrics.average)

    @cached_property
    def estimates(self) -> dict[str, Estimate]:
        """The average main score after the last task by method, over seeds."""
        return self.estimates_of(metrics.average)

    @cached_property
    def learning_curves(self) -> dict[str, tuple[Matrix, Matrix]]:
        """The average main score after each task by method: (tasks,) means over seeds and standard errors."""
        return {
            method: over_seeds([metrics.averages(R) for R in seeds.values()]) for method, seeds in self.matrices.items()
        }

    @cached_property
    def capacities(self) -> Values:
        """The capacity after the last task, relative to the base network."""
        return by_method_and_seed(self.cells, "capacity")

    @cached_property
    def seconds(self) -> Values:
        """The seconds of training."""
        return by_method_and_seed(self.cells, "train_seconds")

    @cached_property
    def convolutions(self) -> int:
        """How many hidden layers are convolutions; they are the lowest ones."""
        rows = self.measured(KERNEL)
        return 0 if rows.empty else int(rows["layer"].max())

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per method: STATISTICS over seeds, capacity, seconds, and the paper's number.

        Columns ending in `_error` are standard errors, nan for one seed; MATRIX_METRICS are of the main score;
        `published` is the paper's final average AUROC. What was not measured is nan.
        """
        columns = {name: self._statistic(name) for name in STATISTICS}
        means = self.cells.groupby("method")[["capacity", "train_seconds"]].mean()
        paper = published_numbers.finals(self.stream)["value"]
        rows: list[dict[str, object]] = []
        for method in columns["auroc"]:
            values = {name: by_method.get(method, MISSING) for name, by_method in columns.items()}
            rows.append(
                {"stream": self.stream, "method": method, "seeds": values["auroc"].seeds}
                | {name: value.mean for name, value in values.items()}
                | {f"{name}_error": value.error for name, value in values.items()}
                | {"capacity": means["capacity"][method], "seconds": means["train_seconds"][method]}
                | {"published": paper.get(method, math.nan)}
            )
        return pd.DataFrame(rows)

    def values_of(self, metric: Metric, score: str = "") -> Values:
        """Return a metric of every method and seed; of the main score, if none is named."""
        matrices = self.matrices_of(score or self.main_score)
        return {method: {seed: metric(R) for seed, R in seeds.items()} for method, seeds in matrices.items()}

    def estimates_of(self, metric: Metric, score: str = "") -> dict[str, Estimate]:
        """Return a metric by method, over seeds; of the main score, if none is named."""
        return {method: estimate(seeds.values()) for method, seeds in self.values_of(metric, score).items()}

    def of_both(self, metric: Metric) -> dict[str, dict[str, Estimate]]:
        """Return a metric by score and method: of those of BOTH that are measured, and of every method."""
        values = {score: self.estimates_of(metric, score) for score in self.scores_measured if score in BOTH}
        return {score: {method: of.get(method, MISSING) for method in self.methods} for score, of in values.items()}

    def measured(self, measure: str, **values: object) -> pd.DataFrame:
        """Return the rows of a measure whose columns have these values: `measured("units", after_task=1)`."""
        rows = self.measures[self.measures["measure"] == measure]
        for column, value in values.items():
            rows = rows[rows[column] == value]
        return rows.reset_index(drop=True)

    def _statistic(self, name: str) -> dict[str, Estimate]:
        """Return one of STATISTICS by method."""
        metric = MATRIX_METRICS.get(name)
        return self.estimates_of(metric) if metric else self.estimates_of(metrics.average, name)

    @cached_property
    def _fixed_capacities(self) -> list[float]:
        """The capacities of methods whose hidden layers keep their width."""
        units = self.measured(UNITS)
        widths = units[units["stage"].isna()].groupby(["method", "seed", "layer"])["value"].nunique()
        fixed = widths.groupby("method").max() == 1
        return [
            estimate(seeds.values()).mean
            for method, seeds in self.capacities.items()
            if fixed.get(method, default=False)
        ]

    @cached_property
    def _matrices(self) -> dict[str, Matrices]:
        """The matrices of every score."""
        self._refuse_twins()
        return {str(score): self._by_method(rows) for score, rows in self.scores.groupby("score")}

    def _by_method(self, rows: pd.DataFrame) -> Matrices:
        return {
            method: {
                int(seed): self._matrix(of_seed) for seed, of_seed in rows[rows["method"] == method].groupby("seed")
            }
            for method in labels.ordered(rows["method"])
        }

    def _matrix(self, rows: pd.DataFrame) -> Matrix:
        R = np.full((self.tasks, self.tasks), np.nan)
        R[rows["after_task"] - 1, rows["task"] - 1] = rows["value"]
        return R

    def _refuse_twins(self) -> None:
        twins = self.cells[self.cells.duplicated(["method", "seed"], keep=False)]
        if len(twins):
            first = twins.iloc[0]
            raise ValueError(
                f"several cells of {self.stream}, {first['method']}, seed {first['seed']}: measurements "
                f"{', '.join(twins['measurement'])}; report one suite at a time, one setting per method"
            )


def by_method_and_seed(rows: pd.DataFrame, column: str) -> Values:
    """Return a column of a frame that has one row per method and seed."""
    return {
        str(method): {int(seed): float(value) for seed, value in zip(part["seed"], part[column], strict=True)}
        for method, part in rows.groupby("method")
    }
