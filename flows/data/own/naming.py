"""The name and the settings of own data that a command line gives, as overrides of params.yaml."""

import json
import re
from pathlib import Path

from den.config import SettingsError
from den.params_file import STREAM_NAME
from den.streams import STREAMS
from den.suites import DATA


def declared(file: str, classes: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the name of a file's stream, and the overrides that declare it.

    Raises SettingsError if the file's stem is no name for a stream, or that of a registered one.
    """
    name = Path(file).stem
    if not re.fullmatch(STREAM_NAME, name):
        raise SettingsError(
            f"{file}: the stream would be named {name!r}, and a name has small letters, digits and _, the first a "
            "letter; rename the file, or declare it under another name in params.yaml (data.streams)"
        )
    if name in STREAMS:
        raise SettingsError(
            f"{file}: {name} is a stream of the benchmark; rename the file, or declare it under another name in "
            "params.yaml (data.streams)"
        )
    values = {"file": json.dumps(file)} | ({} if classes is None else {"classes": _lists(classes)})
    return name, tuple(f"{DATA}{name}.{key}={value}" for key, value in values.items())


def _lists(text: str) -> str:
    """Return lists of classes as YAML: 'cat dog, bird fish'; a single whole number is the number of classes of a task.

    Raises SettingsError for an empty list.
    """
    if re.fullmatch(r"\d+", text.strip()):
        return text.strip()
    groups = [part.split() for part in text.split(",")]
    if not all(groups):
        raise SettingsError(f"--classes {text}: a task without classes; write as in 'cat dog, bird fish'")
    return json.dumps(groups)
