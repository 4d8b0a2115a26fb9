"""Methods compared seed by seed: differences, ratios, and the effect of one departure of the released code."""

import math
from collections.abc import Callable
from typing import NamedTuple

from den import measures
from reports import labels
from reports.estimates import Estimate, Metric, Values, estimate
from reports.stream_results import StreamResults, by_method_and_seed


class Departure(NamedTuple):
    """What one departure of the released code changes: added to the paper's algorithm, and mended in the code."""

    added: Estimate
    mended: Estimate


def steps(results: StreamResults) -> Values:
    """Return the training steps of every method and seed, over all tasks and stages."""
    sums = results.measured(measures.STEPS).groupby(["method", "seed"])["value"].sum()
    return by_method_and_seed(sums.reset_index(), "value")


def training(results: StreamResults, measure: str) -> Values:
    """Return measures.SECONDS or STEPS of the training stages of all tasks but the first, summed."""
    rows = results.measured(measure)
    later = rows[(rows["after_task"] > 1) & (rows["stage"] != measures.EVALUATION)]
    return by_method_and_seed(later.groupby(["method", "seed"])["value"].sum().reset_index(), "value")


def selective_share(results: StreamResults) -> Values:
    """Return the mean time of a task's selective retraining, relative to the training of the first task.

    Methods without selective retraining are left out.
    """
    rows = results.measured(measures.SECONDS)
    selective = rows[rows["stage"] == measures.SELECTIVE].groupby(["method", "seed"])["value"].mean()
    of_first = rows[(rows["stage"] == measures.TRAIN) & (rows["after_task"] == 1)]
    first = of_first.groupby(["method", "seed"])["value"].sum()
    return by_method_and_seed((selective / first).dropna().reset_index(), "value")


def selected_units(results: StreamResults) -> dict[int, Values]:
    """Return how many units a task selects, a mean over all tasks but the first, by layer; 0 is the inputs."""
    rows = results.measured(measures.SELECTED_UNITS)
    means = rows[rows["after_task"] > 1].groupby(["layer", "method", "seed"])["value"].mean().reset_index()
    return {int(layer): by_method_and_seed(of_layer, "value") for layer, of_layer in means.groupby("layer")}


def difference(values: Values, subject: str, rival: str) -> Estimate:
    """Return by how much the subject exceeds the rival, over the seeds of both."""
    return _paired(values, subject, rival, lambda ours, theirs: ours - theirs)


def ratio(values: Values, subject: str, base: str) -> Estimate:
    """Return the subject relative to the base, over the seeds of both."""
    return _paired(values, subject, base, lambda ours, theirs: ours / theirs)


def departures(values: Values) -> dict[str, Departure]:
    """Return the effect of each departure of the released code, by its label; the one that lowers values most first."""
    quirks = {labels.quirk(method) for method in values if labels.is_departure(method)}
    effects = {quirk: _departure(values, quirk) for quirk in sorted(quirks)}
    return dict(sorted(effects.items(), key=lambda item: (math.isnan(item[1].added.mean), item[1].added.mean)))


def changed(task: int) -> Metric:
    """Return the metric of how much a task, counted from 1, changed between being learned and the end."""
    return lambda R: float(R[-1, task - 1] - R[task - 1, task - 1])


def _departure(values: Values, quirk: str) -> Departure:
    return Departure(
        difference(values, labels.added(quirk), labels.PAPER_METHOD),
        difference(values, labels.mended(quirk), labels.RELEASED_METHOD),
    )


def _paired(values: Values, subject: str, rival: str, compare: Callable[[float, float], float]) -> Estimate:
    ours, theirs = values.get(subject, {}), values.get(rival, {})
    return estimate(compare(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys()))
