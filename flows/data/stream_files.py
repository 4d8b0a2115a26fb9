"""Prepares streams: through DVC if the project uses it, else directly."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from den.cells import Cell
from den.config import refuse_unknown
from den.ledger import Places
from den.ledger.settings import short_hash
from den.streams import STREAMS, prepared
from den.streams.own_data import Preparation
from den.suites import Plan
from flows.data import dvc_command, dvc_lock, raw
from flows.data.own import preparing, versions

RAW = Path("data/raw")
OTHER = "other"  # folder beside that of the versioned streams


class PreparationError(RuntimeError):
    """A stream could not be prepared; the output above gives the reason."""


def prepare(streams: Sequence[str], plan: Plan, places: Places, force: bool = False) -> None:
    """Prepare these streams in `places.data`, unless they are current. force: prepare them in any case.

    Raises SettingsError for an unknown stream that is not prepared either, DataError for prepared files that fail their
    checksum although DVC considers them current, and PreparationError if DVC fails.
    """
    for stream in streams:
        _refuse_absent(stream, plan, places, force)
    own = [stream for stream in streams if stream not in STREAMS]
    for stream in own:
        prepare_own(stream, plan, places, force)
    streams = [stream for stream in streams if stream not in own]
    if versioned() and not plan.other_data:
        if stale := [stream for stream in streams if force or not dvc_lock.holds(stream, plan, places)]:
            _reproduce(stale, force)
        for stream in streams:
            prepared.read(places.data / stream)
        return
    for stream in streams:
        build(stream, plan, places, force)


def places_of(plan: Plan, places: Places) -> Places:
    """Return the places with the plan's own folder of streams if overrides change what is prepared.

    The folder is named by a hash of the block `data`: it never replaces the streams of params.yaml, nor another's.
    """
    if not plan.other_data:
        return places
    return replace(places, data=places.data.parent / OTHER / short_hash(plan.data.model_dump(mode="json")))


def prepare_own(stream: str, plan: Plan, places: Places, force: bool = False) -> None:
    """Prepare a stream of own data from its file, unless it is current, and let DVC version it.

    A stream that params.yaml does not know is used as it was prepared. Raises SettingsError if it was not, or with
    `force`, DataError for a file that is refused, PreparationError if DVC fails.
    """
    _refuse_absent(stream, plan, places, force)
    if stream not in plan.streams:
        prepared.read(places.data / stream)
        return
    settings, folder = plan.data.preparation(stream), places.data / stream
    assert isinstance(settings, Preparation)
    if force or not preparing.is_current(folder, settings):
        preparing.prepare(stream, settings, folder)
    if (
        versioned()
        and not plan.other_data
        and versions.pinned(folder) != dvc_lock.folder_md5(folder)
        and not versions.pin(folder)
    ):
        raise PreparationError(f"DVC did not store {folder}; the lines above give the reason")


def _refuse_absent(stream: str, plan: Plan, places: Places, force: bool) -> None:
    """Raise SettingsError for an unknown stream, unless it is prepared here and need not be prepared again."""
    if force or not (places.data / stream / prepared.MANIFEST).exists():
        refuse_unknown(stream, plan.streams, "stream")


def prepare_own_of(cells: Iterable[Cell], plan: Plan, places: Places) -> None:
    """Prepare the own data of these cells, as `prepare_own` does."""
    for stream in sorted({cell.stream for cell in cells} - STREAMS.keys()):
        prepare_own(stream, plan, places)


def of_suites(plan: Plan) -> list[str]:
    """Return the streams of all suites."""
    return sorted({cell.stream for suite in plan.suites for cell in plan.cells(suite)})


def versioned() -> bool:
    """Return whether DVC versions the data here. Inside one of its stages it does not: it would wait for itself."""
    inside = "DVC_STAGE" in os.environ
    return not inside and all(Path(name).exists() for name in (".git", ".dvc", "dvc.yaml")) and bool(find_spec("dvc"))


def build(stream: str, plan: Plan, places: Places, force: bool = False) -> None:
    """Prepare one stream without DVC, unless its files have the same settings."""
    preparation = plan.data.preparation(stream)
    if not force and _current(places.data / stream, preparation.model_dump(mode="json"), plan.data.seeds):
        return
    name = STREAMS[stream].RAW
    if name is not None:
        raw.fetch(name, RAW)
    arrays = raw.load(name, RAW) if name is not None else {}
    prepared.prepare(stream, preparation, arrays, plan.data.seeds, places.data)


def _current(folder: Path, preparation: Mapping[str, object], seeds: int) -> bool:
    try:
        about = prepared.read(folder).about
    except prepared.DataError:
        return False
    return about["preparation"] == preparation and about["seeds"] == seeds


def _reproduce(streams: Sequence[str], force: bool) -> None:
    flags = ["--quiet", "--single-item", "--keep-going", *(["--force"] if force else [])]
    targets = [f"data@{stream}" for stream in streams]
    if not dvc_command.succeeds("repro", *flags, *targets):
        raise PreparationError(f"preparing {', '.join(streams)} failed; the lines above give the reason")
