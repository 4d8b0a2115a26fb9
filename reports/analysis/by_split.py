"""One method against another, split by split: differences, ratios, and what one departure of the released code does."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from den import measures
from reports import labels
from reports.summaries import Estimate, Metric, estimate, matrices
from reports.tables import Tables

Values = Mapping[str, Mapping[int, float]]
"A number for each method and seed."

PAPER_METHOD, RELEASED_METHOD = "den", "den_official"


class Departure(NamedTuple):
    """What one departure of the released code changes: added to the paper's algorithm, and mended in the code's."""

    added: Estimate
    mended: Estimate


def by_seed(tables: Tables, metric: Metric, score: str = "") -> Values:
    """Return a metric of every method and seed of one stream; of its main score, if none is named."""
    found = matrices(tables, score)
    return {method: {seed: metric(R) for seed, R in seeds.items()} for method, seeds in found.items()}


def capacities(tables: Tables) -> Values:
    """Return the final capacity of every method and seed."""
    return _values(tables.cells, "capacity")


def seconds(tables: Tables) -> Values:
    """Return the seconds that the training of every method and seed took."""
    return _values(tables.cells, "train_seconds")


def steps(tables: Tables) -> Values:
    """Return the steps of every method and seed, those of all tasks and stages together."""
    return _values(_of(tables, measures.STEPS).groupby(["method", "seed"])["value"].sum().reset_index(), "value")


def training(tables: Tables, measure: str) -> Values:
    """Return what the training stages of all tasks but the first took together, in measures.SECONDS or STEPS."""
    rows = _of(tables, measure)
    later = rows[(rows["after_task"] > 1) & (rows["stage"] != measures.EVALUATION)]
    return _values(later.groupby(["method", "seed"])["value"].sum().reset_index(), "value")


def selective_share(tables: Tables) -> Values:
    """Return the seconds of a task's selective retraining, on average, relative to those of the first task's training.

    Methods without selective retraining are left out.
    """
    rows = _of(tables, measures.SECONDS)
    selective = rows[rows["stage"] == measures.SELECTIVE].groupby(["method", "seed"])["value"].mean()
    whole = rows[(rows["stage"] == measures.TRAIN) & (rows["after_task"] == 1)]
    first = whole.groupby(["method", "seed"])["value"].sum()
    return _values((selective / first).dropna().reset_index(), "value")


def selected_units(tables: Tables) -> dict[int, Values]:
    """Return the units that a task selects, on average over all tasks but the first, by layer; 0 are the inputs."""
    rows = _of(tables, measures.SELECTED_UNITS)
    means = rows[rows["after_task"] > 1].groupby(["layer", "method", "seed"])["value"].mean().reset_index()
    return {int(layer): _values(found, "value") for layer, found in means.groupby("layer")}


def mean_of(values: Values, method: str) -> Estimate:
    """Return a method's mean over its seeds; nan where it has none."""
    return estimate(values.get(method, {}).values())


def difference(values: Values, subject: str, rival: str) -> Estimate:
    """Return by how much the subject exceeds the rival, over the seeds that both have."""
    return _paired(values, subject, rival, lambda ours, theirs: ours - theirs)


def ratio(values: Values, subject: str, base: str) -> Estimate:
    """Return the subject relative to the base, over the seeds that both have."""
    return _paired(values, subject, base, lambda ours, theirs: ours / theirs)


def departures(values: Values) -> dict[str, Departure]:
    """Return what each departure of the released code changed, by its words, those first that lower the values most."""
    quirks = {labels.quirk(method) for method in values if method.startswith((labels.PLUS, labels.MINUS))}
    found = {quirk: _departure(values, quirk.replace(" ", "_")) for quirk in sorted(quirks)}
    return dict(sorted(found.items(), key=lambda item: (math.isnan(item[1].added.mean), item[1].added.mean)))


def lost(task: int) -> Metric:
    """Return the metric of what a task, counted from 1, lost from when it was learned to the end."""
    return lambda R: float(R[task - 1, task - 1] - R[-1, task - 1])


def _departure(values: Values, quirk: str) -> Departure:
    return Departure(
        difference(values, labels.PLUS + quirk, PAPER_METHOD), difference(values, labels.MINUS + quirk, RELEASED_METHOD)
    )


def _paired(values: Values, subject: str, rival: str, compare: Callable[[float, float], float]) -> Estimate:
    ours, theirs = values.get(subject, {}), values.get(rival, {})
    return estimate(compare(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys()))


def _of(tables: Tables, measure: str) -> pd.DataFrame:
    return tables.measures[tables.measures["measure"] == measure]


def _values(rows: pd.DataFrame, column: str) -> Values:
    return {
        str(method): {int(seed): float(value) for seed, value in zip(found["seed"], found[column], strict=True)}
        for method, found in rows.groupby("method")
    }
