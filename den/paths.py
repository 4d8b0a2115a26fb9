"""The rule for names that become parts of paths."""

import re

from den.config import SettingsError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"Names of suites, streams, methods, runs and studies: no separator, no dot, no character special to a shell."


def is_part(name: str) -> bool:
    """Return whether a name may be part of a path."""
    return re.fullmatch(NAME, name) is not None


def part(name: str) -> str:
    """Return the name if it may be part of a path. Raises SettingsError if not: it could lead out of its folder."""
    if not is_part(name):
        raise SettingsError(f"{name!r} cannot be part of a file's name; use letters, digits, - and _")
    return name
