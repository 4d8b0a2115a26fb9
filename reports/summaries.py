"""What the three tables say: statistics over seeds, and how often a network grew."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from den import measures, metrics
from reports import labels
from reports.tables import Tables

PUBLISHED = Path(__file__).parent / "published"
PAPER = "Yoon et al. 2018"
OTHERS = {name: metric for name, metric in metrics.METRICS.items() if name != "average"}
STATISTICS = (*labels.SCORES, *OTHERS)
"The average of every score, and what else is told of a stream's main score."

Metric = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its standard error (nan for one seed) and the number of seeds."""

    mean: float
    error: float
    seeds: int

    @property
    def pair(self) -> tuple[float, float]:
        """The mean and its standard error."""
        return self.mean, self.error


MISSING = Estimate(math.nan, math.nan, 0)


@cache
def main_score(stream: str) -> str:
    """Return the score that a stream's results are told in: that of the numbers published for it, or else AUROC."""
    told = pd.concat([_file("final"), _file("later")]).drop_duplicates("stream").set_index("stream")["score"]
    return str(told.get(stream, "auroc"))


def score_name(tables: Tables) -> str:
    """Return the main score of one stream's tables as a reader knows it."""
    return labels.SCORES[main_score(tables.streams[0])]


def statistic(name: str, stream: str) -> tuple[str, Metric]:
    """Return the score that one of STATISTICS is of, on a stream, and its metric."""
    return (main_score(stream), OTHERS[name]) if name in OTHERS else (name, metrics.average)


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of the values that are known, and its standard error."""
    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if len(known) else math.nan
    error = float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan
    return Estimate(mean, error, len(known))


def over_seeds(curves: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of (points,) curves over seeds, and its standard error: nan for one seed."""
    points = [estimate(values) for values in zip(*curves, strict=True)]
    return np.array([point.mean for point in points]), np.array([point.error for point in points])


def matrices(tables: Tables, score: str = "") -> dict[str, dict[int, NDArray[np.float64]]]:
    """Return the score matrices of one stream's tables by method and seed, methods in the order of `names.ordered`.

    score: the stream's main score, if none is named. Raises ValueError where two cells of one method and seed would be
    taken for one.
    """
    _refuse_twins(tables)
    found = tables.scores[tables.scores["score"] == (score or main_score(tables.streams[0]))]
    tasks = int(tables.scores["task"].max()) if len(found) else 0
    return {
        method: {int(seed): _matrix(rows, tasks) for seed, rows in found[found["method"] == method].groupby("seed")}
        for method in labels.ordered(found["method"])
    }


def curves(tables: Tables) -> pd.DataFrame:
    """Return the average main score of one stream's methods, means over seeds: a row per number of tasks learned."""
    found = {
        method: over_seeds([metrics.averages(R) for R in seeds.values()])[0]
        for method, seeds in matrices(tables).items()
    }
    return pd.DataFrame({"after_task": range(1, 1 + max(map(len, found.values()))), **found})


def estimates(tables: Tables, metric: Metric, score: str = "") -> dict[str, Estimate]:
    """Return a metric of `den.metrics` by method, over the seeds of one stream; of its main score, if none is named."""
    found = matrices(tables, score)
    return {method: estimate(metric(R) for R in seeds.values()) for method, seeds in found.items()}


def summary(tables: Tables) -> pd.DataFrame:
    """Return one row per stream and method: STATISTICS over seeds, capacity, seconds, the paper beside them.

    Columns ending in `_error` are standard errors, nan for one seed; forgetting, backward transfer and plasticity are
    of the stream's main score; `published` is the paper's final average AUROC. What was not measured is nan.
    """
    rows = [row for stream in tables.streams for row in _rows(tables.of(stream=stream), stream)]
    return pd.DataFrame(rows)


def fired(tables: Tables) -> pd.DataFrame:
    """Return how often what may fire did: stream, method, what ("expansion"), fired, tasks (summed over seeds)."""
    rows = tables.measures[tables.measures["measure"].str.endswith(measures.FIRED)]
    what = rows["measure"].str.removesuffix(measures.FIRED).rename("what")
    counts = rows.groupby(["stream", "method", what])["value"].agg(fired="sum", tasks="count")
    return counts.astype("int64").reset_index()


def published(name: str, stream: str, source: str = PAPER) -> pd.DataFrame:
    """Return the numbers of published/<name>.csv that a source, or any, has for a stream; empty where it has none."""
    frame = _file(name)
    return frame[(frame["stream"] == stream) & (frame["source"] == (source or frame["source"]))].reset_index(drop=True)


@cache
def _file(name: str) -> pd.DataFrame:
    return pd.read_csv(PUBLISHED / f"{name}.csv")


def finals(stream: str) -> pd.DataFrame:
    """Return the paper's average AUROC after the last task by method, value and read_from, its ablations included."""
    rows = pd.concat([published("final", stream), published("ablation", stream)])
    return rows.drop_duplicates("method").set_index("method")[["value", "read_from"]]


def plain(tables: Tables) -> Tables:
    """Return the tables without the methods that are one departure away from another: too many for a curve each.

    Where there are no others, they stay.
    """
    methods = tables.cells["method"].unique()
    kept = tables.among([method for method in methods if not method.startswith((labels.PLUS, labels.MINUS))])
    return tables if kept.cells.empty else kept


def _rows(tables: Tables, stream: str) -> list[dict[str, object]]:
    measured = {column: statistic(column, stream) for column in STATISTICS}
    found = {column: estimates(tables, metric, score) for column, (score, metric) in measured.items()}
    told = {method: {column: of.get(method, MISSING) for column, of in found.items()} for method in found["auroc"]}
    cells = tables.cells.groupby("method")[["capacity", "train_seconds"]].mean()
    paper = finals(stream)["value"]
    return [
        {"stream": stream, "method": method, "seeds": values["auroc"].seeds}
        | {column: value.mean for column, value in values.items()}
        | {f"{column}_error": value.error for column, value in values.items()}
        | {"capacity": cells["capacity"][method], "seconds": cells["train_seconds"][method]}
        | {"published": paper.get(method, math.nan)}
        for method, values in told.items()
    ]


def _matrix(rows: pd.DataFrame, tasks: int) -> NDArray[np.float64]:
    R = np.full((tasks, tasks), np.nan)
    R[rows["after_task"] - 1, rows["task"] - 1] = rows["value"]
    return R


def _refuse_twins(tables: Tables) -> None:
    place = ["stream", "method", "seed"]
    twins = tables.cells[tables.cells.duplicated(place, keep=False)]
    if len(twins):
        first = twins.iloc[0]
        raise ValueError(
            f"several cells of {first['stream']}, {first['method']}, seed {first['seed']}: measurements "
            f"{', '.join(twins['measurement'])}; report one suite at a time, one setting per method"
        )
