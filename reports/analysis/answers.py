"""The answer of a suite, with which page, report and run begin: computed from the comparison and never typed.

A suite asks one question of a stream, which follows from its methods: whether DEN is better than other methods, what
each part of DEN contributes, or what each departure of the released code changes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reports import labels
from reports.analysis import by_seed, inference
from reports.analysis.comparison import Comparison, differences_to, in_words
from reports.analysis.inference import Difference
from reports.estimates import mean_of
from reports.published_numbers import SELECTS, WHOLE
from reports.stream_results import StreamResults
from reports.text_tables import Topic

PARTS = ("den_constant", "den_dynamic", "den_no_stamp")
"How the names of DEN without some of its parts begin."


class Question(StrEnum):
    """What a suite asks of a stream; its value is the figure that shows the answer."""

    METHODS = Topic.OVER_TASKS
    PARTS = Topic.PARTS
    DEPARTURES = Topic.DEPARTURES


@dataclass(frozen=True)
class Sentence:
    """One sentence of an answer: how it begins, and a part for each outcome."""

    opening: str
    parts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentence on one line."""
        return " ".join((self.opening, *self.parts))


@dataclass(frozen=True)
class Words:
    """How a kind of sentence says that the subject is above, at and below another method."""

    above: str
    level: str
    below: str


TESTED = Words("better than", "level with", "behind")
UNTESTED = Words("above", "equal to", "below")


def question(results: StreamResults) -> Question:
    """Return what a suite with these methods asks."""
    departs = any(map(labels.is_departure, results.whole.methods))
    if departs and labels.PAPER_METHOD in results.methods:
        return Question.DEPARTURES
    return Question.PARTS if any(map(is_part, results.methods)) else Question.METHODS


def answer(comparison: Comparison) -> list[Sentence]:
    """Return the answer to the question of one stream's results."""
    results = comparison.results
    if question(results) == Question.DEPARTURES:
        return [*_between(comparison), *_departures(comparison)]
    if question(results) == Question.PARTS:
        variants = {method: difference for method, difference in comparison.main.items() if is_part(method)}
        return [_against(comparison, variants, "compared with variants that lack a part "), *_saved(results)]
    return [_against(comparison, comparison.main)]


def _saved(results: StreamResults) -> Iterator[Sentence]:
    """Yield how long selective retraining takes, and what it scores, relative to training the whole network."""
    if {SELECTS, WHOLE} <= set(results.methods):
        ratio = by_seed.ratio(results.seconds, SELECTS, WHOLE)
        difference = differences_to(results, WHOLE)[SELECTS]
        yield Sentence(
            f"Against {labels.method(WHOLE)}, selective retraining alone ({labels.method(SELECTS)}) takes "
            f"{labels.number(ratio.mean, 2)} times the time and has {_judged(difference)}, in average "
            f"{results.score_label}."
        )


def _against(comparison: Comparison, differences: Mapping[str, Difference], how: str = "") -> Sentence:
    """Return which methods the rival is better than, level with and behind; the largest differences come first."""
    results, rival = comparison.results, comparison.rival
    capacity = labels.number(mean_of(results.capacities, rival).mean, 2)
    opening = (
        f"After {results.tasks} tasks {_scored(results, rival)} in average {results.score_label} at {capacity} times "
        "the capacity of the base network"
    )
    tested = {method: difference for method, difference in differences.items() if _is_tested(difference)}
    untested = {method: difference for method, difference in differences.items() if method not in tested}
    parts = [*_sides(tested, TESTED), *_sides(untested, UNTESTED)]
    if not parts:
        return Sentence(f"{opening}; there is no other method to compare it with.")
    few = "" if tested else "with too few seeds for a test "
    return Sentence(f"{opening}; {few}{how}it is", _closed(parts))


def _between(comparison: Comparison) -> Iterator[Sentence]:
    """Yield the difference between DEN and the released code."""
    results, differences = comparison.results, comparison.to_paper_method
    if labels.RELEASED_METHOD in differences:
        yield Sentence(
            f"After {results.tasks} tasks {_scored(results, labels.PAPER_METHOD)} in average {results.score_label}, "
            f"and the released code with all its departures {_judged(differences[labels.RELEASED_METHOD])}."
        )


def _departures(comparison: Comparison) -> Iterator[Sentence]:
    """Yield which departures of the released code change DEN, and which of them, mended, change that code."""
    for to_base, prefix, opening in (
        (comparison.to_paper_method, labels.PLUS, "With one departure of the released code added, DEN is"),
        (comparison.to_released_code, labels.MINUS, "With one departure mended, the released code is"),
    ):
        if parts := _changes(to_base, prefix):
            yield Sentence(opening, _closed(parts))


def _changes(to_base: Mapping[str, Difference], prefix: str) -> list[str]:
    """Return what the departures change in a base method: those that change it by name, the others as a number."""
    differences = {
        labels.quirk(method): difference for method, difference in to_base.items() if method.startswith(prefix)
    }
    tested = {name: difference for name, difference in differences.items() if _is_tested(difference)}
    moved = {name: difference for name, difference in tested.items() if not _is_level(difference)}
    level, untested = tested.keys() - moved.keys(), differences.keys() - tested.keys()
    parts = [
        f"{word} with {labels.listed([f'{name} {_judged(moved[name])}' for name in _ordered(moved, sign)], '; ')}"
        for word, sign in (("worse", -1), ("better", 1))
        if _ordered(moved, sign)
    ]
    for words, names in (("level with", level), ("untested, with too few seeds, with", untested)):
        if names:
            largest = max(abs(differences[name].over.mean) for name in names)
            size = labels.difference(largest, math.nan, math.nan).removeprefix("+")
            parts.append(f"{words} {len(names)} of {len(differences)} (differences of {size} at most)")
    return parts


def _sides(differences: Mapping[str, Difference], words: Words) -> Iterator[str]:
    """Yield a part for each outcome that some method has; a method above the subject has a positive difference."""
    level = [method for method, difference in differences.items() if _is_level(difference)]
    clear = {method: difference for method, difference in differences.items() if method not in level}
    for word, methods in ((words.above, _ordered(clear, -1)), (words.level, level), (words.below, _ordered(clear, 1))):
        if methods:
            named = [f"{labels.method(method)} {_judged(differences[method])}" for method in methods]
            yield f"{word} {labels.listed(named, '; ')}"


def _ordered(differences: Mapping[str, Difference], sign: int) -> list[str]:
    """Return the names whose difference has this sign, the largest first."""
    names = [name for name, difference in differences.items() if difference.over.mean * sign > 0]
    return sorted(names, key=lambda name: -abs(differences[name].over.mean))


def _judged(difference: Difference) -> str:
    """Return a difference, its interval and p: −.070 (−.079, −.061), p < .001."""
    return ", ".join(filter(None, (in_words(difference), labels.relation(difference.adjusted))))


def _is_level(difference: Difference) -> bool:
    """Return whether a difference shows nothing; one that is not tested is level if it is 0."""
    if _is_tested(difference):
        return difference.adjusted >= inference.LEVEL
    return abs(difference.over.mean) < labels.SMALLEST


def _is_tested(difference: Difference) -> bool:
    return not math.isnan(difference.adjusted)


def _scored(results: StreamResults, method: str) -> str:
    """Return a method and its average score: DEN has .798 ± .004."""
    return f"{labels.method(method)} has {labels.with_error(*results.estimates[method].pair)}"


def _closed(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts with the punctuation of one sentence."""
    *first, last = parts
    return *(f"{part}," for part in first), f"{last}."


def is_part(method: str) -> bool:
    """Return whether a method is DEN without some of its parts."""
    return method.startswith(PARTS)
