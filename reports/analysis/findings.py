"""Sentences on what the numbers show, computed and never typed. Each takes one stream's results."""

import math
from collections.abc import Iterator

import pandas as pd

from den import measures, metrics
from reports import labels
from reports.analysis.optimality import far_from_optimal
from reports.estimates import Estimate
from reports.layer_labels import layer
from reports.stream_results import StreamResults


def findings(results: StreamResults) -> list[str]:
    """Return one sentence for each finding; without those on what was not measured."""
    sentences = [
        _extremes(results),
        *_forgotten(results),
        *how_often(results),
        *_widened(results),
        _kept(results),
        _shift(results),
        *far_from_optimal(results),
    ]
    return [sentence for sentence in sentences if sentence]


def how_often(results: StreamResults) -> list[str]:
    """Return how often expansion and split fired, one sentence per method."""
    return [
        f"{labels.method(method)}: {', '.join(map(_often, rows['stage'], rows['fired'], rows['tasks']))}."
        for method, rows in fired(results).groupby("method")
    ]


def fired(results: StreamResults) -> pd.DataFrame:
    """Return how often optional stages fired: method, stage ("expansion"), fired and tasks, summed over seeds."""
    rows = results.measures[results.measures["measure"].str.endswith(measures.FIRED)]
    stage = rows["measure"].str.removesuffix(measures.FIRED).rename("stage")
    counts = rows.groupby(["method", stage])["value"].agg(fired="sum", tasks="count")
    return counts.astype("int64").reset_index()


def _ranking(estimates: dict[str, Estimate]) -> list[str]:
    """Return the methods, the best first."""
    return sorted(estimates, key=lambda method: -estimates[method].mean)


def _scored(results: StreamResults, method: str) -> str:
    """Return a method and its average score: DEN .798 ± .004."""
    return f"{labels.method(method)} {labels.with_error(*results.estimates[method].pair)}"


def _extremes(results: StreamResults) -> str:
    ranking = _ranking(results.estimates)
    if len(ranking) < 3:
        return ""
    highest, lowest = (_scored(results, method) for method in (ranking[0], ranking[-1]))
    return f"Highest average {results.score_label}: {highest}; lowest: {lowest}."


def _forgotten(results: StreamResults) -> Iterator[str]:
    for score, losses in results.of_both(metrics.forgetting).items():
        ranking = sorted((loss.mean, method) for method, loss in losses.items() if not math.isnan(loss.mean))
        text = ", ".join(f"{labels.method(method)} {labels.score(mean)}" for mean, method in ranking)
        if text:
            yield f"Forgetting of {labels.SCORES[score]}, from least to most: {text}."


def _often(stage: str, fired: int, tasks: int) -> str:
    remark = "" if 0 < fired < tasks else " (always)" if fired else " (never)"
    return f"{stage} fired on {fired} of {tasks} tasks{remark}"


def _widened(results: StreamResults) -> list[str]:
    units = results.measured(measures.UNITS)
    means = units[units["stage"].isna()].groupby(["method", "layer", "after_task"])["value"].mean()
    widths = means.groupby(["method", "layer"]).agg(["first", "last"])
    grown = widths[widths["first"] != widths["last"]]
    return [f"{labels.method(str(method))}: {_widths(results, rows)}." for method, rows in grown.groupby("method")]


def _widths(results: StreamResults, rows: pd.DataFrame) -> str:
    widths = [(layer(results, number), row["first"], row["last"]) for (_, number), row in rows.iterrows()]
    return "; ".join(f"{name} went from {first:.0f} to {last:.0f} units" for name, first, last in widths)


def _kept(results: StreamResults) -> str:
    sums = results.measures.groupby("measure")["value"].sum()
    if measures.KEPT_UNITS not in sums:
        return ""
    split = f"; {sums[measures.SPLIT_UNITS]:,.0f} units were split" if measures.SPLIT_UNITS in sums else ""
    return f"Expansions kept {sums[measures.KEPT_UNITS]:,.0f} units{split}."


def _shift(results: StreamResults) -> str:
    shifts = results.measured(measures.ANSWER_SHIFT)["value"].dropna()
    return f"Largest answer shift by a split, before it is mended: {shifts.max():.2g}." if len(shifts) else ""
