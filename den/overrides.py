"""Overrides that change params.yaml as a whole: what is prepared, streams of own data, and chosen numbers."""

from collections.abc import Mapping
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
        put(block, key, value)
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
    changed = deepcopy(content)
    for key, value in values.items():
        put(changed, key, value)
    return changed


def put(settings: Settings, key: str, value: Any) -> None:
    """Set the value of a dotted key in place, with missing blocks. Raises SettingsError if a value is on the way."""
    *path, last = key.split(".")
    block = settings
    for part in path:
        block = mapping(block.setdefault(part, {}), f"{key}: {part}")
    block[last] = deepcopy(value)


def mapping(value: Any, key: str) -> Settings:
    """Return a block of settings. Raises SettingsError if it is a value."""
    if isinstance(value, dict):
        return value
    raise SettingsError(f"{shortened(key)} is a value, {shortened(repr(value))}, not a block")
