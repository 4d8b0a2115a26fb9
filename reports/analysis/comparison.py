"""A contest: every method of a stream beside one of them, in numbers, in text, and in words on how to read it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from den import metrics
from reports import labels
from reports.analysis import inference
from reports.analysis.by_split import Values, by_seed, capacities, seconds
from reports.analysis.findings import SUBJECT
from reports.analysis.inference import Difference, Interval
from reports.summaries import main_score
from reports.tables import Tables

FEW = 4  # splits, with fewer of which only large differences show


@dataclass(frozen=True)
class Contest:
    """One stream's methods against `rival`.

    numbers: a row per method; of each quantity its mean and the ends of its 95 % interval, of each score the difference
    to the rival too, with its p before and after Holm's correction; nan where there is none. A score that no method has
    is left out.
    """

    stream: str
    rival: str
    numbers: pd.DataFrame
    note: str

    @property
    def title(self) -> str:
        """What is compared."""
        return f"every method against {labels.method(self.rival)}"

    @property
    def tables(self) -> list[pd.DataFrame]:
        """The contest as text, a table a score, the stream's main one first."""
        measured = [score for score in labels.SCORES if score in self.numbers]
        scores = sorted(measured, key=lambda score: score != main_score(self.stream))
        return [pd.DataFrame([_text(row, score) for row in self.numbers.itertuples()]) for score in scores]


def contest(tables: Tables, rival: str = "") -> Contest:
    """Return one stream's methods against a rival: the one named, or else DEN, or else the best.

    Raises ValueError for a rival that is not there.
    """
    scores = {score: found for score in labels.SCORES if (found := by_seed(tables, metrics.average, score))}
    main = main_score(tables.streams[0])
    rival = _rival(scores[main], rival)
    quantities = scores | {"capacity": capacities(tables), "seconds": seconds(tables)}
    gaps = {score: inference.against(values, rival) for score, values in scores.items()}
    rows = [
        {"method": method}
        | _means(method, quantities)
        | _gaps(method, gaps)
        for method in scores[main]
    ]  # fmt: skip
    return Contest(tables.streams[0], rival, pd.DataFrame(rows), note(gaps[main]))


def note(gaps: Mapping[str, Difference]) -> str:
    """Return what a reader of these differences should know."""
    sizes = {method: gap.over.size for method, gap in gaps.items()}
    most = max(sizes.values(), default=0)
    if most < 2:
        return "One split: a sample too small to say anything about differences."
    told = [
        f"± and the ends in brackets are 95 % intervals over splits; p is of a paired t-test by split, Holm-corrected "
        f"over {len(gaps)} comparison{'s' * (len(gaps) > 1)}."
    ]
    if most < FEW:
        told.append(f"{most} splits are few: only large differences can show.")
    if (rank := inference.smallest_rank_p(most)) > inference.LEVEL:
        told.append(f"With {most} splits a signed-rank test cannot go below p = {labels.score(rank, 4)}; none is made.")
    if alone := [labels.method(method) for method, size in sizes.items() if size < 2]:
        told.append(f"Fewer than two splits in common, so no p: {', '.join(alone)}.")
    return " ".join(told)


def _rival(average: Values, asked: str) -> str:
    if not asked:
        return SUBJECT if SUBJECT in average else max(average, key=lambda method: _of(average[method]).mean)
    if asked not in average:
        raise ValueError(f"{asked} has no finished cell; there are {', '.join(average)}")
    return asked


def _of(values: Mapping[int, float]) -> Interval:
    return inference.interval(list(values.values()))


def _means(method: str, quantities: Mapping[str, Values]) -> dict[str, Any]:
    found = {name: _of(values.get(method, {})) for name, values in quantities.items()}
    means = {name: one.mean for name, one in found.items()}
    ends = {f"{name}_{end}": getattr(one, end) for name, one in found.items() for end in ("low", "high")}
    return {"splits": found["auroc"].size} | means | ends


def _gaps(method: str, gaps: Mapping[str, Mapping[str, Difference]]) -> dict[str, float]:
    """Return the differences of a method; of the rival to itself there is none."""
    none = Difference(Interval(math.nan, math.nan, math.nan, 0), math.nan)
    found = {score: by_method.get(method, none) for score, by_method in gaps.items()}
    return {
        f"{score}_difference{name}": value
        for score, gap in found.items()
        for name, value in {
            "": gap.over.mean, "_low": gap.over.low, "_high": gap.over.high, "_p": gap.p, "_p_holm": gap.adjusted,
        }.items()
    }  # fmt: skip


def _text(row: Any, score: str) -> dict[str, str]:
    """Return a method's row of a score's table."""
    mean, high = getattr(row, score), getattr(row, f"{score}_high")
    return {
        "method": row.method,
        labels.SCORES[score]: labels.with_error(mean, high - mean),
        "difference": difference(*(getattr(row, f"{score}_difference{end}") for end in ("", "_low", "_high"))),
        "p": probability(getattr(row, f"{score}_difference_p_holm")),
        "capacity": labels.number(row.capacity, 2),
        "seconds": labels.number(row.seconds, 1),
    }


def difference(mean: float, low: float, high: float, digits: int = 3) -> str:
    """Return a difference and the ends of its interval: +.012 (−.004, +.028)."""
    ends = [labels.signed(end, digits) for end in (low, high)]
    return labels.signed(mean, digits) + (f" ({', '.join(ends)})" if all(ends) else "")


def probability(p: float) -> str:
    """Return p with three digits, .021, or <.001; nothing for nan."""
    return "<.001" if p < 0.0005 else labels.score(p)
