"""Every method of a stream compared with one of them: the numbers of tables, sentences and `den compare` alike."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from den import metrics
from reports import labels, text_tables
from reports.analysis import inference
from reports.analysis.inference import Difference, Interval
from reports.estimates import Values, estimate
from reports.stream_results import StreamResults

FEW = 4
"Fewer seeds than this show only large differences."
UNKNOWN = Difference(Interval(math.nan, math.nan, math.nan, 0), math.nan)
READING = (
    "± is one standard error over seeds; brackets hold a 95 % interval. A difference belongs to the method beside it: "
    "its value minus that of DEN, or of what a heading names, paired by seed. It has three digits, or as many as tell "
    "it from 0 and from the ends of its interval. p is of a paired t-test and Holm-corrected; two methods with a p of "
    ".05 or more are level."
)
"How to read every table and sentence of a stream."


@dataclass(frozen=True)
class Comparison:
    """One stream's methods compared with `rival`.

    differences: by score and method, the difference to the rival; p is corrected over all methods of the stream, also
    over those that have no row. numbers: one row per method. Each quantity has its mean and the ends of its 95 %
    interval, each score also its standard error and its difference to the rival, with p before and after Holm's
    correction. What is unknown is nan; a score that no method has is left out.
    """

    results: StreamResults
    rival: str
    differences: Mapping[str, Mapping[str, Difference]]
    numbers: pd.DataFrame
    note: str

    @property
    def stream(self) -> str:
        """The stream."""
        return self.results.stream

    @property
    def title(self) -> str:
        """What is compared."""
        return f"every method against {labels.method(self.rival)}"

    @property
    def main(self) -> Mapping[str, Difference]:
        """The differences in the stream's main score, of the methods that have a row."""
        differences = self.differences[self.results.main_score]
        return {method: differences[method] for method in self.results.methods if method in differences}

    @cached_property
    def to_paper_method(self) -> Mapping[str, Difference]:
        """The differences of all methods of the stream to DEN in the main score."""
        if self.rival == labels.PAPER_METHOD:
            return self.differences[self.results.main_score]
        return differences_to(self.results, labels.PAPER_METHOD)

    @cached_property
    def to_released_code(self) -> Mapping[str, Difference]:
        """The differences of all methods of the stream to the released code in the main score."""
        return differences_to(self.results, labels.RELEASED_METHOD)

    @property
    def tables(self) -> list[pd.DataFrame]:
        """The numbers as text, one table per score, the stream's main score first, with the floor of the score."""
        return [self._table(score) for score in self.results.scores_measured]

    def _table(self, score: str) -> pd.DataFrame:
        rows = [_text(row, score) for row in self.numbers.to_dict("records")]
        floor = text_tables.floor(self.results, {labels.SCORES[score]: score})
        return pd.DataFrame([*rows, *floor]).fillna("")


class _Quantity(NamedTuple):
    """A quantity of every method, and its differences to the rival; empty if they are not tested."""

    values: Values
    differences: Mapping[str, Difference]


def against_rival(results: StreamResults, rival: str = "") -> Comparison:
    """Return one stream's methods compared with a rival: the one named, or else DEN, DEN+, or the best.

    Raises ValueError for a rival without results.
    """
    rival = _chosen(results.averages, rival)
    differences = {score: differences_to(results, rival, score) for score in results.scores_measured}
    scores = {score: results.values_of(metrics.average, score) for score in results.scores_measured}
    quantities = {name: _Quantity(values, differences[name]) for name, values in scores.items()}
    quantities["capacity"] = _Quantity(results.capacities, {})
    quantities["seconds"] = _Quantity(results.seconds, {})
    rows = [_numbers(method, quantities) for method in results.averages]
    text = note(differences[results.main_score])
    return Comparison(results, rival, differences, pd.DataFrame(rows), text)


def differences_to(results: StreamResults, rival: str, score: str = "") -> dict[str, Difference]:
    """Return by how much every other method of the stream exceeds the rival; of the main score, if none is named.

    The methods of `results.whole` are one family: p of a pair is the same wherever it stands.
    """
    return inference.against(results.whole.values_of(metrics.average, score), rival)


def note(differences: Mapping[str, Difference]) -> str:
    """Return how sure these differences are."""
    sizes = {method: difference.over.size for method, difference in differences.items()}
    if not sizes:
        return "There is no other method to compare with."
    most = max(sizes.values())
    if most < 2:
        return "One seed is too few to judge differences."
    sentences = [f"Holm’s correction is over {len(sizes)} comparison{'s' * (len(sizes) > 1)}, all of the suite."]
    if most < FEW:
        sentences.append(f"{most} seeds are few: only large differences can show.")
    if (smallest := inference.smallest_rank_p(most)) > inference.LEVEL:
        p = labels.score(smallest, 4)
        sentences.append(f"With {most} seeds a signed-rank test cannot go below p = {p}; none is made.")
    if unpaired := [labels.method(method) for method, size in sizes.items() if size < 2]:
        sentences.append(f"Fewer than two seeds in common, so no p: {', '.join(unpaired)}.")
    return " ".join(sentences)


def in_words(difference: Difference, digits: int = 3) -> str:
    """Return a difference with its interval as tables print it: +.012 (−.004, +.028)."""
    over = difference.over
    return labels.difference(over.mean, over.low, over.high, digits)


def _chosen(averages: Values, rival: str) -> str:
    """Return the rival, or the default one if it is empty."""
    if not rival:
        best = max(averages, key=lambda method: _interval(averages, method).mean)
        return next((method for method in (labels.PAPER_METHOD, labels.IMPROVED_METHOD) if method in averages), best)
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
    of_scores: dict[str, float] = {}
    for name, quantity in quantities.items():
        if name in labels.SCORES:
            of_scores[f"{name}_error"] = estimate(quantity.values.get(method, {}).values()).error
            of_scores |= _differences(f"{name}_difference", quantity.differences.get(method, UNKNOWN))
    return {"method": method, "seeds": intervals["auroc"].size} | means | ends | of_scores


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
    name = f"{score}_difference"
    return {
        "method": str(row["method"]),
        labels.SCORES[score]: labels.with_error(row[score], row[f"{score}_error"]),
        "difference": labels.difference(row[name], row[f"{name}_low"], row[f"{name}_high"]),
        "p": labels.probability(row[f"{name}_p_holm"]),
        "capacity": labels.number(row["capacity"], 2),
        "seconds": labels.number(row["seconds"], 1),
    }
