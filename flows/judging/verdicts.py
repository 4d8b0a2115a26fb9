"""The verdict on a run: what it measured, judged by accepted results and earlier measurements; scores, bits and time.

Cells that it reused count for nothing: the runs that measured them have verdicts of their own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from den.ledger import Begun, CellResult, Ledger, Run
from den.ledger.run import ALARMS
from flows.judging import evidence, remarks
from flows.judging.evidence import Group
from reports import accepted_results
from reports.analysis import judgement
from reports.analysis.judgement import Judgement
from reports.text_tables import Table

FAILED, WORSE, UNSTABLE = ALARMS
NOTHING = "nothing measured"
WORDS = (
    *ALARMS,
    "slower",
    "better",
    "changed",
    "within noise",
    "faster",
    "unchanged",
    "same bits",
    "new",
    NOTHING,
)
"What a verdict may be, the gravest first."


@dataclass(frozen=True)
class Verdict:
    """What is made of a run: a word for all of it, its judgements, and sentences for people.

    changes: what is different from when accepted results were measured whose bits were not repeated.
    outcomes: stream and word of everything that was judged.
    """

    word: str
    judgements: tuple[Judgement, ...] = ()
    remarks: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    outcomes: tuple[tuple[str, str], ...] = ()

    @property
    def alarming(self) -> bool:
        """Whether the run must end as Failed: cells failed, or what it measured is worse or unstable."""
        return self.word in ALARMS

    def of(self, stream: str) -> str:
        """Return the gravest word on one stream; `nothing measured` if none of its cells was measured."""
        return gravest(word for name, word in self.outcomes if name == stream)

    def table(self, stream: str) -> Table | None:
        """Return the judgements on a stream as a table, with what changed; None if there is nothing to compare with."""
        chosen = [one for one in self.judgements if one.stream == stream]
        if all(one.outcome == "new" for one in chosen):
            return None
        table = judgement.table(chosen)
        since = f" Changed since: {'; '.join(self.changes)}." if self.changes else ""
        return replace(table, note=table.note + since)


UNJUDGED = Verdict("new")


def judge(
    begun: Begun,
    results: Sequence[CellResult],
    failures: Mapping[str, str],
    ledger: Ledger,
    accepted: Sequence[CellResult],
) -> Verdict:
    """Return the verdict on a run.

    accepted: the accepted results of all suites on the streams of the run. A method that has other settings than any of
    them is judged by those under its name in the suite, unless the run was asked for other settings.
    """
    groups = evidence.gather(begun, [result for result in results if result.how == "measured"], ledger, accepted)
    cells = [cell for group in groups for cell in group.cells]
    judgements = judgement.judge([group.series for group in groups])
    unstable = {cell.result.title: why for cell in cells if (why := evidence.instability(cell, ledger)) is not None}
    muted = remarks.muted(begun, cells)
    outcomes = (
        *((one.stream, one.grave) for one in judgements),
        *((cell.measurement.stream, UNSTABLE) for cell in cells if cell.result.title in unstable),
        *((cell.measurement.stream, cell.time.word) for cell in cells if not muted and cell.time and cell.time.telling),
    )
    word = FAILED if failures else gravest(word for _, word in outcomes)
    changes = evidence.since_accepted(groups)
    sentences = [
        remarks.measured(cells, len(results) - len(cells), changes),
        *(f"unstable: {title} {why}" for title, why in unstable.items()),
        *remarks.repeated(cells),
        *remarks.scores(judgements),
        *remarks.changed("the accepted results", changes),
        *_since_last(groups, ledger),
        *([muted] if muted else remarks.times(cells)),
    ]
    texts = tuple(change.text for change in changes)
    return Verdict(word, tuple(judgements), tuple(sentences), texts, outcomes)


def of_run(run: Run, results: Sequence[CellResult], ledger: Ledger) -> Verdict:
    """Return the verdict that an ended run had, its tables by the results that are accepted now."""
    streams = {result.measurement.stream for result in results}
    failures = run.ended.failures if run.ended else {}
    verdict = judge(run.begun, results, failures, ledger, accepted_results.on_streams(streams))
    return replace(verdict, word=run.ended.verdict, remarks=run.ended.remarks) if run.ended else verdict


def gravest(words: Iterable[str]) -> str:
    """Return the gravest of these words, NOTHING if there are none."""
    return min(words, key=WORDS.index, default=NOTHING)


def _since_last(groups: Sequence[Group], ledger: Ledger) -> Iterator[str]:
    for when, changes in evidence.since_last(groups, ledger).items():
        yield from remarks.changed(f"the measurement of {when}", changes)
