"""The board: one row per suite, stream and method, with its score, interval and capacity."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reports import labels
from reports.analysis import inference
from reports.analysis.inference import Interval
from reports.estimates import mean_of
from reports.stream_results import StreamResults

SHORT = {"quick", "smoke"}
"Words in the names of suites that measure little."


@dataclass(frozen=True)
class Row:
    """A method on a stream in a suite. variant: the suite is a short or changed form of another.

    score: the name of the stream's main score; average: its mean over tasks and seeds, with a 95 % interval.
    """

    suite: str
    stream: str
    method: str
    variant: bool
    score: str
    average: Interval
    capacity: float

    @property
    def interval(self) -> str:
        """The ends of the interval as text; empty for one seed."""
        ends = [labels.score(end) for end in (self.average.low, self.average.high)]
        return " to ".join(ends) if all(ends) else ""


def rows_of(suite: str, results: StreamResults, suites: Collection[str]) -> Iterator[Row]:
    """Yield the rows of one stream of a suite, the best first; without departures of the released code."""
    few = results.without_departures
    variant = is_variant(suite, suites)
    for method in sorted(few.averages, key=lambda name: -few.estimates[name].mean):
        average = inference.interval(list(few.averages[method].values()))
        capacity = mean_of(few.capacities, method).mean
        yield Row(suite, few.stream, method, variant, few.score_label, average, capacity)


def is_variant(suite: str, suites: Collection[str]) -> bool:
    """Return whether a suite is a short one, or named after another: mnist-variation-h200."""
    return bool(SHORT & set(suite.split("-"))) or any(suite.startswith(f"{other}-") for other in suites)
