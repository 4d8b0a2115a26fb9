"""The name and the settings of own data that a command line gives, as overrides of params.yaml."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from den.config import SettingsError
from den.params_file import STREAM_NAME
from den.streams import STREAMS
from den.suites import DATA


def of_options(file: str | None, classes: str | None, streams: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """Return the streams that a command line names, and the overrides that declare its own data.

    file, classes, streams: its options. Raises SettingsError for options that exclude each other, and as `declared`.
    """
    if file is None:
        if classes is not None:
            raise SettingsError("--classes divides the classes of own data into tasks; give --data FILE with it")
        return streams, ()
    if streams:
        raise SettingsError("--data names its stream by itself; leave out --stream")
    name, overrides = declared(file, classes)
    return (name,), overrides


def refuse_undeclared(file: str | None) -> None:
    """Raise SettingsError if numbers are to be written for a file that params.yaml need not name."""
    if file is not None:
        name = Path(file).stem
        raise SettingsError(
            f"--write adds numbers for {name} to params.yaml, which has to declare that stream: add "
            f"{name}: {{file: {file}}} to data.streams, then `den search --stream {name} --write`"
        )


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
