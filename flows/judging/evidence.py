"""The evidence for a verdict: the cells that a run measured, their accepted results and earlier measurements."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from statistics import median

from den.ledger import Begun, CellResult, Entry, Ledger, Measurement
from den.ledger.settings import series_of
from den.streams import STREAMS
from flows.judging import differences
from flows.judging.differences import Change
from reports import accepted_results
from reports.analysis import durations, judgement, repeats
from reports.analysis.durations import Pace
from reports.analysis.judgement import Series
from reports.analysis.repeats import Deviation, Streak

References = Mapping[int, Measurement]
"Accepted measurements of one series, by seed."


@dataclass(frozen=True)
class Instability:
    """Two measurements that must have the same bits and do not: the time of the earlier one, and where they differ."""

    since: str
    deviation: Deviation | None

    def __str__(self) -> str:
        place = f"; {self.deviation}" if self.deviation else ""
        return f"differs from the measurement of {self.since} by the same code on the same kind of machine{place}"


@dataclass(frozen=True)
class Measured:
    """A cell that the run measured, its accepted result, and its earlier measurements, oldest first."""

    result: CellResult
    accepted: Measurement | None
    earlier: tuple[Entry, ...]

    @property
    def measurement(self) -> Measurement:
        return self.result.measurement

    @cached_property
    def digests(self) -> Mapping[str, str]:
        return self.measurement.digests

    @cached_property
    def as_accepted(self) -> bool:
        """Whether it has the same bits as its accepted result."""
        return self.accepted is not None and repeats.same_bits(self.accepted.digests, self.digests)

    @cached_property
    def as_before(self) -> bool:
        """Whether it has the same bits as its newest earlier measurement."""
        return bool(self.earlier) and repeats.same_bits(self.earlier[-1].digests, self.digests)

    @cached_property
    def streak(self) -> Streak:
        """The number of runs before that gave the same bits."""
        return repeats.streak(self.measurement, self.earlier)

    @cached_property
    def time(self) -> Pace | None:
        """Its time compared with earlier measurements on the same kind of machine; None if there are too few."""
        recent = self.like[-durations.RECENT :]
        return durations.pace(self.measurement.train_seconds, [entry.train_seconds for entry in recent])

    @cached_property
    def like(self) -> tuple[Entry, ...]:
        """Its earlier measurements on machines of the same kind and speed."""
        kind = self.measurement.origin.time
        return tuple(entry for entry in self.earlier if kind and entry.time == kind)


@dataclass(frozen=True)
class Group:
    """The measured cells of a stream and method, which differ only in the seed.

    accepted: the accepted measurements with the same settings, or else with the same name in the suite of the run.
    """

    cells: tuple[Measured, ...]
    accepted: References
    series: Series


@dataclass(frozen=True)
class Differing:
    """A measured cell, and how its conditions differ from those of the measurement of an earlier time."""

    result: CellResult
    since: datetime
    changes: tuple[Change, ...]


def gather(begun: Begun, measured: Sequence[CellResult], ledger: Ledger, accepted: Iterable[CellResult]) -> list[Group]:
    """Group the measured cells by stream and method, with the measurements to compare them with."""
    by_series: dict[str, list[Measurement]] = defaultdict(list)
    for result in accepted:
        by_series[series_of(result.measurement.settings)].append(result.measurement)
    if _on_other_data(begun):  # which the accepted results do not have
        by_series.clear()
    groups: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
    for result in measured:
        groups[result.measurement.stream, result.name].append(result)
    return [_group(begun, results, ledger, by_series) for results in groups.values()]


def instability(cell: Measured, ledger: Ledger) -> Instability | None:
    """Return how a cell differs from an accepted or earlier measurement that it must repeat; None if it does not."""
    entry = repeats.must_agree(cell.measurement, cell.earlier)
    if entry is not None and not repeats.same_bits(entry.digests, cell.digests):
        return _unlike(cell, ledger.loaded(entry.id), f"{entry.when:%Y-%m-%d %H:%M}")
    if cell.accepted is None or cell.as_accepted or cell.accepted.key != cell.measurement.key:
        return None
    if repeats.must_agree(cell.measurement, [Entry.of(cell.accepted, cell.accepted.id)]) is None:
        return None
    return _unlike(cell, cell.accepted, f"{cell.accepted.origin.ended:%Y-%m-%d %H:%M}, which is accepted,")


def since_accepted(groups: Iterable[Group]) -> list[Differing]:
    """Return how conditions differ from those of accepted results, for methods whose bits are not the accepted ones."""
    return [differing for group in groups if (differing := _since_accepted(group)) and differing.changes]


def since_last(groups: Iterable[Group], ledger: Ledger) -> list[Differing]:
    """Return how conditions differ from those of the last measurement, for methods whose bits have changed."""
    return [differing for group in groups if (differing := _since_last(group, ledger)) and differing.changes]


def _group(
    begun: Begun, results: Sequence[CellResult], ledger: Ledger, by_series: Mapping[str, Sequence[Measurement]]
) -> Group:
    first = results[0]
    series = series_of(first.measurement.settings)
    accepted = _references(results, by_series.get(series) or _accepted_by_name(begun, first))
    cells = tuple(_measured(begun, result, ledger, accepted) for result in results)
    present = {cell.measurement.seed: judgement.values_of(cell.measurement) for cell in cells}
    reference = {seed: judgement.values_of(measurement) for seed, measurement in accepted.items()}
    same, is_accepted = all(cell.as_accepted for cell in cells), True
    if not same and len(reference) < 2:
        of_ledger = _of_ledger(begun, series, ledger)
        if not reference or len(of_ledger) > 2:
            reference, is_accepted = of_ledger, False
            same = all(cell.as_before for cell in cells)
    values = judgement.by_metric(present), judgement.by_metric(reference)
    return Group(cells, accepted, Series(first.measurement.stream, first.name, *values, same, is_accepted))


def _references(results: Sequence[CellResult], accepted: Sequence[Measurement]) -> References:
    """Return one accepted measurement per seed, of those that several suites and machines may have.

    Preferred are the same bits, then the same kind of machine, then the same device, then the newest.
    """
    measured = {result.measurement.seed: result.measurement.digests for result in results}
    present = results[0].measurement

    def rank(candidate: Measurement) -> tuple[bool, bool, bool, datetime]:
        now = measured.get(candidate.seed)
        same = now is not None and repeats.same_bits(now, candidate.digests)
        kinds = candidate.origin.bits == present.origin.bits, candidate.device == present.device
        return same, *kinds, candidate.origin.ended

    return {candidate.seed: candidate for candidate in sorted(accepted, key=rank)}


def _accepted_by_name(begun: Begun, result: CellResult) -> list[Measurement]:
    """Return the accepted measurements with a result's name in the run's suite, although their settings differ.

    Empty if the run has overrides, since its settings are then not those of the suite.
    """
    suite, measurement = begun.asked.suite, result.measurement
    if begun.asked.overrides or suite not in accepted_results.suites():
        return []
    return [
        accepted.measurement
        for accepted in accepted_results.results(suite)
        if (accepted.measurement.stream, accepted.name) == (measurement.stream, result.name)
        and accepted.measurement.settings["evaluation"] == measurement.settings["evaluation"]
    ]


def _measured(begun: Begun, result: CellResult, ledger: Ledger, accepted: References) -> Measured:
    """Return a cell with its accepted result and its measurements before this run."""
    measurement = result.measurement
    entries = ledger.entries(key=measurement.key)
    earlier = (entry for entry in entries if entry.run != begun.id and entry.when < measurement.origin.ended)
    return Measured(result, accepted.get(measurement.seed), tuple(earlier))


def _of_ledger(begun: Begun, series: str, ledger: Ledger) -> dict[int, dict[str, float]]:
    """Return the metrics of a series by seed, each the median over the different results of earlier runs.

    Among equal results the newest counts, since it also has the scores that were introduced later.
    """
    results: dict[int, list[Entry]] = defaultdict(list)
    if _on_other_data(begun):
        return {}
    earlier = [entry for entry in ledger.entries(series=series) if entry.run != begun.id and entry.when < begun.started]
    for entry in reversed(earlier):
        if not any(repeats.same_bits(entry.digests, later.digests) for later in results[entry.seed]):
            results[entry.seed].append(entry)
    return {seed: _medians([judgement.values_of(entry) for entry in entries]) for seed, entries in results.items()}


def _on_other_data(begun: Begun) -> bool:
    """Return whether a run prepared registered streams in another way: equal settings are not comparable then."""
    keys = (override.partition("=")[0].split(".") for override in begun.asked.overrides)
    return any(key[:2] == ["data", "streams"] and key[2] in STREAMS for key in keys if len(key) > 2)


def _medians(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    metrics = dict.fromkeys(metric for value in values for metric in value)
    return {metric: median(value[metric] for value in values if metric in value) for metric in metrics}


def _unlike(cell: Measured, before: Measurement | None, since: str) -> Instability | None:
    """Return how a cell differs from a measurement that it must repeat; None if versions explain the difference."""
    if before is None:
        return Instability(since, None)
    if not repeats.same_versions(before, cell.measurement):
        return None
    return Instability(since, repeats.deviation(before, cell.measurement))


def _since_accepted(group: Group) -> Differing | None:
    if not group.accepted or all(cell.as_accepted for cell in group.cells):
        return None
    cell = next((cell for cell in group.cells if cell.accepted and not cell.as_accepted), group.cells[0])
    before = cell.accepted or next(iter(group.accepted.values()))
    changes = differences.changes(before, cell.measurement)
    alike = (change for change in changes if cell.accepted or change.kind != "data")  # other seeds have other data
    return Differing(cell.result, before.origin.ended, tuple(alike))


def _since_last(group: Group, ledger: Ledger) -> Differing | None:
    cell = next((cell for cell in group.cells if cell.earlier and not cell.as_before), None)
    before = ledger.loaded(cell.earlier[-1].id) if cell else None
    if cell is None or before is None:
        return None
    return Differing(cell.result, before.origin.ended, tuple(differences.changes(before, cell.measurement)))
