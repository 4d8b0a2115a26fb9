"""An entry: the summary of a measurement in the index, so that a search does not read the measurements themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from pydantic_core import from_json

from den.ledger.measurement import Measurement
from den.ledger.settings import series_of


@dataclass(frozen=True)
class Entry:
    """The summary of a measurement.

    started, ended: ISO 8601 in UTC. bits, time: the kinds of machine; empty if not recorded. device: cuda or cpu.
    former: identities of version 0.5.0, each preceded by a blank. parts: the digests of scores and measures, as JSON.
    summary: metrics of every score, totals and times, as JSON.
    """

    id: str
    key: str
    run: str
    series: str
    stream: str
    method: str
    seed: int
    evaluation: str
    data: str
    digest: str
    fingerprint: str
    commit: str
    torch: str
    bits: str
    time: str
    machine: str
    device: str
    load: float | None
    started: str
    ended: str
    former: str
    parts: str
    summary: str

    @classmethod
    def of(cls, measurement: Measurement, id: str) -> Self:
        """Return the entry of a measurement."""
        origin = measurement.origin
        record = origin.record
        former = [record.identity, *(step.identity for step in record.carried)] if record else []
        summary = {
            "values": measurement.values(),
            "totals": measurement.totals,
            "steps": measurement.steps,
            "train_seconds": measurement.train_seconds,
            "evaluation_seconds": measurement.evaluation_seconds,
            "sizes": measurement.sizes.model_dump(mode="json"),
            "cores": origin.machine.cores,
        }
        return cls(
            id=id,
            key=measurement.key,
            run=origin.run or "",
            series=series_of(measurement.settings),
            stream=measurement.stream,
            method=measurement.method,
            seed=measurement.seed,
            evaluation=str(measurement.settings["evaluation"]),
            data=measurement.data,
            digest=measurement.digest,
            fingerprint=origin.fingerprint or "",
            commit=f"{origin.commit or ''}{'-dirty' if origin.dirty else ''}",
            torch=origin.torch,
            bits=origin.bits,
            time=origin.time,
            machine=origin.machine.label,
            device="cuda" if origin.machine.gpu else "cpu",
            load=origin.load,
            started=origin.started.isoformat(),
            ended=origin.ended.isoformat(),
            former="".join(f" {identity}" for identity in former),
            parts=json.dumps(measurement.digests),
            summary=json.dumps(summary),
        )

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """A hash per score and measure, by name."""
        digests: Mapping[str, str] = from_json(self.parts)
        return digests

    @cached_property
    def _summary(self) -> Mapping[str, Any]:
        content: Mapping[str, Any] = from_json(self.summary)
        return content

    @property
    def values(self) -> Mapping[str, Mapping[str, float]]:
        """Metrics by score and name, as in values["auroc"]["average"]."""
        values: Mapping[str, Mapping[str, float]] = self._summary["values"]
        return values

    @property
    def totals(self) -> Mapping[str, float]:
        """Capacity, weights, non-zero weights and operations after the last task."""
        totals: Mapping[str, float] = self._summary["totals"]
        return totals

    @property
    def steps(self) -> float:
        return float(self._summary["steps"])

    @property
    def train_seconds(self) -> float:
        return float(self._summary["train_seconds"])

    @property
    def evaluation_seconds(self) -> float:
        return float(self._summary["evaluation_seconds"])

    @property
    def sizes(self) -> Mapping[str, Any]:
        """The stream's number of training examples in task 1, the shape of an example, and the number of classes."""
        sizes: Mapping[str, Any] = self._summary["sizes"]
        return sizes

    @property
    def cores(self) -> int | None:
        """The number of usable cores of the machine; None if not recorded."""
        cores: int | None = self._summary["cores"]
        return cores

    @property
    def when(self) -> datetime:
        """The moment at which the cell ended."""
        return datetime.fromisoformat(self.ended)


NAMES = tuple(field.name for field in fields(Entry))
