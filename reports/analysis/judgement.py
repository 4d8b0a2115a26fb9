"""Scores of a run judged against accepted or earlier ones: worse, better, within noise or unchanged, per method.

Student's t compares the mean over the seeds measured now with the mean of the reference; its spread is that of the
reference over seeds. So the test is the same for one new seed as for many. Three things go beyond the formula.
- Scores move in steps, so a few seeds can agree by chance and show no spread. The spread is therefore at least the
  smallest step between two scores of the stream in the run, up to STEP, and at least SMALLEST.
- A seed that is always low would raise an alarm whenever its bits change. A method is therefore called worse only if
  the seeds of both fell too, by one standard deviation. This can only lower the rate of false alarms.
- Holm's correction is over the main score of every method and stream of the run, those with the same bits included.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from den import measures
from den.ledger import Entry, Measurement
from reports import labels
from reports.analysis import inference
from reports.analysis.inference import Difference
from reports.published_numbers import main_score
from reports.text_tables import Table

Outcome = Literal["worse", "better", "changed", "within noise", "unchanged", "same bits", "new"]

OUTCOMES: tuple[Outcome, ...] = ("worse", "better", "changed", "within noise", "unchanged", "same bits", "new")
"The gravest first; `changed` if no spread is known to test by."
TESTED = ("worse", "better", "within noise")
"Outcomes of a test."
SETTLED = ("unchanged", "same bits", "new")
"Outcomes without a difference to report."
SMALLEST = 0.0005  # the smallest difference that three digits show
STEP = 0.01  # the largest step between scores: test data are never so few that scores move in larger ones
SAME = 1e-9  # scores that are no further apart differ by rounding alone
LABELS = labels.SCORES | {measures.CAPACITY: "capacity"}

Values = Mapping[str, Mapping[int, float]]
"Numbers by metric (a score's average after the last task, or capacity) and seed."


@dataclass(frozen=True)
class Series:
    """One method's cells on a stream, which differ in the seed alone: what a run measured, and its reference.

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
        """How many seeds a spread needs: two accepted ones, or three of the ledger, which nobody checked."""
        return 2 if self.accepted else 3


@dataclass(frozen=True)
class Judgement:
    """One method's metric against its reference: the means of both, their difference, and the outcome.

    moved: the seeds of both moved too, in the same direction and by more than noise.
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
        """Whether the metric is the stream's main score; no other metric can be better or worse."""
        return self.metric == main_score(self.stream)

    @property
    def grave(self) -> Outcome:
        """The outcome for the verdict on the run: other metrics count if they moved by more than noise."""
        noise = not self.main and self.outcome == "changed" and self.difference.adjusted >= inference.LEVEL
        return "within noise" if noise else self.outcome


def judge(series: Sequence[Series]) -> list[Judgement]:
    """Return the judgements on every method and metric of a run; a metric that its reference lacks is left out.

    The false-alarm rate of the run is at most `inference.LEVEL` for worse, and as much for better.
    """
    by_stream: dict[str, list[Series]] = {}
    for candidate in series:
        by_stream.setdefault(candidate.stream, []).append(candidate)
    steps = {stream: _step(stream, of_stream) for stream, of_stream in by_stream.items()}
    compared = [
        _compared(candidate, metric, steps[candidate.stream]) for candidate in series for metric in _judged(candidate)
    ]
    return _decided(compared)


def values_of(result: Measurement | Entry) -> dict[str, float]:
    """Return the metrics that are judged, by name; those that the result lacks are left out."""
    values = result.values if isinstance(result, Entry) else result.values()
    averages = {score: values[score]["average"] for score in labels.SCORES if "average" in values.get(score, {})}
    totals = result.totals
    return averages | {name: totals[name] for name in (measures.CAPACITY,) if name in totals}


def by_metric(values: Mapping[int, Mapping[str, float]]) -> Values:
    """Return metrics by seed as seeds by metric."""
    return {
        metric: {seed: of_seed[metric] for seed, of_seed in values.items() if metric in of_seed}
        for metric in LABELS
        if any(metric in of_seed for of_seed in values.values())
    }


def spread_of(values: Sequence[float], step: float = 0.0) -> float:
    """Return the standard deviation of two or more values, at least `step` and SMALLEST."""
    return max(float(np.std(values, ddof=1)), SMALLEST, step)


def step_of(values: Iterable[float]) -> float:
    """Return the smallest distance between two different scores, at most STEP; 0 if all are the same."""
    gaps = np.diff(np.unique(np.fromiter(values, float)))
    gaps = gaps[gaps > SAME]
    return min(float(gaps.min()), STEP) if len(gaps) else 0.0


def table(judgements: Sequence[Judgement]) -> Table:
    """Return judgements as text: those on main scores, and those on other metrics that changed."""
    chosen = [judgement for judgement in judgements if judgement.main or judgement.outcome not in SETTLED]
    rows = pd.DataFrame([_text(judgement) for judgement in chosen])
    return Table("Against accepted results and earlier runs", note(judgements), rows)


def note(judgements: Sequence[Judgement]) -> str:
    """Return how many judgements there are of each outcome, and how they were made."""
    outcomes = Counter(judgement.outcome for judgement in judgements)
    counts = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in OUTCOMES if outcomes[outcome])
    tested = any(judgement.main and judgement.outcome in TESTED for judgement in judgements)
    how = (
        f" Main scores are tested by t against their spread over seeds, Holm-corrected over the run: by noise alone, "
        f"at most {inference.LEVEL:.0%} of runs have any worse result."
    )
    return f"Of {len(judgements)} judgements {counts}.{how * tested}"


def _judged(series: Series) -> list[str]:
    """Return the metrics that the reference has too; all of them if there is no reference."""
    return [metric for metric in series.present if metric in series.reference or not series.reference]


def _step(stream: str, series: Iterable[Series]) -> float:
    """Return the smallest step between main scores of one stream."""
    score = main_score(stream)
    metrics = (values for candidate in series for values in (candidate.present, candidate.reference))
    return step_of(value for values in metrics for value in values.get(score, {}).values())


def _compared(series: Series, metric: str, step: float) -> Judgement:
    """Return a judgement before its correction: p is of a fall."""
    present, reference = series.present[metric], series.reference.get(metric, {})
    means = _mean(reference.values()), _mean(present.values())
    gap = means[1] - means[0]
    main = metric == main_score(series.stream)
    spread = math.nan
    difference = Difference(inference.Interval(gap, math.nan, math.nan, len(present)), math.nan)
    if len(reference) >= series.fewest:
        spread = spread_of(list(reference.values()), step if main else 0.0)
        difference = inference.fall(gap, spread, len(present), len(reference))
    outcome = _outcome(series, present, reference, main)
    moved = outcome == "changed" and _moved(present, reference, gap, spread)
    return Judgement(series.stream, series.method, metric, *means, difference, moved, outcome)


def _outcome(series: Series, present: Mapping[int, float], reference: Mapping[int, float], main: bool) -> Outcome:
    """Return the outcome by bits and numbers, before any test; seed by seed, so that no mean hides an exchange."""
    if series.same:
        return "unchanged" if series.accepted else "same bits"
    if not reference:
        return "new"
    equal = all(reference.get(seed) == value for seed, value in present.items())
    return "unchanged" if equal and not main else "changed"


def _moved(present: Mapping[int, float], reference: Mapping[int, float], gap: float, spread: float) -> bool:
    """Return whether the seeds of both moved by `spread` in the direction of `gap`; True if they share no seed."""
    seeds = present.keys() & reference.keys()
    change = _mean(present[seed] - reference[seed] for seed in seeds)
    return not seeds or change * math.copysign(1, gap) >= spread


def _decided(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements with their corrected p and the outcome that follows from it."""
    falls = inference.holm([_fall(judgement) if judgement.main else math.nan for judgement in judgements])
    rises = inference.holm([_rise(judgement) if judgement.main else math.nan for judgement in judgements])
    changes = inference.holm([math.nan if judgement.main else _either(judgement) for judgement in judgements])
    return [_decide(*parts) for parts in zip(judgements, falls, rises, changes, strict=True)]


def _decide(judgement: Judgement, fall: float, rise: float, change: float) -> Judgement:
    """Return a judgement with its outcome. fall, rise, change: its corrected p of each."""
    if not judgement.main:
        return replace(judgement, difference=replace(judgement.difference, p=_either(judgement), adjusted=change))
    falls = judgement.difference.over.mean < 0
    p, adjusted = (_fall(judgement), fall) if falls else (_rise(judgement), rise)
    outcome = judgement.outcome
    if outcome == "changed" and not math.isnan(adjusted):
        outcome = "within noise" if adjusted >= inference.LEVEL else "worse" if falls else "better"
    return replace(judgement, difference=replace(judgement.difference, p=p, adjusted=adjusted), outcome=outcome)


def _fall(judgement: Judgement) -> float:
    """Return p of a fall; 1 if the seeds of both did not move."""
    p = judgement.difference.p
    return p if judgement.moved or math.isnan(p) else 1.0


def _rise(judgement: Judgement) -> float:
    """Return p of a rise; 1 if the seeds of both did not move."""
    p = judgement.difference.p
    return 1 - p if judgement.moved or math.isnan(p) else 1.0


def _either(judgement: Judgement) -> float:
    """Return p of a change, two-sided."""
    return min(1.0, 2 * min(_fall(judgement), _rise(judgement)))


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def _text(judgement: Judgement) -> dict[str, str]:
    digits = labels.number if judgement.metric == measures.CAPACITY else labels.score
    row = {
        "method": judgement.method,
        "metric": LABELS[judgement.metric],
        "before": digits(judgement.reference, 3),
        "now": digits(judgement.present, 3),
        "difference": "",
        "p": "",
        "verdict": judgement.outcome,
    }
    if judgement.outcome not in SETTLED:
        over = judgement.difference.over
        row["difference"] = labels.difference(over.mean, over.low, over.high)
        row["p"] = labels.probability(judgement.difference.adjusted)
    return row
