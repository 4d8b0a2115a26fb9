"""Scores of a run judged against accepted or earlier ones: worse, better, within noise or unchanged, per method.

The mean over the seeds measured now is compared with the mean of the reference by Student's t, whose spread is that of
the reference over seeds: the test is the same for one new seed as for many. Three things go beyond the formula.
- Scores in steps can agree by chance in all of a few seeds, which looks like no spread at all. So the spread is never
  below the smallest step between two scores of the stream in the run, up to STEP, nor below SHOWN.
- A seed that has always been a low one would raise an alarm whenever its bits change. So a method is called worse only
  if the seeds that both have fell too, by one standard deviation. This can but lower the rate of false alarms.
- Holm's correction is over the main score of every method and stream of the run, those with the same bits included.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from den import measures
from den.ledger import Entry, Measurement
from reports import labels
from reports.analysis import inference
from reports.analysis.comparison import difference, probability
from reports.analysis.inference import Difference
from reports.summaries import main_score
from reports.text_tables import Table

Outcome = Literal["worse", "better", "changed", "within noise", "unchanged", "same bits", "new"]

OUTCOMES: tuple[Outcome, ...] = ("worse", "better", "changed", "within noise", "unchanged", "same bits", "new")
"The gravest first; `changed` if no spread is known to judge by."
SHOWN = 0.0005  # three digits show no smaller difference
STEP = 0.01  # no test data is so small that its scores move in larger steps
SAME = 1e-9  # scores that are no further apart differ by rounding alone
LABELS = labels.SCORES | {measures.CAPACITY: "capacity"}

Values = Mapping[str, Mapping[int, float]]
"Numbers by metric (a score's average after the last task, or capacity) and seed."


@dataclass(frozen=True)
class Series:
    """One method's cells on a stream, alike but for the seed: what a run measured, and what that is compared with.

    same: every measured cell has the bits of its reference. accepted: the reference is accepted, else from the ledger.
    """

    stream: str
    method: str
    present: Values
    reference: Values
    same: bool
    accepted: bool = True

    @property
    def fewest(self) -> int:
        """How many seeds make a spread known: any two accepted ones, and three of the ledger, which nobody checked."""
        return 2 if self.accepted else 3


@dataclass(frozen=True)
class Judgement:
    """How one method's metric compares with its reference: both means, their difference, and what is made of it.

    moved: the seeds that both have moved too, the same way and by more than noise.
    """

    stream: str
    method: str
    metric: str
    reference: float
    present: float
    difference: Difference
    moved: bool
    outcome: Outcome

    @property
    def main(self) -> bool:
        """Whether it is of the stream's main score, which alone can be better or worse."""
        return self.metric == main_score(self.stream)

    @property
    def grave(self) -> Outcome:
        """The outcome as it counts for the whole run: other metrics count if they moved by more than noise."""
        noise = not self.main and self.outcome == "changed" and self.difference.adjusted >= inference.LEVEL
        return "within noise" if noise else self.outcome


def judge(series: Sequence[Series]) -> list[Judgement]:
    """Return the judgements on every method and metric of a run; a metric that its reference lacks is not judged.

    In at most `inference.LEVEL` of sound runs anything is called worse, and in as many anything better.
    """
    steps = {stream: _step(one for one in series if one.stream == stream) for stream in {one.stream for one in series}}
    return _decided([_compared(one, metric, steps[one.stream]) for one in series for metric in _judged(one)])


def values_of(result: Measurement | Entry) -> dict[str, float]:
    """Return the metrics that are judged, by name; those that a method has not are left out."""
    values = result.values if isinstance(result, Entry) else result.values()
    averages = {score: values[score]["average"] for score in labels.SCORES if "average" in values.get(score, {})}
    totals = result.totals
    return averages | {name: totals[name] for name in (measures.CAPACITY,) if name in totals}


def by_metric(values: Mapping[int, Mapping[str, float]]) -> Values:
    """Return metrics by seed turned round: seeds by metric."""
    return {
        metric: {seed: found[metric] for seed, found in values.items() if metric in found}
        for metric in LABELS
        if any(metric in found for found in values.values())
    }


def spread_of(values: Sequence[float], step: float = 0.0) -> float:
    """Return the standard deviation of two or more values, at least `step` and SHOWN."""
    return max(float(np.std(values, ddof=1)), SHOWN, step)


def step_of(values: Iterable[float]) -> float:
    """Return the smallest distance between two different scores, at most STEP; 0 if all are the same."""
    gaps = np.diff(np.unique(np.fromiter(values, float)))
    gaps = gaps[gaps > SAME]
    return min(float(gaps.min()), STEP) if len(gaps) else 0.0


def table(judgements: Sequence[Judgement]) -> Table:
    """Return judgements as text; a method that is the same or new in all metrics has one row."""
    rows = pd.DataFrame([_text(one) for one in _few(judgements)])
    return Table("Against accepted results and earlier runs", note(judgements), rows)


def note(judgements: Sequence[Judgement]) -> str:
    """Return how many judgements there are of each outcome, and how they were made."""
    counts = {outcome: sum(one.outcome == outcome for one in judgements) for outcome in OUTCOMES}
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    tested = any(one.main and one.outcome in ("worse", "better", "within noise") for one in judgements)
    how = (
        f" Main scores are tested by t against their spread over seeds, Holm-corrected over the run: noise alone makes "
        f"anything worse in at most {inference.LEVEL:.0%} of runs."
    )
    return f"Of {len(judgements)} judgements {summary}.{how * tested}"


def _judged(series: Series) -> list[str]:
    """Return the metrics that the reference has too; all of them if there is no reference."""
    return [metric for metric in series.present if metric in series.reference or not series.reference]


def _step(series: Iterable[Series]) -> float:
    """Return the smallest step between main scores of one stream."""
    return step_of(
        value
        for one in series
        for values in (one.present, one.reference)
        for value in values.get(main_score(one.stream), {}).values()
    )


def _compared(series: Series, metric: str, step: float) -> Judgement:
    """Return a judgement before its correction: p is of a fall."""
    present, reference = series.present[metric], series.reference.get(metric, {})
    gap = _mean(present.values()) - _mean(reference.values())
    main = metric == main_score(series.stream)
    known = len(reference) >= series.fewest
    spread = spread_of(list(reference.values()), step if main else 0.0) if known else math.nan
    unknown = Difference(inference.Interval(gap, math.nan, math.nan, len(present)), math.nan)
    shown = unknown if math.isnan(spread) else inference.fall(gap, spread, len(present), len(reference))
    means = _mean(reference.values()), _mean(present.values())
    moved = _moved(present, reference, gap, spread)
    outcome = _outcome(series, present, reference, main)
    return Judgement(series.stream, series.method, metric, *means, shown, moved and outcome == "changed", outcome)


def _outcome(series: Series, present: Mapping[int, float], reference: Mapping[int, float], main: bool) -> Outcome:
    """Return what bits and numbers alone make of a metric; seed by seed, so that no mean hides an exchange."""
    if series.same:
        return "unchanged" if series.accepted else "same bits"
    if not reference:
        return "new"
    equal = all(reference.get(seed) == value for seed, value in present.items())
    return "unchanged" if equal and not main else "changed"


def _moved(present: Mapping[int, float], reference: Mapping[int, float], gap: float, spread: float) -> bool:
    """Return whether the seeds of both moved by `spread` in the direction of `gap`; True if they share none."""
    both = present.keys() & reference.keys()
    own = _mean(present[seed] - reference[seed] for seed in both)
    return not both or own * math.copysign(1, gap) >= spread


def _decided(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements with their corrected p, and the outcome that this gives to what changed."""
    worse = inference.holm([_fall(one) if one.main else math.nan for one in judgements])
    better = inference.holm([_rise(one) if one.main else math.nan for one in judgements])
    others = inference.holm([math.nan if one.main else _either(one) for one in judgements])
    return [_decide(*parts) for parts in zip(judgements, worse, better, others, strict=True)]


def _decide(judgement: Judgement, worse: float, better: float, other: float) -> Judgement:
    """Return a judgement with the p that concerns it, and its outcome."""
    if not judgement.main:
        return replace(judgement, difference=replace(judgement.difference, p=_either(judgement), adjusted=other))
    falls = judgement.difference.over.mean < 0
    p, adjusted = (_fall(judgement), worse) if falls else (_rise(judgement), better)
    outcome = judgement.outcome
    if outcome == "changed" and not math.isnan(adjusted):
        outcome = "within noise" if adjusted >= inference.LEVEL else "worse" if falls else "better"
    return replace(judgement, difference=replace(judgement.difference, p=p, adjusted=adjusted), outcome=outcome)


def _fall(judgement: Judgement) -> float:
    p = judgement.difference.p
    return p if judgement.moved or math.isnan(p) else 1.0


def _rise(judgement: Judgement) -> float:
    p = judgement.difference.p
    return 1 - p if judgement.moved or math.isnan(p) else 1.0


def _either(judgement: Judgement) -> float:
    return min(1.0, 2 * min(_fall(judgement), _rise(judgement)))


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known) if known else math.nan


def _few(judgements: Sequence[Judgement]) -> list[Judgement]:
    dull = ("unchanged", "same bits", "new")
    return [one for one in judgements if one.outcome not in dull or one.main]


def _text(judgement: Judgement) -> dict[str, str]:
    over, digits = judgement.difference.over, labels.number if judgement.metric == measures.CAPACITY else labels.score
    same = judgement.outcome in ("unchanged", "same bits", "new")
    return {
        "method": judgement.method,
        "metric": LABELS[judgement.metric],
        "before": digits(judgement.reference, 3),
        "now": digits(judgement.present, 3),
        "difference": "" if same else difference(over.mean, over.low, over.high),
        "p": "" if same else probability(judgement.difference.adjusted),
        "verdict": judgement.outcome,
    }
