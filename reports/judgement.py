"""A rerun judged against the accepted results: unchanged, within noise, better or worse, by method and metric."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from den import metrics
from reports import inference, names
from reports.comparisons import Values, by_seed, capacities
from reports.contest import difference, probability
from reports.inference import Difference
from reports.printed import Table
from reports.summary import main_score
from reports.tables import Tables

Outcome = Literal["worse", "better", "changed", "within noise", "unchanged", "new"]

OUTCOMES: tuple[Outcome, ...] = ("worse", "better", "changed", "within noise", "unchanged", "new")
"What may be said, the gravest first; `changed` is what too few splits leave open."
SHOWN = 0.0005  # a difference that three digits do not show is none
LABELS = names.SCORES | {"capacity": "capacity"}
LOWER_IS_BETTER = ("capacity",)
KEYS = ["stream", "method", "seed", "after_task", "task", "score"]


@dataclass(frozen=True)
class Judgement:
    """How one method's metric stands to the accepted: means over splits, their difference, and what is made of it."""

    stream: str
    method: str
    metric: str
    accepted: float
    present: float
    difference: Difference
    outcome: Outcome


def judge(accepted: Tables, present: Tables) -> list[Judgement]:
    """Return the judgements on every stream, method and metric of a rerun.

    The chance that a rerun which differs by noise alone has anything better or worse is at most `inference.LEVEL`, a
    stream: p is Holm-corrected over all that was tested. Splits in common are compared by split, others by Welch's
    test. Bits are compared score by score, so that an exchange between tasks is no `unchanged`.
    """
    return [
        one
        for stream in present.streams
        for one in _judged(_stream(accepted.of(stream=stream), present.of(stream=stream), stream))
    ]


def overall(judgements: Sequence[Judgement]) -> Outcome:
    """Return the gravest outcome."""
    return min((one.outcome for one in judgements), key=OUTCOMES.index, default="new")


def table(judgements: Sequence[Judgement]) -> Table:
    """Return judgements as text; what is unchanged or new in all metrics has one row a method."""
    rows = pd.DataFrame([_text(one) for one in _few(judgements)])
    return Table("Against the accepted results", note(judgements), rows)


def note(judgements: Sequence[Judgement]) -> str:
    """Return in a sentence how the judgements were come by."""
    tested = sum(not math.isnan(one.difference.adjusted) for one in judgements)
    said = ", ".join(
        f"{count} {outcome}" for outcome in OUTCOMES if (count := sum(one.outcome == outcome for one in judgements))
    )
    how = (
        f" {tested} were tested by t, Holm-corrected: noise alone has anything called better or worse in at most "
        f"{inference.LEVEL:.0%} of reruns."
        if tested
        else ""
    )
    return f"Of {len(judgements)} judgements {said}.{how}"


def _stream(accepted: Tables, present: Tables, stream: str) -> list[Judgement]:
    before, after = _metrics(accepted), _metrics(present)
    same = _same_bits(accepted, present)
    return [
        _compared(stream, method, metric, before[metric].get(method, {}), values, (method, metric) in same)
        for metric in after
        for method, values in after[metric].items()
    ]


def _metrics(tables: Tables) -> dict[str, Values]:
    if tables.cells.empty:
        return {metric: {} for metric in LABELS}
    scores = {score: by_seed(tables, metrics.average, score) for score in names.SCORES}
    return scores | {"capacity": capacities(tables)}


def _same_bits(accepted: Tables, present: Tables) -> set[tuple[str, str]]:
    """Return the methods and scores that are the same to the last bit, wherever both have them."""
    both = present.scores.merge(accepted.scores, on=KEYS, suffixes=("", "_accepted"))
    same = (both["value"] == both["value_accepted"]).groupby([both["method"], both["score"]]).all()
    return set(same.index[same])


def _compared(
    stream: str, method: str, metric: str, before: dict[int, float], after: dict[int, float], same: bool
) -> Judgement:
    common = sorted(before.keys() & after.keys())
    if len(common) > 1 or (common and min(len(before), len(after)) < 2):
        gap = inference.paired([after[seed] - before[seed] for seed in common])
    elif before:
        gap = inference.unpaired(list(after.values()), list(before.values()))
    else:
        gap = Difference(inference.interval([]), math.nan)
    unchanged = bool(common) and gap.over.mean == 0 and (same or metric in LOWER_IS_BETTER)
    outcome: Outcome = "new" if not before else "unchanged" if unchanged else "changed"
    means = (inference.interval(list(values.values())).mean for values in (before, after))
    return Judgement(stream, method, metric, *means, gap, outcome)


def _judged(found: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements with the word that the corrected p of what changed gives them."""
    corrected = iter(inference.corrected([one.difference for one in found if one.outcome == "changed"]))
    return [_told(one, next(corrected)) if one.outcome == "changed" else one for one in found]


def _told(one: Judgement, gap: Difference) -> Judgement:
    return replace(one, difference=gap, outcome=_outcome(one.metric, gap))


def _outcome(metric: str, gap: Difference) -> Outcome:
    if abs(gap.over.mean) < SHOWN:
        return "within noise"
    if math.isnan(gap.adjusted):
        return "changed"
    if gap.adjusted >= inference.LEVEL:
        return "within noise"
    return "better" if (gap.over.mean > 0) != (metric in LOWER_IS_BETTER) else "worse"


def _few(judgements: Sequence[Judgement]) -> list[Judgement]:
    dull = ("unchanged", "new")
    return [one for one in judgements if one.outcome not in dull or one.metric == main_score(one.stream)]


def _text(one: Judgement) -> dict[str, str]:
    over, digits = one.difference.over, names.number if one.metric == "capacity" else names.score
    return {
        "method": one.method,
        "metric": LABELS[one.metric],
        "accepted": digits(one.accepted, 3),
        "now": digits(one.present, 3),
        "difference": "" if one.outcome == "unchanged" else difference(over.mean, over.low, over.high),
        "p": probability(one.difference.adjusted),
        "verdict": one.outcome,
    }
