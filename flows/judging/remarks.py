"""The reasons of a verdict in sentences."""

from collections.abc import Iterable, Iterator, Sequence

from den.ledger import Begun, Measurement
from flows.judging import differences
from flows.judging.differences import Change
from flows.judging.evidence import Differing, Measured
from reports import labels
from reports.analysis import durations, repeats
from reports.analysis.judgement import LABELS, Judgement
from reports.analysis.repeats import Tally

ID, NAMED = 8, 2  # characters of an id, and origins, that a sentence names


def measured(cells: Sequence[Measured], reused: int, since_accepted: Iterable[Change]) -> str:
    """Return how many cells were measured, and how many of their numbers have the bits of the accepted results."""
    count = _count(len(cells), "cell") + " measured" + (f", {reused} reused" if reused else "")
    pairs = [(cell.accepted, cell.measurement) for cell in cells if cell.accepted]
    if not cells:
        return count
    if not pairs:
        return f"{count}; no accepted results to compare with"
    tallies = [repeats.tally(*pair) for pair in pairs]
    tally = Tally(sum(part.same for part in tallies), sum(part.total for part in tallies))
    same = f"{count}; {tally.same:,} of {tally.total:,} numbers the same to the bit as accepted"
    alone = len(cells) - len(pairs)
    text = f"{same} at {_origins(accepted for accepted, _ in pairs)}"
    text += f"; {_count(alone, 'cell')} without an accepted result" if alone else ""
    likeliest = f"; the likeliest reason: {differences.likeliest(since_accepted)}"
    return text + likeliest * (tally.same < tally.total)


def repeated(cells: Sequence[Measured]) -> Iterator[str]:
    """Yield since how many runs the bits have stayed the same."""
    repeating = [cell for cell in cells if cell.streak.runs]
    if not repeating:
        return
    runs = min(cell.streak.runs for cell in repeating)
    whose = "" if len(repeating) == len(cells) else f"{len(repeating)} of {len(cells)} cells: "
    since = f"the last {runs} runs" if runs > 1 else "the last run"
    code = "" if all(cell.streak.code for cell in repeating) else ", although the code has changed"
    yield f"{whose}same bits as {since}{code}"


def scores(judgements: Iterable[Judgement]) -> Iterator[str]:
    """Yield each metric that changed by more than noise, or whose spread over seeds is unknown."""
    for judgement in judgements:
        if judgement.grave in ("worse", "better", "changed"):
            digits = labels.score if judgement.metric in labels.SCORES else labels.number
            values = f"{digits(judgement.present, 3)}, before {digits(judgement.reference, 3)}"
            p = labels.relation(judgement.difference.adjusted)
            evidence = f" ({p})" if p else "; its spread over seeds is unknown"
            series = f"{judgement.stream} · {judgement.method}"
            yield f"{judgement.grave}: {series}: {LABELS[judgement.metric]} {values}{evidence}"


def since_accepted(differing: Sequence[Differing]) -> Iterator[str]:
    """Yield which kinds of conditions differ from those of the accepted results, if any differ."""
    yield from _changed("the accepted results", differing)


def since_last(differing: Sequence[Differing]) -> Iterator[str]:
    """Yield which kinds of conditions differ from those of the last measurements, if any differ."""
    if times := sorted({f"{cell.since:%Y-%m-%d %H:%M}" for cell in differing}):
        several = f"measurements of {times[0]} to {times[-1]}" if len(times) > 1 else f"measurement of {times[0]}"
        yield from _changed(f"the {several}", differing)


def muted(begun: Begun, cells: Sequence[Measured]) -> str:
    """Return why the time of a run is not judged; empty if it is judged."""
    if not cells:
        return ""
    if durations.overloaded(begun.load, begun.machine.cores, begun.slots):
        return f"time is not judged: the machine's load was {begun.load} at the start, more than its free cores"
    if not any(cell.time for cell in cells):
        like = max(len(cell.like) for cell in cells)
        return f"time is not judged: {like} earlier measurements on such a machine, {durations.FEWEST} are needed"
    return ""


def times(cells: Iterable[Measured]) -> Iterator[str]:
    """Yield a sentence per cell that took more or less time than before."""
    for cell in cells:
        if cell.time and cell.time.telling:
            usual = f"{cell.time.usual:.1f} s in {cell.time.earlier} measurements before"
            yield f"{cell.time.word}: {cell.result.title} took {cell.time.seconds:.1f} s, {usual}"


def _changed(since: str, differing: Sequence[Differing]) -> Iterator[str]:
    """Yield the kinds of all changes, and the command that lists those of the cell with most of them.

    The only change of its kind is named itself, so that one changed file is in sight.
    """
    if not differing:
        return
    by_kind: dict[str, list[str]] = {}
    for change in dict.fromkeys(change for cell in differing for change in cell.changes):
        by_kind.setdefault(change.kind, []).append(change.text)
    kinds = [texts[0] if len(texts) == 1 else f"{kind} ({len(texts)})" for kind, texts in by_kind.items()]
    most = max(differing, key=lambda cell: len(cell.changes)).result
    command = f"`den why {most.measurement.id[:ID]}`"
    yield f"changed since {since}: {'; '.join(kinds)}; {command} lists the changes of {most.title}"


def _origins(accepted: Iterable[Measurement]) -> str:
    """Return the commits and machines of accepted results."""
    origins = [measurement.origin for measurement in accepted]
    pairs = [(labels.commit(differences.commit_of(origin)), origin.machine.label) for origin in origins]
    names = list(dict.fromkeys(f"{commit} ({label})" for commit, label in pairs))
    more = len(names) - NAMED
    return " and ".join(names[:NAMED]) + (f" and {_count(more, 'other commit or machine')}" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    plural = {"other commit or machine": "other commits or machines"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"
