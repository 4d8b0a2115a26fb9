"""`den rerun`: measure a cell again and compare the two measurements."""

import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from den.cells import cell_of
from den.ledger import Measurement, Order, Places
from den.worker import Worker
from flows.commands.lookup import locate
from flows.judging import differences
from flows.places import of_project
from reports.analysis import repeats


@dataclass(frozen=True)
class Agreement:
    """How far two measurements of a cell agree.

    largest: the largest difference of a score. different: how many of the `compared` numbers differ.
    """

    largest: float
    different: int
    compared: int

    @property
    def same(self) -> bool:
        return self.different == 0


def measure_again(prefix: str) -> int:
    """Measure again the cell of the measurement whose id begins with `prefix`, and print how far the two agree.

    Returns the exit code, 1 if a number differs. Raises SettingsError if no measurement matches, or several.
    """
    places = of_project()
    measurement = locate(prefix, places).measurement
    for difference in differences.since(measurement, places):
        print(f"changed since: {difference}", file=sys.stderr)
    agreement = remeasure(measurement, places, lambda title: print(title, file=sys.stderr))
    if agreement.same:
        print(f"all {agreement.compared} scores and measures are the same, to the last bit")
        return 0
    numbers = f"{agreement.different} of {agreement.compared} numbers differ"
    print(f"{numbers}, scores by up to {agreement.largest:.2g}")
    return 1


def remeasure(measurement: Measurement, places: Places, announce: Callable[[str], None]) -> Agreement:
    """Measure the cell again in a temporary ledger, and compare all numbers but times. announce: called per stage."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = replace(
            places, ledger=Path(folder, "ledger"), index=Path(folder, "index.sqlite"), work=Path(folder, "work")
        )
        with Worker(cell_of(measurement.settings), temporary, Order(again=True)) as worker:
            return compare_measurements(measurement, worker.finish(announce))


def compare_measurements(first: Measurement, second: Measurement) -> Agreement:
    """Compare the scores and measures that both measurements of a cell have."""
    names = repeats.names_of_both(first, second)
    gaps = [_gap(*pair) for pair in zip_longest(_scores(first, names), _scores(second, names))]
    unequal = [before != after for before, after in zip_longest(_measures(first, names), _measures(second, names))]
    return Agreement(max(gaps, default=0.0), sum(map(bool, gaps)) + sum(unequal), len(gaps) + len(unequal))


def _gap(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return 0.0 if first is second else float("inf")
    return abs(first - second)


def _scores(measurement: Measurement, names: Collection[str]) -> list[float | None]:
    matrices = (measurement.scores[name] for name in sorted(measurement.scores) if name in names)
    return [value for matrix in matrices for row in matrix for value in row]


def _measures(measurement: Measurement, names: Collection[str]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in measurement.measures.rows() if row.measure in names]
