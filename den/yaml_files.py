"""The YAML of params.yaml and of overrides: read as DVC reads it, with unique keys, and limited in size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from den.config import SettingsError, shortened

MERGE = "tag:yaml.org,2002:merge"
TEXT = "tag:yaml.org,2002:str"
KINDS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
MOST_OVERRIDES = 100
LONGEST_NUMBER = 100  # characters; Python itself refuses to read more than 4,300 digits


class Refused(ValueError):
    """A text is not YAML, or exceeds a limit; the message names the reason and the line."""


@dataclass(frozen=True)
class Limits:
    """Limits of a text: characters, values (counted with aliases expanded), depth, and whether aliases are allowed."""

    characters: int
    values: int
    aliases: bool
    depth: int = 20


FILE = Limits(characters=1_000_000, values=100_000, aliases=True)
OVERRIDE = Limits(characters=10_000, values=2_000, aliases=False)


def read(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Return the blocks of a YAML file. keys: the allowed blocks, for messages.

    Raises SettingsError if the file is missing, is not a YAML mapping, or exceeds a limit.
    """
    try:
        content = parsed(path.read_text(encoding="utf-8"), FILE)
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: no project is here; run the command in the project's folder") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from None
    except Refused as error:
        raise SettingsError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a mapping of {', '.join(keys)}")
    return content


def overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the values of texts `key.path=value`, by key.

    Raises SettingsError for another text, for too many, or for a repeated key.
    """
    if len(texts) > MOST_OVERRIDES:
        raise SettingsError(f"--set: {len(texts):,} values, and at most {MOST_OVERRIDES} are read; use params.yaml")
    values: dict[str, Any] = {}
    for key, value in map(override, texts):
        if key in values:
            raise SettingsError(f"--set {shortened(key)} is repeated; give it once")
        values[key] = value
    return values


def override(text: str) -> tuple[str, Any]:
    """Return key and value of a text `key.path=value`. Raises SettingsError for another text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"--set {shortened(text)}: write key.path=value, for example training.epochs=5")
    try:
        return key.strip(), parsed(value, OVERRIDE)
    except Refused as error:
        raise SettingsError(f"--set {shortened(text)}: {error}") from None


def parsed(text: str, limits: Limits) -> Any:
    """Return the value of a YAML 1.2 document, as DVC reads it.

    Raises Refused if the text exceeds the limits or has tags, directives, dates, keys that are not text, or repeated
    keys.
    """
    if len(text) > limits.characters:
        raise Refused(f"{len(text):,} characters, and at most {limits.characters:,} are read")
    try:
        text.encode()
        _refuse_growth(text, limits)
        for node in _nodes(_yaml().compose(text), set()):
            _refuse_ambiguity(node)
        return _yaml().load(text)
    except YAMLError as error:
        text = " ".join(str(error).split()).replace('in "<unicode string>", line', "in line")
        raise Refused(f"not YAML: {text}") from None
    except (ValueError, LookupError) as error:
        raise error if isinstance(error, Refused) else Refused(f"a value cannot be read: {error}") from None


def _yaml() -> YAML:
    """Return a reader like DVC's; each reads a single text."""
    return YAML(typ="safe")


def _refuse_growth(text: str, limits: Limits) -> None:
    """Refuse a text that is too deep, or has too many values with aliases expanded; nothing is built from it."""
    total = 0
    open_blocks: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}  # the number of values of each anchor; absent while its block is open
    for event in _yaml().parse(text):
        _refuse_construct(event, limits)
        if isinstance(event, SequenceEndEvent | MappingEndEvent):
            anchor, before = open_blocks.pop()
            sizes[anchor] = total - before
        elif isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise Refused(f"{_line(event)}: *{shortened(event.anchor)} has no anchor before it, or is inside it")
            total += sizes[event.anchor]
        elif isinstance(event, NodeEvent):
            total += 1
            sizes[event.anchor] = 1
            if isinstance(event, SequenceStartEvent | MappingStartEvent):
                del sizes[event.anchor]
                open_blocks.append((event.anchor, total - 1))
        if len(open_blocks) > limits.depth:
            raise Refused(f"{_line(event)}: more than {limits.depth} blocks are inside one another")
        if total > limits.values:
            raise Refused(f"{_line(event)}: more than {limits.values:,} values, aliases followed")


def _refuse_construct(event: Event, limits: Limits) -> None:
    """Refuse a directive, a tag, and an anchor or alias if the limits exclude them."""
    if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
        raise Refused(f"{_line(event)}: directives are not read; delete the line that begins with %")
    if isinstance(event, NodeEvent) and event.anchor and not limits.aliases:
        raise Refused("anchors and aliases (& and *) are not read here; write the value out")
    if getattr(event, "tag", None):
        raise Refused(f"{_line(event)}: tags (!) are not read; write the value without")


def _nodes(node: Node | None, seen: set[int]) -> Iterator[Node]:
    """Yield a node and all nodes below it, each once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    yield node
    if isinstance(node, ScalarNode):
        return
    for inner in node.value:
        for part in inner if isinstance(inner, tuple) else (inner,):
            yield from _nodes(part, seen)


def _refuse_ambiguity(node: Node) -> None:
    """Refuse values and keys that YAML reads differently from what they look like."""
    if isinstance(node, MappingNode):
        _refuse_keys([key for key, _ in node.value])
    elif isinstance(node, ScalarNode) and node.tag not in KINDS | {MERGE}:
        kind = str(node.tag).rpartition(":")[2]
        raise Refused(f"{_line(node)}: {shortened(node.value)} is a {kind} to YAML; for text, put it in quotes")
    elif isinstance(node, ScalarNode) and node.tag != TEXT and len(node.value) > LONGEST_NUMBER:
        raise Refused(f"{_line(node)}: a number of {len(node.value):,} characters; write it shorter")


def _refuse_keys(keys: Iterable[Node]) -> None:
    """Refuse a key that is not text, and a repeated key."""
    places: dict[str, Node] = {}
    for key in keys:
        if key.tag == MERGE:
            continue
        if not isinstance(key, ScalarNode) or key.tag != TEXT:
            shown = shortened(key.value) if isinstance(key, ScalarNode) else "that is a block"
            raise Refused(f"{_line(key)}: the key {shown} is not text to YAML; put it in quotes")
        first = places.setdefault(key.value, key)
        if first is not key:
            lines = f"{_line(first)} and again in {_line(key)}"
            raise Refused(f"the key {shortened(key.value)} is in {lines}; the second would overwrite the first")


def _line(place: Node | Event) -> str:
    return f"line {place.start_mark.line + 1}"
