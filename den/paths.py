"""Names that become parts of paths: one rule for all of them."""

import re

from den.config import SettingsError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"What a suite, stream, method, run or study may be called: no separator, no dot, nothing that a shell would read."


def is_part(name: str) -> bool:
    """Return whether a name may be part of a path."""
    return re.fullmatch(NAME, name) is not None


def part(name: str) -> str:
    """Return a name that may be part of a path. Raises SettingsError for any other: it would lead out of its folder."""
    if not is_part(name):
        raise SettingsError(f"{name!r} cannot be part of a file's name; use letters, digits, - and _")
    return name
