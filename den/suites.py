"""params.yaml: named suites of streams, methods and seeds, the numbers they run with, and the cells they make."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt

from den.config import Network, Params, SettingsError, Training, read
from den.methods import METHODS
from den.runs import Cell
from den.streams import STREAMS

Settings = dict[str, Any]
SETTABLE = ("training", "network", "streams", "methods")
NAMED: Mapping[str, Mapping[str, Any]] = {"streams": STREAMS, "methods": METHODS}


class Suite(Params):
    """A grid of cells, and the settings in which it differs from the rest of the file."""

    streams: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    set: dict[str, Any] = {}


class Data(Params):
    """What is prepared: splits for so many seeds, and one block a stream."""

    seeds: PositiveInt
    streams: dict[str, dict[str, Any]] = {}

    def preparation(self, stream: str) -> Params:
        """Return the checked preparation settings of a stream."""
        return read(STREAMS[stream].Preparation, self.streams.get(stream, {}), f"data.streams.{stream}")


class File(Params):
    """params.yaml as a whole."""

    data: Data
    suites: dict[str, Suite] = Field(min_length=1)
    training: dict[str, Any] = {}
    network: dict[str, Any] = {}
    streams: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    per_stream: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Plan:
    """A checked params.yaml with the overrides of a command line."""

    file: File
    overrides: Mapping[str, Any]

    @property
    def data(self) -> Data:
        return self.file.data

    @property
    def suites(self) -> tuple[str, ...]:
        return tuple(self.file.suites)

    def cells(
        self,
        suite: str | None = None,
        streams: Sequence[str] = (),
        methods: Sequence[str] = (),
        seeds: Sequence[int] | None = None,
    ) -> tuple[Cell, ...]:
        """Return the cells of a suite, its streams, methods or seeds replaced where given. Raises SettingsError."""
        grid = self.suite(suite or self.suites[0])
        chosen = streams or grid.streams, methods or grid.methods, grid.seeds if seeds is None else seeds
        cells = tuple(self.cell(grid, *one) for one in product(*chosen))
        for cell in cells:
            METHODS[cell.method].refuse(cell.network)
        return cells

    def suite(self, name: str) -> Suite:
        if name not in self.file.suites:
            raise SettingsError(f"suite {name!r} is unknown; params.yaml has {', '.join(self.suites)}")
        return self.file.suites[name]

    def cell(self, suite: Suite, stream: str, method: str, seed: int) -> Cell:
        """Return one cell.

        The file's settings are overridden by the method's own training, then the stream's own numbers, the suite's, and
        the command line's.
        """
        layers = (self.file.per_stream.get(stream, {}), suite.set, self.overrides)
        settings = self.file.model_dump(mode="json", include=set(SETTABLE))
        _own_training(settings, method)
        for key, value in (item for layer in layers for item in layer.items()):
            _put(settings, key, value)
        _own_training(settings, method)
        return _cell(settings, stream, method, seed)


def load(path: str | Path = "params.yaml", overrides: Sequence[str] = ()) -> Plan:
    """Return the plan of a params file, every block and every suite checked.

    overrides: `key.path=value`, values as YAML. Raises SettingsError naming every wrong key and what is allowed.
    """
    plan = Plan(read(File, _yaml(Path(path)), "params.yaml"), dict(map(_override, overrides)))
    for stream in plan.data.streams:
        _refuse_unknown(stream, STREAMS, f"data.streams.{stream}")
        plan.data.preparation(stream)
    for problem in _problems(plan):
        raise SettingsError(problem)
    return plan


def _problems(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the file as a whole: every block is read once, every suite made once."""
    everything = Suite(streams=tuple(STREAMS), methods=tuple(METHODS), seeds=(0,))
    known: dict[str, Collection[str]] = {"streams": STREAMS, "methods": METHODS, "per_stream": STREAMS}
    for block, names in known.items():
        yield from (
            f"{block}.{name}: unknown; there are {', '.join(names)}"
            for name in getattr(plan.file, block)
            if name not in names
        )
    try:
        for suite in (everything, *plan.file.suites.values()):
            for stream, method in product(suite.streams, suite.methods):
                plan.cell(suite, stream, method, 0)
    except SettingsError as error:
        yield str(error)


def _cell(settings: Settings, stream: str, method: str, seed: int) -> Cell:
    _refuse_unknown(stream, STREAMS, "stream")
    _refuse_unknown(method, METHODS, "method")
    if seed < 0:
        raise SettingsError(f"seeds: {seed} is negative; seeds count from 0")
    block = settings["streams"].get(stream, {}), settings["methods"].get(method, {})
    return Cell(
        stream=stream,
        method=method,
        seed=seed,
        stream_params=read(STREAMS[stream].Params, block[0], f"streams.{stream}").model_dump(mode="json"),
        method_params=read(METHODS[method].accepts, block[1], f"methods.{method}").model_dump(mode="json"),
        network=read(Network, settings["network"], "network"),
        training=read(Training, settings["training"], "training"),
    )


def _own_training(settings: Settings, method: str) -> None:
    """Move the method's own training settings, in place, to where all are."""
    block = _mapping(settings["methods"].get(method, {}), f"methods.{method}")
    settings["training"] |= _mapping(block.pop("training", {}), f"methods.{method}.training")


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is not here; run the command in the project's folder") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected a mapping of {', '.join(File.model_fields)}")
    return content


def _override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SettingsError(f"--set {text}: write key.path=value, for example training.epochs=5")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise SettingsError(f"--set {text}: {value} is not YAML") from None


def _put(settings: Settings, key: str, value: Any) -> None:
    """Set one dotted key in place."""
    *path, last = key.split(".")
    if not path or path[0] not in SETTABLE:
        raise SettingsError(f"{key}: cannot be set; keys begin with {', '.join(SETTABLE)}")
    if path[0] in NAMED:
        _refuse_unknown((*path, last)[1], NAMED[path[0]], key)
    block = settings
    for part in path:
        block = _mapping(block.setdefault(part, {}), f"{key}: {part}")
    block[last] = deepcopy(value)


def _mapping(value: Any, key: str) -> Settings:
    """Return a block of settings, or refuse a value in its place."""
    if isinstance(value, dict):
        return value
    raise SettingsError(f"{key} is a value, {value!r}, not a block")


def _refuse_unknown(name: str, registry: Mapping[str, Any], key: str) -> None:
    if name not in registry:
        raise SettingsError(f"{key}: {name!r} is unknown; there are {', '.join(registry)}")
