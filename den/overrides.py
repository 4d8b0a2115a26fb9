"""Overrides that change params.yaml as a whole: what is prepared, streams of own data, and chosen numbers."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from den.config import SettingsError, read, shortened
from den.params_file import Data, File
from den.streams import STREAMS

Settings = dict[str, Any]
DATA = "data.streams."  # how the keys of an override begin that describe own data


def with_data(file: File, values: Mapping[str, Any]) -> Data:
    """Return the block `data` with overrides. Raises SettingsError."""
    block = {"data": file.data.model_dump(mode="json")}
    for key, value in values.items():
        *path, last = key.split(".")
        descend(block, path, key)[last] = deepcopy(value)
    return read(Data, block["data"], "data")


def unchosen(file: File, value: Any) -> File:
    """Return the file without chosen numbers. Raises SettingsError for another value than none."""
    if value != "none":
        raise SettingsError(f"chosen: none leaves the chosen numbers out, not {shortened(repr(value))}")
    return file.unchosen()


def describes_own(key: str) -> bool:
    """Return whether the dotted key of an override is of a stream of own data."""
    return key.startswith(DATA) and key.removeprefix(DATA).partition(".")[0] not in STREAMS


def with_own(content: Settings, values: Mapping[str, Any]) -> Settings:
    """Return the content of a params file with streams of own data added. values: by dotted key, `data.streams.…`."""
    if not values:
        return content
    changed = deepcopy(content)
    streams = mapping(mapping(changed.setdefault("data", {}), "data").setdefault("streams", {}), "data.streams")
    for key, value in values.items():
        stream, _, name = key.removeprefix(DATA).partition(".")
        mapping(streams.setdefault(stream, {}), f"{DATA}{stream}")[name] = value
    return changed


def descend(settings: Settings, path: Sequence[str], key: str) -> Settings:
    """Return the block at a path, made where it is missing. Raises SettingsError if a value is on the way."""
    block = settings
    for part in path:
        block = mapping(block.setdefault(part, {}), f"{key}: {part}")
    return block


def mapping(value: Any, key: str) -> Settings:
    """Return a block of settings. Raises SettingsError if it is a value."""
    if isinstance(value, dict):
        return value
    raise SettingsError(f"{shortened(key)} is a value, {shortened(repr(value))}, not a block")
