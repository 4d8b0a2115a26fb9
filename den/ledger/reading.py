"""Strict reading of a ledger's files: the checksum, the content, and a name that fits the content."""

from collections.abc import Iterable
from pathlib import Path

from den.ledger import layout, sealed
from den.ledger.layout import BEGUN, MEASUREMENT, place
from den.ledger.measurement import Measurement
from den.ledger.run import Begun, Ended, Run
from den.ledger.sealed import Damaged, Model


def is_sound(path: Path) -> bool:
    """Return whether a file exists, is undamaged, and has the content that its name announces."""
    try:
        line = sealed.unpack(path.read_bytes())
        if layout.name_of(str(path))[1] == MEASUREMENT:
            read_measurement(path, line)
        else:
            read_run_part(path, line)
    except (Damaged, OSError):
        return False
    return True


def read_runs(lines: Iterable[tuple[str, str, str]]) -> list[Run]:
    """Return runs from id, part and line of their files. Raises Damaged if a line differs from what was entered."""
    begun, ended = {}, {}
    for id, part, line in lines:
        if part == BEGUN:
            begun[id] = _entered(Begun, line)
        else:
            ended[id] = _entered(Ended, line)
    return [Run(begun[id], ended.get(id)) for id in begun]


def read_measurement(path: Path, line: str) -> Measurement:
    """Return the measurement in a file. Raises Damaged, also if the name does not fit the content."""
    measurement = sealed.read_as(Measurement, line)
    _check_name(path, place(measurement.origin.started, sealed.identifier(line), MEASUREMENT))
    return measurement


def read_run_part(path: Path, line: str) -> str:
    """Check one of the two files of a run; return when the run began or ended, ISO 8601. Raises Damaged."""
    if path.name.endswith(f".{BEGUN}{layout.ENDING}"):
        begun = sealed.read_as(Begun, line)
        _check_name(path, place(begun.started, begun.id, BEGUN))
        return begun.started.isoformat()
    ended = sealed.read_as(Ended, line)
    _check_name(path, place(ended.ended, ended.id, layout.part_of_end(ended.ended)))
    return ended.ended.isoformat()


def _entered(kind: type[Model], line: str) -> Model:
    """Return the content of a line that was checked when it was entered; only its checksum is checked again."""
    written, _, body = line.rstrip("\n").partition(" ")
    if sealed.checksum(body) != written:
        raise Damaged("its checksum does not match its content")
    return kind.model_validate_json(body)


def _check_name(path: Path, expected: str) -> None:
    if path.parts[-3:] != Path(expected).parts:
        raise Damaged(f"its content belongs under {expected}")


def place_of(line: str) -> str:
    """Return the path inside the ledger where a line of an export belongs. Raises Damaged."""
    content = sealed.unseal(line)
    if "key" in content:
        measurement = sealed.read_as(Measurement, line)
        return place(measurement.origin.started, sealed.identifier(line), MEASUREMENT)
    if "asked" in content:
        begun = sealed.read_as(Begun, line)
        return place(begun.started, begun.id, BEGUN)
    ended = sealed.read_as(Ended, line)
    return place(ended.ended, ended.id, layout.part_of_end(ended.ended))
