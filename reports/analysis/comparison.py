"""Every method of a stream compared with one of them: in numbers, in text, and in sentences on how to read them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from den import metrics
from reports import labels, published_numbers
from reports.analysis import inference
from reports.analysis.findings import SUBJECT
from reports.analysis.inference import Difference, Interval
from reports.estimates import Values
from reports.stream_results import StreamResults

FEW = 4
"Fewer seeds than this show only large differences."
UNKNOWN = Difference(Interval(math.nan, math.nan, math.nan, 0), math.nan)


@dataclass(frozen=True)
class Comparison:
    """One stream's methods compared with `rival`.

    numbers: one row per method. Each quantity has its mean and the ends of its 95 % interval; each score also has its
    difference to the rival, with p before and after Holm's correction. What is unknown is nan; a score that no method
    has is left out.
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
        """The numbers as text, one table per score, the stream's main score first."""
        main_score = published_numbers.main_score(self.stream)
        measured = [score for score in labels.SCORES if score in self.numbers]
        scores = sorted(measured, key=lambda score: score != main_score)
        rows = self.numbers.to_dict("records")
        return [pd.DataFrame([_text(row, score) for row in rows]) for score in scores]


class _Quantity(NamedTuple):
    """A quantity of every method, and its differences to the rival; empty if they are not tested."""

    values: Values
    differences: Mapping[str, Difference]


def against_rival(results: StreamResults, rival: str = "") -> Comparison:
    """Return one stream's methods compared with a rival: the one named, or else DEN, or else the best.

    Raises ValueError for a rival without results.
    """
    scores = {name: values for name in labels.SCORES if (values := results.values_of(metrics.average, name))}
    averages = scores[results.main_score]
    rival = _chosen(averages, rival)
    quantities = {name: _Quantity(values, inference.against(values, rival)) for name, values in scores.items()}
    quantities["capacity"] = _Quantity(results.capacities, {})
    quantities["seconds"] = _Quantity(results.seconds, {})
    rows = [_numbers(method, quantities) for method in averages]
    text = note(quantities[results.main_score].differences)
    return Comparison(results.stream, rival, pd.DataFrame(rows), text)


def note(differences: Mapping[str, Difference]) -> str:
    """Return how to read these differences."""
    sizes = {method: difference.over.size for method, difference in differences.items()}
    most = max(sizes.values(), default=0)
    if most < 2:
        return "One seed is too few to judge differences."
    sentences = [
        f"± and the ends in brackets are 95 % intervals over seeds; p is of a paired t-test by seed, Holm-corrected "
        f"over {len(sizes)} comparison{'s' * (len(sizes) > 1)}."
    ]
    if most < FEW:
        sentences.append(f"{most} seeds are few: only large differences can show.")
    if (smallest := inference.smallest_rank_p(most)) > inference.LEVEL:
        p = labels.score(smallest, 4)
        sentences.append(f"With {most} seeds a signed-rank test cannot go below p = {p}; none is made.")
    if unpaired := [labels.method(method) for method, size in sizes.items() if size < 2]:
        sentences.append(f"Fewer than two seeds in common, so no p: {', '.join(unpaired)}.")
    return " ".join(sentences)


def difference(mean: float, low: float, high: float, digits: int = 3) -> str:
    """Return a difference and the ends of its interval: +.012 (−.004, +.028)."""
    ends = [labels.signed(end, digits) for end in (low, high)]
    return labels.signed(mean, digits) + (f" ({', '.join(ends)})" if all(ends) else "")


def probability(p: float) -> str:
    """Return p with three digits, .021, or <.001; empty for nan."""
    return "<.001" if p < 0.0005 else labels.score(p)


def _chosen(averages: Values, rival: str) -> str:
    """Return the rival, or the default one if it is empty."""
    if not rival:
        return SUBJECT if SUBJECT in averages else max(averages, key=lambda method: _interval(averages, method).mean)
    if rival not in averages:
        raise ValueError(f"{rival} has no finished cell; there are {', '.join(averages)}")
    return rival


def _interval(values: Values, method: str) -> Interval:
    return inference.interval(list(values.get(method, {}).values()))


def _numbers(method: str, quantities: Mapping[str, _Quantity]) -> dict[str, object]:
    """Return a method's row of numbers: means, then the ends of their intervals, then differences."""
    intervals = {name: _interval(quantity.values, method) for name, quantity in quantities.items()}
    means = {name: interval.mean for name, interval in intervals.items()}
    ends = {f"{name}_{end}": getattr(interval, end) for name, interval in intervals.items() for end in ("low", "high")}
    differences: dict[str, float] = {}
    for name, quantity in quantities.items():
        if name in labels.SCORES:
            differences |= _differences(f"{name}_difference", quantity.differences.get(method, UNKNOWN))
    return {"method": method, "seeds": intervals["auroc"].size} | means | ends | differences


def _differences(name: str, difference: Difference) -> dict[str, float]:
    """Return a difference as columns."""
    over = difference.over
    return {
        name: over.mean,
        f"{name}_low": over.low,
        f"{name}_high": over.high,
        f"{name}_p": difference.p,
        f"{name}_p_holm": difference.adjusted,
    }


def _text(row: Mapping[str, float], score: str) -> dict[str, str]:
    """Return a method's row of a score's table."""
    mean, name = row[score], f"{score}_difference"
    return {
        "method": str(row["method"]),
        labels.SCORES[score]: labels.with_error(mean, row[f"{score}_high"] - mean),
        "difference": difference(row[name], row[f"{name}_low"], row[f"{name}_high"]),
        "p": probability(row[f"{name}_p_holm"]),
        "capacity": labels.number(row["capacity"], 2),
        "seconds": labels.number(row["seconds"], 1),
    }
