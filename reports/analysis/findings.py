"""What the numbers say in plain words, computed and never typed."""

import math
from typing import Any

import pandas as pd

from den import measures, metrics
from reports import labels
from reports.analysis.by_split import by_seed, difference
from reports.analysis.optimality import far_from_optimal
from reports.layer_labels import layer
from reports.summaries import Estimate, estimates, fired, plain, score_name
from reports.tables import Tables

SUBJECT, REFERENCE = "den", "single_task"


def verdict(tables: Tables) -> str:
    """Return how DEN did against single-task networks on one stream; without them, the best against the next."""
    tables = plain(tables)
    average = estimates(tables, metrics.average)
    subject, rival = _pair(average)
    tasks = int(tables.scores["task"].max())
    said = f"After {tasks} tasks {_said(subject, average[subject])} in average {score_name(tables)}"
    if rival is None:
        return f"{said}; there is no other method to compare it with."
    gap = difference(by_seed(tables, metrics.average), subject, rival)
    sizes = tables.cells.groupby("method")["capacity"].mean()
    return (
        f"{said} against {_said(rival, average[rival])}: {_judged(gap)}, at {sizes[subject]:.2f} times the capacity of "
        f"the base network against {sizes[rival]:.2f}.{' One seed: no error bars.' if gap.seeds == 1 else ''}"
    )


def findings(tables: Tables) -> list[str]:
    """Return one sentence for each thing worth knowing about one stream's results; those not measured are left out."""
    tables = plain(tables)
    found = [
        _extremes(tables),
        _forgotten(tables),
        *how_often(tables),
        *_widened(tables),
        _kept(tables),
        _shift(tables),
        *far_from_optimal(tables),
    ]
    return [sentence for sentence in found if sentence]


def how_often(tables: Tables) -> list[str]:
    """Return how often expansion and split fired on one stream, a sentence per method."""
    return [
        f"{labels.method(str(method))}: {', '.join(_often(row) for row in rows.itertuples())}."
        for method, rows in fired(plain(tables)).groupby("method")
    ]


def _pair(average: dict[str, Estimate]) -> tuple[str, str | None]:
    ranking = sorted(average, key=lambda method: -average[method].mean)
    subject = SUBJECT if SUBJECT in average else ranking[0]
    others = [method for method in ranking if method != subject]
    return subject, REFERENCE if REFERENCE in others else next(iter(others), None)


def _said(method: str, average: Estimate) -> str:
    return f"{labels.method(method)} {labels.with_error(*average.pair)}"


def _judged(gap: Estimate) -> str:
    if not gap.seeds:
        return "no seed in common, so no difference is given"
    if not labels.score(gap.mean).strip("−.0"):
        return "level"
    ahead = "ahead" if gap.mean > 0 else "behind"
    size = f"{ahead} by {labels.with_error(abs(gap.mean), gap.error)}"
    if math.isnan(gap.error):
        return size
    clear = abs(gap.mean) > 2 * gap.error
    return f"{size} over {gap.seeds} seeds, {'more' if clear else 'no more'} than two standard errors"


def _extremes(tables: Tables) -> str:
    average = estimates(tables, metrics.average)
    ranking = sorted(average, key=lambda method: -average[method].mean)
    if len(ranking) < 3:
        return ""
    highest, lowest = (_said(method, average[method]) for method in (ranking[0], ranking[-1]))
    return f"Highest average {score_name(tables)}: {highest}; lowest: {lowest}."


def _forgotten(tables: Tables) -> str:
    lost = estimates(tables, metrics.forgetting)
    known = sorted((one.mean, method) for method, one in lost.items() if not math.isnan(one.mean))
    said = ", ".join(f"{labels.method(method)} {labels.score(mean)}" for mean, method in known)
    return f"Forgetting, from least to most: {said}." if said else ""


def _often(row: Any) -> str:
    judged = "" if 0 < row.fired < row.tasks else " (always)" if row.fired else " (never)"
    return f"{row.what} fired on {row.fired} of {row.tasks} tasks{judged}"


def _widened(tables: Tables) -> list[str]:
    units = tables.measures[(tables.measures["measure"] == measures.UNITS) & tables.measures["stage"].isna()]
    widths = (
        units.groupby(["method", "layer", "after_task"])["value"]
        .mean()
        .groupby(["method", "layer"])
        .agg(["first", "last"])
    )
    grown = widths[widths["first"] != widths["last"]]
    return [f"{labels.method(method)}: {_widths(tables, rows)}." for method, rows in grown.groupby("method")]


def _widths(tables: Tables, rows: pd.DataFrame) -> str:
    ends = [(layer(tables, number), row["first"], row["last"]) for (_, number), row in rows.iterrows()]
    return "; ".join(f"{name} went from {a:.0f} to {b:.0f} units" for name, a, b in ends)


def _kept(tables: Tables) -> str:
    sums = tables.measures.groupby("measure")["value"].sum()
    if measures.KEPT_UNITS not in sums:
        return ""
    split = f"; {sums[measures.SPLIT_UNITS]:,.0f} units were split" if measures.SPLIT_UNITS in sums else ""
    return f"Expansions kept {sums[measures.KEPT_UNITS]:,.0f} units{split}."


def _shift(tables: Tables) -> str:
    shifts = tables.measures.loc[tables.measures["measure"] == measures.ANSWER_SHIFT, "value"].dropna()
    return f"Largest answer shift by a split, before it is mended: {shifts.max():.2g}." if len(shifts) else ""
