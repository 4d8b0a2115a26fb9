"""How a run of a suite ended, with everything that is derived from it once."""

from dataclasses import dataclass, field
from functools import cached_property

from den.ledger import CellResult, Run
from flows.judging.verdicts import Verdict
from flows.pipeline.stored_floors import Floors
from reports import tables
from reports.tables import Tables
from reports.text_tables import Table


@dataclass(frozen=True)
class Outcome:
    """A run, the results of its cells, why other cells failed (by title), the verdict, and floors."""

    run: Run
    results: tuple[CellResult, ...]
    failures: dict[str, str]
    verdict: Verdict
    floors: Floors = field(default_factory=dict)

    @cached_property
    def tables(self) -> Tables:
        """The results as tidy tables."""
        return tables.collect(self.results, self.run.suite, self.floors)

    @cached_property
    def judged(self) -> dict[str, Table | None]:
        """The table of judgements per stream; None if there is nothing to compare with."""
        return {stream: self.verdict.table(stream) for stream in self.tables.streams}

    @property
    def explained(self) -> dict[str, Table | None]:
        """The same tables, with every change since the accepted results: for the page."""
        return {stream: self.verdict.explained(stream) for stream in self.tables.streams}


class RunFailed(RuntimeError):
    """Cells failed, or what was measured is worse or unstable; everything else is done. `outcome` holds it all."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        reasons = [f"{cell}: {reason}" for cell, reason in outcome.failures.items()] or outcome.verdict.remarks
        super().__init__("\n  ".join([f"verdict: {outcome.verdict.word}", *reasons]))
