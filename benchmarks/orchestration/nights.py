"""A project's folder with years of nightly runs in its ledger: python -m benchmarks.orchestration.nights FOLDER RUNS

All measurements are varied from a few real ones. Prints their number, one of their ids, and the keys of the suite.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from den import execution, suites
from den.cells import Cell, key_of
from den.ledger import Answer, Asked, Begun, Ended, Measurement, Order, Places, Planned, layout, sealed
from den.ledger.settings import key_of as key_of_settings
from den.streams import prepared

ROOT = Path(__file__).parents[2]
SUITE, TASKS, SEEDS = "smoke", 10, 5
FIRST, NIGHT = datetime(2018, 1, 1, 2, tzinfo=UTC), timedelta(days=1)
EVERY_SEED, RELEASE, MACHINE = 30, 300, 1000  # runs from one of all seeds, one release, one machine to the next
PROCESSORS = ("AMD EPYC 9654", "Intel Xeon 8488C", "AMD EPYC 7763")
NOISE, MOVE = 0.002, 0.01  # of a score: from night to night, and from release to release


@dataclass(frozen=True)
class Night:
    """A run of the suite: its number, and what all its measurements have in common."""

    number: int

    @property
    def id(self) -> str:
        return f"{self.started:%Y%m%d}-{self.number:06x}"

    @property
    def started(self) -> datetime:
        return FIRST + self.number * NIGHT

    @property
    def seeds(self) -> range:
        return range(SEEDS if self.number % EVERY_SEED == EVERY_SEED - 1 else 1)

    @property
    def release(self) -> int:
        return self.number // RELEASE

    @property
    def fingerprint(self) -> str:
        return sha256(f"release {self.release}".encode()).hexdigest()

    @property
    def processor(self) -> str:
        return PROCESSORS[self.number // MACHINE % len(PROCESSORS)]


def make(folder: Path, count: int) -> list[str]:
    """Make the folder with so many runs; return the ids of the measurements, the oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(text.replace("streams.blobs.tasks: 3", f"streams.blobs.tasks: {TASKS}"))
    places = Places(folder / "data/streams", folder / ".den/ledger", folder / ".den/index.sqlite", folder / ".den/work")
    shutil.rmtree(places.ledger, ignore_errors=True)
    places.index.unlink(missing_ok=True)
    originals = list(measured(folder / "params.yaml", places))
    draw = np.random.default_rng(0)
    return [id for number in range(count) for id in write(places, Night(number), originals, draw)]


def measured(params: Path, places: Places) -> Iterator[tuple[Cell, Measurement]]:
    """Yield the cells of the suite and a real measurement of each, for seed 0."""
    plan = suites.load(params)
    prepared.prepare("blobs", plan.data.preparation("blobs"), {}, SEEDS, places.data)
    for cell in plan.cells(SUITE, seeds=(0,)):
        yield cell, execution.execute(cell, places, Order(write=False))


def write(
    places: Places, night: Night, originals: list[tuple[Cell, Measurement]], draw: np.random.Generator
) -> list[str]:
    """Write a night's run and what it measures; return the ids of the measurements."""
    cells, answers = [], []
    for cell, original in originals:
        for seed in night.seeds:
            content = varied(original, night, seed, prepared.data_of(places.data / cell.stream, seed), draw)
            own = Planned(
                key=content["key"], stream=cell.stream, name=cell.name, seed=seed, fingerprint=night.fingerprint
            )
            id = put(places, night.started, sealed.seal(content), "measurement")
            cells.append(own)
            answers.append(Answer(title=own.title, measurement=id, how="measured"))
    begun = Begun(
        id=night.id,
        asked=Asked(suite=SUITE, again=True),
        cells=tuple(cells),
        started=night.started,
        trigger="schedule",
        process="host 1 1",
        machine=originals[0][1].origin.machine,
        load=0.1,
        slots=2,
        torch=originals[0][1].origin.torch,
        commit=night.fingerprint[:40],
        dirty=False,
    )
    ended = Ended(id=night.id, ended=night.started + NIGHT / 8, answers=tuple(answers), verdict="same bits")
    put(places, begun.started, sealed.seal(begun), "begun", night.id)
    put(places, ended.ended, sealed.seal(ended), layout.part_of_end(ended.ended), night.id)
    return [answer.measurement for answer in answers]


def varied(original: Measurement, night: Night, seed: int, data: str, draw: np.random.Generator) -> Mapping[str, Any]:
    """Return a measurement of another seed and night, its scores and times a little different."""
    content = original.model_dump(mode="json")
    settings = content["settings"] | {"seed": seed}
    measures = content["measures"]
    seconds = [
        value * draw.lognormal(0, 0.02) if measure == "seconds" else value
        for measure, value in zip(measures["measure"], measures["value"], strict=True)
    ]
    machine = content["origin"]["machine"] | {"processor": night.processor}
    about = {
        "run": night.id,
        "commit": night.fingerprint[:40],
        "fingerprint": night.fingerprint,
        "machine": machine,
        "started": night.started.isoformat(),
        "ended": (night.started + timedelta(minutes=5)).isoformat(),
    }
    moved = MOVE * (night.release % 2)
    return content | {
        "key": key_of_settings(settings, data),
        "settings": settings,
        "data": data,
        "scores": {name: [_moved(row, moved, draw) for row in matrix] for name, matrix in content["scores"].items()},
        "measures": measures | {"value": seconds},
        "origin": content["origin"] | about,
    }


def put(places: Places, moment: datetime, line: str, part: str, id: str = "") -> str:
    """Write a line as the ledger does, but for the wait until it is on the disk; return its id."""
    id = id or sealed.identifier(line)
    path = places.ledger / f"{moment:%Y/%m}" / f"{id}.{part}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sealed.pack(line))
    return id


def _moved(row: list[float | None], by: float, draw: np.random.Generator) -> list[float | None]:
    noise = draw.normal(by, NOISE, len(row))
    pairs = zip(row, noise, strict=True)
    return [None if score is None else min(1.0, max(0.0, score - float(shift))) for score, shift in pairs]


if __name__ == "__main__":
    ids = make(Path(sys.argv[1]), int(sys.argv[2]))
    places = Places(data=Path(sys.argv[1]) / "data/streams")
    keys = [key_of(cell, places) for cell in suites.load(Path(sys.argv[1]) / "params.yaml").cells(SUITE)]
    print(len(ids), ids[len(ids) // 2], *keys)
