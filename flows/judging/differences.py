"""Why two measurements of a cell may differ: machine, data, versions, settings and code, likely reasons first."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple, Protocol

import torch

from den import provenance, sources
from den.cells import cell_of, data_of, fingerprint, modules_of
from den.config import SettingsError
from den.ledger import Machine, Origin, Places
from den.ledger.settings import Settings, flat
from den.streams.prepared import DataError
from den.training import device_of
from flows.places import here

Kind = Literal["processor", "data", "torch", "versions", "settings", "code"]

PROCESSOR = {"system": "system", "processor": "processor", "capability": "CPU capability", "variables": "variables"}
GPU = {"gpu": "GPU", "driver": "driver", "cuda": "CUDA", "cudnn": "cuDNN"}
VERSIONS = {"numpy": "numpy", "python": "Python", "lock": "requirements.txt"}
SHOWN, NAMED = 8, 5  # characters of a hash, files by name


class Change(NamedTuple):
    """One difference: its kind, and what it is in words."""

    kind: Kind
    text: str


class Made(Protocol):
    """What decides about a cell's numbers: a measurement has it, and so has the present."""

    @property
    def settings(self) -> Settings: ...

    @property
    def data(self) -> str | None: ...

    @property
    def origin(self) -> Origin: ...


@dataclass(frozen=True)
class Present:
    """What would measure a cell here and now; data None: the stream is not prepared here."""

    settings: Settings
    data: str | None
    origin: Origin


def changes(old: Made, new: Made) -> Iterator[Change]:
    """Yield how `new` was made differently from `old`: machine, data, torch, other versions, settings, code."""
    yield from _machines(old.origin.machine, new.origin.machine)
    if None not in (old.data, new.data) and old.data != new.data:
        yield Change("data", _moved("data", str(old.data)[:SHOWN], str(new.data)[:SHOWN]))
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
    """Return the likeliest reason for other numbers: processor, torch, code, data, then what else there is."""
    order: tuple[Kind, ...] = ("processor", "torch", "code", "data", "settings", "versions")
    return min(candidates, key=lambda change: order.index(change.kind), default=Change("code", "none is recorded")).text


def since(measurement: Made, places: Places | None = None) -> Iterator[str]:
    """Yield in words what is different here and now from when a cell was measured; data only if it is prepared here."""
    try:
        now = present(measurement, places or here())
    except SettingsError as error:
        yield f"this version of the code cannot run it: {error}"
        return
    yield from (change.text for change in changes(measurement, now))


def present(measurement: Made, places: Places) -> Present:
    """Return what would measure the cell here and now. Raises SettingsError for settings that are unknown now."""
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
    about = provenance.provenance(device) | {"run": None, "started": now, "ended": now}
    return Present(measurement.settings, data, Origin(**about, fingerprint=fingerprint(cell)))


def changed_files(old: str | None, new: str | None = None) -> list[str] | None:
    """Return the files of den/ that differ between two commits, or between one and the files here.

    None if git does not have them.
    """
    if old is None:
        return None
    if new is not None:
        return _between(old, new, provenance.ROOT)
    tracked = _git("diff", "--name-only", old, "--", "den")
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", "den")
    return None if tracked is None or untracked is None else sorted({*tracked, *untracked})


def commit_of(origin: Origin) -> str | None:
    """Return the commit whose code a measurement stands for: it was measured with it, or carried to it."""
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


def _settings(old: Settings, new: Settings) -> Iterator[tuple[str, Any, Any]]:
    """Yield key, old and new value of settings that differ; the seed is not compared."""
    before, after = dict(flat(old)), dict(flat(new))
    for key in sorted(before.keys() | after.keys()):
        if key != "seed" and before.get(key) != after.get(key):
            yield key, before.get(key, "as before"), after.get(key, "as before")


def _code(old: Made, new: Made) -> Iterator[str]:
    """Yield which code that the cell uses changed; nothing if the fingerprints agree."""
    if old.origin.fingerprint is not None and old.origin.fingerprint == new.origin.fingerprint:
        return
    before, after = commit_of(old.origin), commit_of(new.origin)
    files = changed_files(before, None if new.origin.dirty else after)
    if files is None:
        yield f"the code of {_short(before)} and {_short(after)} cannot be compared, git has not both"
    elif files:
        end = "with uncommitted changes" if new.origin.dirty else f"now {_short(after)}"
        yield f"{_listed(_used(files, new.settings))} changed since {_short(before)}, {end}"
    if old.origin.dirty:
        yield f"the earlier code had uncommitted changes over {_short(before)}"


def _used(files: list[str], settings: Settings) -> list[str]:
    """Return those of the files that a cell with these settings uses; all of them if none is, or it is unknown."""
    try:
        modules = sources.closure(modules_of(settings["method"], settings["stream"]))
    except (KeyError, ValueError):
        return files
    paths = {module.replace(".", "/") for module in modules}
    return [file for file in files if file.removesuffix(".py").removesuffix("/__init__") in paths] or files


@cache
def _between(old: str, new: str, root: Any) -> list[str] | None:
    return _git("diff", "--name-only", old, new, "--", "den")


def _git(*words: str) -> list[str] | None:
    command = ("git", "-C", str(provenance.ROOT), *words)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout.split()


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more file{'s' * (more > 1)}" if more > 0 else "")


def _moved(name: str, old: object, new: object) -> str:
    return f"{name} is {new}, it was {old}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={content}" for name, content in value.items()) or "none"
    return "none" if value is None else str(value)


def _short(value: str | None) -> str:
    return "not recorded" if value is None else value[:SHOWN]
