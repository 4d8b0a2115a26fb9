"""Where a measurement comes from, and whether measuring again gives the same."""

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from den import measures
from den.cells import cell_of
from den.config import SettingsError
from den.ledger import Ledger, Measurement, Order, Places
from den.ledger.settings import flat
from den.worker import Worker
from flows.judging import differences
from reports import accepted_results
from reports.analysis import repeats

WIDTH = 12  # of the column of names


@dataclass(frozen=True)
class Traced:
    """A measurement, and where it was found: in the ledger, or in the accepted results of a suite."""

    measurement: Measurement
    where: str


@dataclass(frozen=True)
class Again:
    """How measuring again ended: the largest difference of a score, and how many numbers are not the same."""

    largest: float
    different: int
    compared: int

    @property
    def same(self) -> bool:
        return self.different == 0


def find(beginning: str, places: Places) -> Traced:
    """Return the measurement whose id, or whose identity of version 0.5.0, begins so.

    Raises SettingsError if there is none, or more than one.
    """
    ledger = Ledger.of(places)
    matches = {entry.id: Traced(ledger.load(entry.id), "ledger") for entry in ledger.entries(prefix=beginning)}
    for suite, measurement in accepted_results.find(beginning):
        matches.setdefault(measurement.id, Traced(measurement, f"accepted results of {suite}"))
    if len(matches) == 1:
        return next(iter(matches.values()))
    problem = f"{len(matches)} measurements begin with it; give more of its id" if matches else "no measurement has it"
    raise SettingsError(f"{beginning}: {problem}; `den report` and MLflow show ids")


def why(traced: Traced) -> str:
    """Return in lines where a measurement comes from, and what differs from that here and now."""
    measurement = traced.measurement
    lines = [f"{name:{WIDTH}}{value}" for name, value in _about(traced).items()]
    changes = list(differences.since(measurement)) or ["nothing"]
    settings = [f"  {key}: {value}" for key, value in flat(measurement.settings)]
    return "\n".join([*lines, f"{'since then':{WIDTH}}{'; '.join(changes)}", "settings", *settings])


def rerun(measurement: Measurement, places: Places, announce: Callable[[str], None]) -> Again:
    """Measure the cell again, beside the ledger, and compare everything but times."""
    with tempfile.TemporaryDirectory() as folder:
        beside = replace(
            places, ledger=Path(folder, "ledger"), index=Path(folder, "index.sqlite"), work=Path(folder, "work")
        )
        with Worker(cell_of(measurement.settings), beside, Order(again=True)) as worker:
            return compared(measurement, worker.finish(announce))


def compared(one: Measurement, other: Measurement) -> Again:
    """Return how far two measurements of a cell are from each other in the scores and measures that both have."""
    names = repeats.names_of_both(one, other)
    scores = [_gap(*pair) for pair in zip_longest(_scores(one, names), _scores(other, names))]
    rows = [pair[0] != pair[1] for pair in zip_longest(_rows(one, names), _rows(other, names))]
    return Again(max(scores, default=0.0), sum(map(bool, scores)) + sum(rows), len(scores) + len(rows))


def _about(traced: Traced) -> dict[str, str]:
    measurement, origin = traced.measurement, traced.measurement.origin
    machine = origin.machine
    about = {
        "measurement": f"{measurement.id}, in the {traced.where}",
        "cell": f"{measurement.stream} · {measurement.method} · seed {measurement.seed}, "
        f"on {measurement.settings['evaluation']} data",
        "key": measurement.key,
        "scores": ", ".join(
            f"{score} {values['average']:.4f}" for score, values in measurement.values().items() if "average" in values
        ),
        "certificate": _certificate(measurement),
        "measured": f"{origin.started:%Y-%m-%d %H:%M:%S} to {origin.ended:%H:%M:%S} UTC, "
        f"{measurement.train_seconds:.1f} s of training",
        "run": f"{origin.run or 'a cell alone'}{f', Prefect flow run {origin.flow_run}' if origin.flow_run else ''}",
        "processor": f"{machine.label}; {machine.system}{_cores(machine.cores, machine.memory)}{_load(origin.load)}",
        "variables": ", ".join(f"{name}={value}" for name, value in (machine.variables or {}).items()),
        "versions": f"torch {origin.torch}, numpy {origin.numpy or 'not recorded'}, Python {origin.python}",
        "code": f"commit {origin.commit}{', with uncommitted changes' if origin.dirty else ''}, "
        f"fingerprint {(origin.fingerprint or 'not recorded')[:12]}",
        "data": f"{measurement.data}{f', in dvc.lock {origin.data_version}' if origin.data_version else ''}",
        "lock file": origin.lock or "",
    }
    if machine.gpu:
        about["GPU"] = f"{machine.gpu}, driver {machine.driver}, CUDA {machine.cuda}, cuDNN {machine.cudnn}"
    if record := origin.record:
        about["record"] = f"{record.identity} of version 0.5.0, its stream {record.stream_hash[:12]}"
        for step in record.carried:
            about[f"  {step.identity[:8]}"] = (
                f"carried to commit {step.commit}: {step.compared} cells compared bit by bit"
            )
    return {name: value for name, value in about.items() if value}


def _certificate(measurement: Measurement) -> str:
    """Return how far from optimal the training runs ended, in words; empty for a measurement without certificates."""
    rows = [row for row in measurement.measures.rows() if row.measure == measures.RESIDUAL]
    residuals = {row: row.value for row in rows if row.value is not None}
    if not residuals:
        return ""
    worst = max(residuals, key=residuals.__getitem__)
    return (
        f"residual {median(residuals.values()):.3f} in the median of {len(residuals)} stages, at most "
        f"{residuals[worst]:.3f} (task {worst.task} · {worst.stage})"
    )


def _cores(cores: int | None, memory: int | None) -> str:
    return f", {cores} cores, {(memory or 0) / 2**30:.0f} GiB" if cores else ""


def _load(load: float | None) -> str:
    return "" if load is None else f", load {load:.2f} at the start"


def _gap(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return abs(one - other)


def _scores(measurement: Measurement, names: Collection[str]) -> list[float | None]:
    matrices = (measurement.scores[name] for name in sorted(measurement.scores) if name in names)
    return [value for matrix in matrices for row in matrix for value in row]


def _rows(measurement: Measurement, names: Collection[str]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in measurement.measures.rows() if row.measure in names]
