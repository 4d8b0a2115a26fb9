"""Reasons why two measurements of a cell may differ: machine, data, versions, settings and code."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch

from den import git, provenance, sources
from den.cells import cell_of, data_of, fingerprint, modules_of
from den.config import SettingsError
from den.ledger import Machine, Origin, Places
from den.ledger.settings import Settings, flat
from den.streams.prepared import DataError
from den.training import device_of

Kind = Literal["processor", "data", "torch", "versions", "settings", "code"]

PROCESSOR = {"system": "system", "processor": "processor", "capability": "CPU capability", "variables": "variables"}
GPU = {"gpu": "GPU", "driver": "driver", "cuda": "CUDA", "cudnn": "cuDNN"}
VERSIONS = {"numpy": "numpy", "python": "Python", "lock": "requirements.txt"}
DIGITS, NAMED = 8, 5  # characters of a hash, and files, that a text names


class Change(NamedTuple):
    """One difference: its kind, and its description."""

    kind: Kind
    text: str


class Conditions(Protocol):
    """The conditions that determine a cell's numbers: those of a measurement, or of this machine at present."""

    @property
    def settings(self) -> Settings: ...

    @property
    def data(self) -> str | None: ...

    @property
    def origin(self) -> Origin: ...


@dataclass(frozen=True)
class Present:
    """The conditions here and now. data: None if the stream is not prepared here."""

    settings: Settings
    data: str | None
    origin: Origin


def changes(old: Conditions, new: Conditions) -> Iterator[Change]:
    """Yield how `new` differs from `old`: in machine, data, torch, other versions, settings and code, in this order."""
    yield from _machines(old.origin.machine, new.origin.machine)
    if None not in (old.data, new.data) and old.data != new.data:
        yield Change("data", _moved("data", str(old.data)[:DIGITS], str(new.data)[:DIGITS]))
    if old.origin.torch != new.origin.torch:
        yield Change("torch", _moved("torch", old.origin.torch, new.origin.torch))
    for field, name in VERSIONS.items():
        before, after = getattr(old.origin, field), getattr(new.origin, field)
        if before != after:
            yield Change("versions", _moved(name, _short(before), _short(after)))
    for key, before, after in _settings(old.settings, new.settings):
        yield Change("settings", _moved(key, before, after))
    yield from (Change("code", text) for text in _code(old, new))


def likeliest(candidates: Iterable[Change]) -> str:
    """Return the likeliest reason for different numbers: processor, torch, code, data, settings, then versions."""
    order: tuple[Kind, ...] = ("processor", "torch", "code", "data", "settings", "versions")
    return min(candidates, key=lambda change: order.index(change.kind), default=Change("code", "none is recorded")).text


def since(measurement: Conditions, places: Places) -> Iterator[str]:
    """Yield in words how the conditions here and now differ from those of a measurement; data only if prepared here."""
    try:
        now = present(measurement, places)
    except SettingsError as error:
        yield f"this version of the code cannot run it: {error}"
        return
    yield from (change.text for change in changes(measurement, now))


def present(measurement: Conditions, places: Places) -> Present:
    """Return the conditions of the cell here and now. Raises SettingsError if this code does not know its settings."""
    cell = cell_of(measurement.settings)
    try:
        data: str | None = data_of(cell, places)
    except (DataError, SettingsError):
        data = None
    try:
        device = device_of(cell.training)
    except SettingsError:  # its GPU is not here
        device = torch.device("cpu")
    now = datetime.now(UTC)
    facts = provenance.provenance(device) | {"run": None, "started": now, "ended": now}
    return Present(measurement.settings, data, Origin(**facts, fingerprint=fingerprint(cell)))


def changed_files(old: str | None, new: str | None = None) -> list[str] | None:
    """Return the files of den/ that differ between two commits, or between a commit and the working tree.

    None if git lacks a commit.
    """
    if old is None:
        return None
    if new is not None:
        return _between(old, new, provenance.ROOT)
    tracked = _files("diff", "--name-only", old, "--", "den")
    untracked = _files("ls-files", "--others", "--exclude-standard", "--", "den")
    return None if tracked is None or untracked is None else sorted({*tracked, *untracked})


def commit_of(origin: Origin) -> str | None:
    """Return the commit whose code a measurement represents: that of its code, or the last that it was carried to."""
    steps = origin.record.carried if origin.record else ()
    return steps[-1].commit if steps else origin.commit


def _machines(old: Machine, new: Machine) -> Iterator[Change]:
    if old.processor is None and new.processor is not None:
        yield Change("processor", f"processor is {new.label}, it was not recorded")
    else:
        yield from _fields(old, new, PROCESSOR)
    yield from _fields(old, new, GPU)


def _fields(old: Machine, new: Machine, labels: Mapping[str, str]) -> Iterator[Change]:
    for field, name in labels.items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Change("processor", _moved(name, _plain(before), _plain(after)))


def _settings(old: Settings, new: Settings) -> Iterator[tuple[str, object, object]]:
    """Yield key, old value and new value of settings that differ, except the seed."""
    before, after = dict(flat(old)), dict(flat(new))
    for key in sorted(before.keys() | after.keys()):
        if key != "seed" and before.get(key) != after.get(key):
            yield key, before.get(key, "as before"), after.get(key, "as before")


def _code(old: Conditions, new: Conditions) -> Iterator[str]:
    """Yield the changes of the code that the cell uses; nothing if the fingerprints agree."""
    if old.origin.fingerprint is not None and old.origin.fingerprint == new.origin.fingerprint:
        return
    before, after = commit_of(old.origin), commit_of(new.origin)
    files = changed_files(before, None if new.origin.dirty else after)
    if files is None:
        yield f"the code of {_short(before)} and {_short(after)} cannot be compared, git lacks one of them"
    elif files:
        end = "with uncommitted changes" if new.origin.dirty else f"now {_short(after)}"
        yield f"{_listed(_used(files, new.settings))} changed since {_short(before)}, {end}"
    if old.origin.dirty:
        yield f"the earlier code had uncommitted changes over {_short(before)}"


def _used(files: list[str], settings: Settings) -> list[str]:
    """Return the files that a cell with these settings uses; all files if it uses none, or if that is unknown."""
    try:
        modules = sources.closure(modules_of(settings["method"], settings["stream"]))
    except (KeyError, ValueError):
        return files
    paths = {module.replace(".", "/") for module in modules}
    return [file for file in files if file.removesuffix(".py").removesuffix("/__init__") in paths] or files


@cache
def _between(old: str, new: str, root: Path) -> list[str] | None:
    return _files("diff", "--name-only", old, new, "--", "den")


def _files(*words: str) -> list[str] | None:
    """Return the files that a git command lists; None if it fails."""
    output = git.output(*words, folder=provenance.ROOT)
    return None if output is None else output.split()


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more file{'s' * (more > 1)}" if more > 0 else "")


def _moved(name: str, old: object, new: object) -> str:
    return f"{name} is {new}, it was {old}"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={content}" for name, content in value.items()) or "none"
    return "none" if value is None else str(value)


def _short(value: str | None) -> str:
    return "not recorded" if value is None else value[:DIGITS]
