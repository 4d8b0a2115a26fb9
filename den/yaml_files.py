"""YAML as params.yaml and overrides have it: every key once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from den.config import SettingsError

MERGE = "tag:yaml.org,2002:merge"


class UniqueKeys(yaml.SafeLoader):
    """Reads YAML as SafeLoader does, and refuses a key that stands twice in one block."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return a block as it is written. Raises yaml.composer.ComposerError naming both lines of a repeated key."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        places: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            first, second = places.setdefault(key.value, key.start_mark), key.start_mark
            if first is not second:
                lines = f"line {first.line + 1} and again in line {second.line + 1}"
                problem = f"the key {key.value} stands in {lines}; the second would erase the first"
                raise yaml.composer.ComposerError(None, None, problem)
        return node


def read(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Return the blocks of a YAML file. Raises SettingsError for another file; keys: what its blocks may be."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), UniqueKeys)  # noqa: S506  it is a safe loader
    except FileNotFoundError:
        raise SettingsError(f"{path} is not here; run the command in the project's folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a mapping of {', '.join(keys)}")
    return content


def override(text: str) -> tuple[str, Any]:
    """Return key and value of `key.path=value`. Raises SettingsError for other text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"--set {text}: write key.path=value, for example training.epochs=5")
    try:
        return key.strip(), yaml.load(value, UniqueKeys)  # noqa: S506  it is a safe loader
    except yaml.composer.ComposerError as error:
        raise SettingsError(f"--set {text}: {error.problem}") from None
    except yaml.YAMLError:
        raise SettingsError(f"--set {text}: {value} is not YAML") from None
