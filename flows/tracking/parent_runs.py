"""Parents in MLflow: a run of the ledger, or the accepted results of a suite, on one stream."""

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
    """A run, or the accepted results of a suite, on one stream.

    suite: includes the overrides of the run, since its cells are then no cells of the plain suite.
    whole: methods for which the run measured every cell. numbered: whether it counts among the runs of its suite.
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
        """Its identity among the parents of the stream; a retry of its run changes it."""
        return self.id if self.trigger == ACCEPTED else mark_of(self.id, self.ended)

    @property
    def measured(self) -> list[CellResult]:
        """The results that the run measured; all results if they are accepted ones."""
        return [result for result in self.results if result.how != "reused"]

    @property
    def reused(self) -> list[CellResult]:
        return [result for result in self.results if result.how == "reused"]

    @property
    def alarming(self) -> bool:
        """Whether its run ended as Failed."""
        return self.verdict in ALARMS

    @property
    def bits(self) -> str:
        """A hash of suite, names and results: parents of equal bits have equal reports."""
        cells = sorted((result.name, result.measurement.seed, bits(result.measurement)) for result in self.results)
        return short_hash(self.suite, cells)


def of_run(run: Run, results: Sequence[CellResult], report: Path | None = None) -> list[Parent]:
    """Return the parents of an ended run, one per stream. Raises ValueError for a run that has not ended."""
    if run.ended is None:
        raise ValueError(f"run {run.id} has not ended; only ended runs can be tracked")
    streams = sorted({cell.stream for cell in run.begun.cells})
    return [_of_stream(run, run.ended, stream, results, report) for stream in streams]


def of_accepted(suite: str, id: str, results: Sequence[CellResult]) -> list[Parent]:
    """Return the parents of a suite's accepted results, one per stream. id: differs if the results differ."""
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
    """Return the titles of a parent's cells in MLflow: label, seed, overrides, and what distinguishes equal titles."""
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
    """Return a hash of key, digest and fingerprint: measurements of equal bits have equal networks."""
    return short_hash(measurement.key, measurement.digest, measurement.origin.fingerprint)


def milliseconds(moment: datetime) -> int:
    """Return a time in milliseconds, as MLflow stores it."""
    return int(moment.timestamp() * 1000)


def _of_stream(run: Run, ended: Ended, stream: str, results: Sequence[CellResult], report: Path | None) -> Parent:
    request, of_stream = run.begun.asked, _of(stream, results)
    suite = " ".join([request.suite, *(f"--set {override}" for override in request.overrides)])
    plain = all(override.startswith("training.device=") for override in request.overrides)
    planned = Counter(cell.name for cell in run.begun.cells if cell.stream == stream)
    measured = Counter(result.name for result in of_stream if result.how == "measured")
    every_seed = plain and request.seeds is None
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


def _distinction(result: CellResult, results: Sequence[CellResult]) -> str:
    """Return how a result differs from those of the same label and seed: its name, or its settings that differ."""
    label, seed = labels.method(result.name), result.measurement.seed
    twins = [twin for twin in results if (labels.method(twin.name), twin.measurement.seed) == (label, seed)]
    if len({twin.name for twin in twins}) == len(twins):
        return result.name
    settings_of_twins = [dict(flat(twin.measurement.settings)) for twin in twins]
    settings = dict(flat(result.measurement.settings))
    differing = (key for key in settings if any(twin.get(key) != settings[key] for twin in settings_of_twins))
    return ", ".join(f"{key}={settings[key]}" for key in differing) or f"measurement {result.measurement.id}"
