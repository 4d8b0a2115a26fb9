"""What MLflow shows as a parent: a run of the ledger, or the accepted results of a suite, on one stream."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from den.ledger import CellResult, Ended, Measurement, Run
from den.ledger.run import ALARMS
from den.ledger.settings import flat, short_hash
from reports import labels

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Parent:
    """A run, or a suite's accepted results, on one stream.

    suite: with the overrides of the run, if any: its cells are then no cells of the plain suite.
    whole: methods of which the run measured every cell; numbered: whether it counts among the runs of its suite.
    """

    id: str
    name: str
    suite: str
    stream: str
    trigger: str
    started: datetime
    ended: datetime
    results: Sequence[CellResult]
    verdict: str = ""
    remarks: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    report: Path | None = None
    whole: Collection[str] = frozenset()
    numbered: bool = False

    @property
    def mark(self) -> str:
        """What tells it from other parents of the stream, and from what a retry of its run makes of it."""
        return self.id if self.trigger == ACCEPTED else mark_of(self.id, self.ended)

    @property
    def measured(self) -> list[CellResult]:
        """What was measured in it; of accepted results all."""
        return [result for result in self.results if result.how != "reused"]

    @property
    def reused(self) -> list[CellResult]:
        return [result for result in self.results if result.how == "reused"]

    @property
    def alarming(self) -> bool:
        """Whether its run ended as failed."""
        return self.verdict in ALARMS

    @property
    def bits(self) -> str:
        """A hash of suite, names and results: equal bits, equal report."""
        cells = sorted((result.name, result.measurement.seed, bits(result.measurement)) for result in self.results)
        return short_hash(self.suite, cells)


def of_run(run: Run, results: Sequence[CellResult], report: Path | None = None) -> list[Parent]:
    """Return the parents of an ended run, one per stream. Raises ValueError for a run that has not ended."""
    if run.ended is None:
        raise ValueError(f"run {run.id} has not ended; end it before it is tracked")
    streams = sorted({cell.stream for cell in run.begun.cells})
    return [_of_stream(run, run.ended, stream, results, report) for stream in streams]


def of_accepted(suite: str, id: str, results: Sequence[CellResult]) -> list[Parent]:
    """Return the parents of a suite's accepted results, one per stream; `id` changes if they do."""
    return [
        Parent(
            id=id,
            name=f"accepted · {suite}",
            suite=suite,
            stream=stream,
            trigger=ACCEPTED,
            started=min(result.measurement.origin.started for result in of_stream),
            ended=max(result.measurement.origin.ended for result in of_stream),
            results=of_stream,
        )
        for stream in sorted({result.measurement.stream for result in results})
        if (of_stream := _of(stream, results))
    ]


def titles(parent: Parent) -> list[str]:
    """Return the names of a parent's cells in MLflow: label, seed, overrides, and what else tells equal ones apart."""
    overrides = parent.suite.partition(" --set ")[2]
    plain = [f"{labels.method(result.name)} · seed {result.measurement.seed}" for result in parent.results]
    twins = {title for title, count in Counter(plain).items() if count > 1}
    return [
        " · ".join(filter(None, (title, overrides, _distinction(result, parent.results) if title in twins else "")))
        for title, result in zip(plain, parent.results, strict=True)
    ]


def mark_of(id: str, ended: datetime) -> str:
    """Return the mark of a run's parents."""
    return f"{id} {milliseconds(ended)}"


def bits(measurement: Measurement) -> str:
    """Return a hash of key, digest and fingerprint: equal bits, equal network."""
    return short_hash(measurement.key, measurement.digest, measurement.origin.fingerprint)


def milliseconds(moment: datetime) -> int:
    """Return a moment as MLflow counts time."""
    return int(moment.timestamp() * 1000)


def _of_stream(run: Run, ended: Ended, stream: str, results: Sequence[CellResult], report: Path | None) -> Parent:
    asked, of_stream = run.begun.asked, _of(stream, results)
    suite = " ".join([asked.suite, *(f"--set {override}" for override in asked.overrides)])
    plain = all(override.startswith("training.device=") for override in asked.overrides)
    planned = Counter(cell.name for cell in run.begun.cells if cell.stream == stream)
    measured = Counter(result.name for result in of_stream if result.how == "measured")
    every_seed = plain and asked.seeds is None
    return Parent(
        id=run.id,
        name=labels.run(suite, run.begun.started),
        suite=suite,
        stream=stream,
        trigger=run.begun.trigger,
        started=run.begun.started,
        ended=ended.ended,
        results=of_stream,
        verdict=ended.verdict,
        remarks=ended.remarks,
        failures={title: reason for title, reason in ended.failures.items() if title.startswith(f"{stream} · ")},
        report=report,
        whole=frozenset(name for name, count in planned.items() if every_seed and measured[name] == count),
        numbered=plain,
    )


def _of(stream: str, results: Iterable[CellResult]) -> list[CellResult]:
    return [result for result in results if result.measurement.stream == stream]


def _distinction(result: CellResult, others: Sequence[CellResult]) -> str:
    """Return what tells a result apart from those with its label and seed: its name, or settings that differ."""
    label, seed = labels.method(result.name), result.measurement.seed
    alike = [other for other in others if (labels.method(other.name), other.measurement.seed) == (label, seed)]
    if len({other.name for other in alike}) == len(alike):
        return result.name
    settings = [dict(flat(other.measurement.settings)) for other in alike]
    own = dict(flat(result.measurement.settings))
    differing = (key for key in own if any(other.get(key) != own[key] for other in settings))
    return ", ".join(f"{key}={own[key]}" for key in differing) or f"measurement {result.measurement.id}"
