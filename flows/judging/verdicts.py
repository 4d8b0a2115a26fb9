"""The verdict on a run: scores, bits and time of its measured cells, against accepted and earlier results.

Reused cells do not count: the runs that measured them have their own verdicts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from den.ledger import Begun, CellResult, Ledger, Run
from den.ledger.run import ALARMS
from flows.judging import evidence, remarks
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
"The possible verdicts, gravest first."


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run: a word for the whole run, its judgements, and remarks in sentences.

    changes: how conditions differ from those of the accepted results whose bits were not repeated.
    outcomes: the stream and the word of each judgement.
    """

    word: str
    judgements: tuple[Judgement, ...] = ()
    remarks: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    outcomes: tuple[tuple[str, str], ...] = ()

    @property
    def alarming(self) -> bool:
        """Whether the run must end as Failed: cells failed, or their results are worse or unstable."""
        return self.word in ALARMS

    def of(self, stream: str) -> str:
        """Return the gravest word for a stream; `nothing measured` if none of its cells was measured."""
        return gravest(word for name, word in self.outcomes if name == stream)

    def table(self, stream: str) -> Table | None:
        """Return the judgements on a stream as a table; None if there is no reference."""
        chosen = [judged for judged in self.judgements if judged.stream == stream]
        if all(judged.outcome == "new" for judged in chosen):
            return None
        return judgement.table(chosen)

    def explained(self, stream: str) -> Table | None:
        """Return the same table, with every change since the accepted results in its note."""
        table = self.table(stream)
        if table is None or not self.changes:
            return table
        return replace(table, note=f"{table.note} Changed since: {'; '.join(self.changes)}.")


UNJUDGED = Verdict("new")


def judge(
    begun: Begun,
    results: Sequence[CellResult],
    failures: Mapping[str, str],
    ledger: Ledger,
    accepted: Sequence[CellResult],
) -> Verdict:
    """Return the verdict on a run.

    accepted: the accepted results of all suites on the streams of the run. A method whose settings differ from all of
    them is compared with the accepted results of its name in the suite, unless the run has overrides.
    """
    groups = evidence.gather(begun, [result for result in results if result.how == "measured"], ledger, accepted)
    cells = [cell for group in groups for cell in group.cells]
    judgements = judgement.judge([group.series for group in groups])
    pairs = ((cell.result.title, evidence.instability(cell, ledger)) for cell in cells)
    unstable = {title: instability for title, instability in pairs if instability is not None}
    muted = remarks.muted(begun, cells)
    outcomes = (
        *((judged.stream, judged.grave) for judged in judgements),
        *((cell.measurement.stream, UNSTABLE) for cell in cells if cell.result.title in unstable),
        *((cell.measurement.stream, cell.time.word) for cell in cells if not muted and cell.time and cell.time.telling),
    )
    word = FAILED if failures else gravest(word for _, word in outcomes)
    differing = evidence.since_accepted(groups)
    changes = list(dict.fromkeys(change for cell in differing for change in cell.changes))
    sentences = [
        remarks.measured(cells, len(results) - len(cells), changes),
        *(f"unstable: {title} {instability}" for title, instability in unstable.items()),
        *remarks.repeated(cells),
        *remarks.scores(judgements),
        *remarks.since_accepted(differing),
        *remarks.since_last(evidence.since_last(groups, ledger)),
        *([muted] if muted else remarks.times(cells)),
    ]
    texts = tuple(change.text for change in changes)
    return Verdict(word, tuple(judgements), tuple(sentences), texts, outcomes)


def of_run(run: Run, results: Sequence[CellResult], ledger: Ledger) -> Verdict:
    """Return the verdict that an ended run had, with tables against the results that are accepted now."""
    streams = {result.measurement.stream for result in results}
    failures = run.ended.failures if run.ended else {}
    verdict = judge(run.begun, results, failures, ledger, accepted_results.on_streams(streams))
    return replace(verdict, word=run.ended.verdict, remarks=run.ended.remarks) if run.ended else verdict


def gravest(words: Iterable[str]) -> str:
    """Return the gravest of these words; NOTHING without words."""
    return min(words, key=WORDS.index, default=NOTHING)
