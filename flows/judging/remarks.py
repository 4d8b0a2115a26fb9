"""What a verdict rests on, in sentences for people."""

from collections.abc import Iterable, Iterator, Sequence

from den.ledger import Begun, Measurement
from flows.judging import differences
from flows.judging.differences import Change
from flows.judging.evidence import Measured
from reports import labels
from reports.analysis import durations, repeats
from reports.analysis.comparison import probability
from reports.analysis.judgement import LABELS, Judgement
from reports.analysis.repeats import Tally

COMMIT, NAMED = 7, 2  # characters of a commit, and origins by name


def measured(cells: Sequence[Measured], reused: int, since_accepted: Iterable[Change]) -> str:
    """Return how many cells were measured, and how many of their numbers are the same as accepted."""
    count = _count(len(cells), "cell") + " measured" + (f", {reused} reused" if reused else "")
    pairs = [(cell.accepted, cell.measurement) for cell in cells if cell.accepted]
    if not cells:
        return count
    if not pairs:
        return f"{count}; nothing is accepted to compare with"
    tallies = [repeats.tally(*pair) for pair in pairs]
    tally = Tally(sum(one.same for one in tallies), sum(one.total for one in tallies))
    same = f"{count}; {tally.same:,} of {tally.total:,} numbers the same to the bit as accepted"
    alone = len(cells) - len(pairs)
    text = f"{same} at {_origins(accepted for accepted, _ in pairs)}"
    text += f"; {_count(alone, 'cell')} without an accepted result" if alone else ""
    likeliest = f"; the likeliest reason: {differences.likeliest(since_accepted)}"
    return text + likeliest * (tally.same < tally.total)


def repeated(cells: Sequence[Measured]) -> Iterator[str]:
    """Yield for how many runs the bits have been the same."""
    repeating = [cell for cell in cells if cell.streak.runs]
    if not repeating:
        return
    runs = min(cell.streak.runs for cell in repeating)
    whose = "" if len(repeating) == len(cells) else f"{len(repeating)} of {len(cells)} cells: "
    since = f"the last {runs} runs" if runs > 1 else "the last run"
    code = "" if all(cell.streak.code for cell in repeating) else ", although the code has changed"
    yield f"{whose}same bits as {since}{code}"


def scores(judgements: Iterable[Judgement]) -> Iterator[str]:
    """Yield what moved by more than noise, or with no spread to judge it by."""
    for judgement in judgements:
        if judgement.grave in ("worse", "better", "changed"):
            digits = labels.score if judgement.metric in labels.SCORES else labels.number
            values = f"{digits(judgement.present, 3)}, before {digits(judgement.reference, 3)}"
            p = probability(judgement.difference.adjusted)
            known = f" (p = {p.lstrip('<')})" if p and not p.startswith("<") else f" (p {p})" if p else ""
            how = known or "; its spread over seeds is not known"
            where = f"{judgement.stream} · {judgement.method}"
            yield f"{judgement.grave}: {where}: {LABELS[judgement.metric]} {values}{how}"


def changed(since: str, changes: Iterable[Change]) -> Iterator[str]:
    """Yield what is different since something was measured, if anything is."""
    if texts := "; ".join(change.text for change in changes):
        yield f"changed since {since}: {texts}"


def muted(begun: Begun, cells: Sequence[Measured]) -> str:
    """Return why the time of a run is not judged; empty if it is."""
    if not cells:
        return ""
    if durations.overloaded(begun.load, begun.machine.cores, begun.slots):
        return f"time is not judged: the machine's load was {begun.load} at the start, more than its free cores"
    if not any(cell.time for cell in cells):
        like = max(len(cell.like) for cell in cells)
        return f"time is not judged: {like} earlier measurements on such a machine, {durations.FEWEST} are needed"
    return ""


def times(cells: Iterable[Measured]) -> Iterator[str]:
    """Yield which cells took more or less time than before."""
    for cell in cells:
        if cell.time and cell.time.telling:
            usual = f"{cell.time.usual:.1f} s in {cell.time.earlier} measurements before"
            yield f"{cell.time.word}: {cell.result.title} took {cell.time.seconds:.1f} s, {usual}"


def _origins(accepted: Iterable[Measurement]) -> str:
    """Return at which commits, and on which machines, accepted results were measured."""
    origins = [(differences.commit_of(one.origin) or "unknown", one.origin.machine.label) for one in accepted]
    named = list(dict.fromkeys(f"{commit[:COMMIT]} ({label})" for commit, label in origins))
    more = len(named) - NAMED
    return " and ".join(named[:NAMED]) + (f" and {_count(more, 'other commit or machine')}" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    plural = {"other commit or machine": "other commits or machines"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"
