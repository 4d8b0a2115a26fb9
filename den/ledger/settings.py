"""A cell's settings in the ledger: their flat form, and their hashes into key and series."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Settings = dict[str, Any]
"A cell's settings as JSON. A setting that was added later and is absent has its 'as before' value."


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings by dotted key, as in training.batch_size."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def key_of(settings: Mapping[str, Any], data: str) -> str:
    """Return the key of a cell: a hash of its settings, without the device, and of the data that it reads."""
    return short_hash({name: _without_device(name, value) for name, value in settings.items()}, data)


def series_of(settings: Mapping[str, Any]) -> str:
    """Return the series of a cell: a hash that cells share if they differ only in seed and device."""
    return short_hash({name: _without_device(name, value) for name, value in settings.items() if name != "seed"})


def short_hash(*parts: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of parts as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _without_device(name: str, value: Any) -> Any:
    if name != "training" or not isinstance(value, Mapping):
        return value
    return {key: setting for key, setting in value.items() if key != "device"}
