"""Words that several commands print: the summary of a docstring, and the value of a setting."""

import json
from typing import Any


def summary(documentation: str | None) -> str:
    """Return the first paragraph of a docstring without indentation, on one line; empty without a docstring."""
    return " ".join((documentation or "").partition("\n\n")[0].split())


def value(setting: Any) -> str:
    """Return the value of a setting as params.yaml has it."""
    return setting if isinstance(setting, str) else json.dumps(setting)
