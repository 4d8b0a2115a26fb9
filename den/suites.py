"""Plans: params.yaml as a whole with the overrides of a command line, and the cells of its suites."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as matching
from itertools import chain, product
from pathlib import Path
from typing import Any

from den import yaml_files
from den.cells import Cell, refuse
from den.config import Network, SettingsError, Training, alternatives, meant, read, refuse_unknown, shortened
from den.ledger.settings import flat
from den.methods import METHODS
from den.overrides import DATA, describes_own, mapping, put, unchosen, with_data, with_own
from den.params_file import STREAM_NAME, Data, File, Suite, Variant, refuse_repeats
from den.streams import STREAMS, module_of

Settings = dict[str, Any]
SETTABLE = ("training", "network", "streams", "methods")
DEEPEST = 10  # dots of a key
LENGTHS = {"epochs": "steps", "steps": "epochs"}  # the length of training: setting one resets the other
PER_STREAM = ("streams", "per_stream", "chosen", "search", "answers")  # blocks with an entry per stream


@dataclass(frozen=True)
class Plan:
    """A validated params.yaml with the overrides of a command line, by dotted key.

    other_data: whether overrides change what is prepared of registered streams.
    """

    file: File
    overrides: Mapping[str, Any]
    other_data: bool = False

    @property
    def data(self) -> Data:
        return self.file.data

    @property
    def suites(self) -> tuple[str, ...]:
        """The names of the suites; each stream of own data has one."""
        return tuple(dict.fromkeys([*self.file.suites, *self.data.own]))

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the streams: the registered ones, and those of own data."""
        return (*STREAMS, *self.data.own)

    def cells(
        self,
        suite: str | None = None,
        streams: Sequence[str] = (),
        methods: Sequence[str] = (),
        seeds: Sequence[int] | None = None,
    ) -> tuple[Cell, ...]:
        """Return the cells of a suite, by default the first; given streams, methods or seeds replace the suite's.

        methods: names of methods or variants, or patterns such as plus_*. Raises SettingsError.
        """
        grid = self.suite(suite or self.suites[0])
        for key, names in (("stream", streams), ("method", methods), ("seeds", seeds or ())):
            _refuse_repeats_of(key, names)
        named = self.methods(methods or grid.methods)
        axes = streams or grid.streams, named, grid.seeds if seeds is None else seeds
        cells = tuple(self.cell(grid, *coordinates) for coordinates in product(*axes))
        for cell in cells:
            refuse(cell)
        return cells

    def suite(self, name: str) -> Suite:
        """Return a suite. Raises SettingsError if it is unknown."""
        if name in self.file.suites:
            return self.file.suites[name]
        if name in self.data.own:
            return self.file.own_data.suite(name)
        raise SettingsError(f"suite {shortened(repr(name))} is unknown; {alternatives(name, self.suites)}")

    def methods(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of methods and variants, each pattern replaced by the names that it matches."""
        registry = [*METHODS, *self.file.variants]
        matches = ((matching(registry, name) if "*" in name else [name]) or [name] for name in names)
        return tuple(dict.fromkeys(chain.from_iterable(matches)))

    def variant(self, name: str) -> Variant:
        """Return a variant; a method is one without settings."""
        return self.file.variants.get(name) or Variant(method=name)

    def cell(self, suite: Suite, stream: str, name: str, seed: int) -> Cell:
        """Return one cell. name: of a method or variant. Raises SettingsError.

        Each of these layers overrides the ones before: the file's settings, the method's own training, what all own
        data have, the stream's own numbers, the numbers chosen for the method on the stream, the suite, the variant,
        the command line. A suite may take the numbers of another stream.
        """
        refuse_unknown(stream, self.streams, "stream")
        refuse_unknown(name, {**METHODS, **self.file.variants}, "method")
        method = self.variant(name).method
        settings = self.file.model_dump(mode="json", include=set(SETTABLE))
        names = {"streams": self.streams, "methods": METHODS}
        _own_training(settings, method)
        for layer in self.layers(suite, stream, name).values():
            for key, value in layer.items():
                _put(settings, key, value, names)
            _own_training(settings, method)
        return _cell(settings, stream, method, seed, name if name in self.file.variants else "")

    def layers(self, suite: Suite, stream: str, name: str) -> dict[str, Mapping[str, Any]]:
        """Return the values that override the file's blocks for a cell, by their source, the strongest last."""
        variant = self.variant(name)
        method, origin = variant.method, suite.numbers or stream
        entry = self.file.chosen.get(origin, {}).get(method)
        study = entry and (f"study {entry.study}" if entry.study else f"as {entry.of}")
        return {
            "own_data.set": self.file.own_data.set if stream in self.data.own else {},
            **{f"per_stream.{owner}": block for owner, block in self.file.of_streams(stream, origin).items()},
            f"chosen, {study}": _within(method, self.file.numbers(origin, method)),
            "set of the suite": suite.set,
            f"variants.{name}": _within(method, variant.set),
            "--set": self.overrides,
        }

    def sources(self, suite: Suite, stream: str, name: str) -> dict[str, str]:
        """Return where each setting of a cell comes from, by its key in a measurement; defaults are left out."""
        method = self.variant(name).method
        blocks = self.file.model_dump(mode="json", include=set(SETTABLE))
        sources: dict[str, str] = {}
        for source, layer in {"": blocks, **self.layers(suite, stream, name)}.items():
            for key, _ in flat(layer):
                if (place := _place(key, stream, method)) is not None:
                    sources[place] = source or key.rpartition(".")[0]
        return sources


def _place(key: str, stream: str, method: str) -> str | None:
    """Return the key in a measurement of a key of params.yaml; None if it is of another stream or method."""
    key = key.replace(f"methods.{method}.training.", "training.", 1)
    key = key.replace(f"methods.{method}.", "method_params.", 1).replace(f"streams.{stream}.", "stream_params.", 1)
    return None if key.startswith(("streams.", "methods.")) else key


def load(path: str | Path = "params.yaml", overrides: Sequence[str] = ()) -> Plan:
    """Return the plan of a params file, with every block and every suite validated.

    overrides: texts `key.path=value`, with values in YAML. `data.*` changes what is prepared; `chosen=none` leaves out
    the numbers that were chosen for methods. Raises SettingsError, which names the wrong keys and the allowed values.
    """
    values = yaml_files.overrides(overrides)
    changed = {key: values.pop(key) for key in list(values) if key.split(".")[0] == "data"}
    own = {key: changed.pop(key) for key in list(changed) if describes_own(key)}
    file = read(File, with_own(yaml_files.read(Path(path), File.model_fields), own), "params.yaml")
    data = with_data(file, changed)
    chosen = unchosen(file, values.pop("chosen")) if "chosen" in values else file
    plan = Plan(chosen.model_copy(update={"data": data}), values, other_data=data != file.data)
    for stream, block in plan.data.streams.items():
        if "file" not in block:
            refuse_unknown(stream, STREAMS, f"{DATA}{stream}")
        plan.data.preparation(stream)
    for problem in _problems(plan):
        raise SettingsError(problem)
    return plan


def _problems(plan: Plan) -> Iterator[str]:
    """Yield the problems of the file as a whole: first unknown names, then impossible settings."""
    yield from _wrong_names(plan)
    for prefix, variation, suite in _grids(plan):
        try:
            for stream, method in product(suite.streams, variation.methods(suite.methods)):
                variation.cell(suite, stream, method, 0)
        except SettingsError as error:
            yield f"{prefix}{error}"


def _wrong_names(plan: Plan) -> Iterator[str]:
    """Yield the names that match no registry entry, and the names that two things would have."""
    for key, name, names in _names(plan):
        if name not in names:
            yield f"{key}: {name!r} is unknown; {alternatives(name, names)}"
    for name in plan.data.own:
        if not re.fullmatch(STREAM_NAME, name):
            yield f"{DATA}{name}: a stream's name has small letters, digits and _, and begins with a letter"
        if name in plan.file.suites and plan.file.suites[name].streams != (name,):
            yield f"{DATA}{name}: a suite of other streams has this name; give the stream another"
    for name in plan.file.variants:
        if name in METHODS:
            yield f"variants.{name}: a method has this name; give the variant another"


def _names(plan: Plan) -> Iterator[tuple[str, str, Collection[str]]]:
    """Yield the key of every name in the file, the name, and the allowed names."""
    file = plan.file
    for block, names in {**dict.fromkeys(PER_STREAM, plan.streams), "methods": METHODS}.items():
        yield from ((f"{block}.{name}", name, names) for name in getattr(file, block))
    for stream, entries in file.chosen.items():
        searched = [method for method, entry in entries.items() if entry.study]
        yield from ((f"chosen.{stream}.{method}", method, METHODS) for method in entries)
        borrowed = {method: entry.of for method, entry in entries.items() if entry.of}
        yield from ((f"chosen.{stream}.{method}.of", origin, searched) for method, origin in borrowed.items())
    yield from ((f"answers.{stream}", method, METHODS) for stream, method in file.answers.items())
    yield from ((f"variants.{name}.method", variant.method, METHODS) for name, variant in file.variants.items())
    origins = {name: suite.numbers for name, suite in file.suites.items() if suite.numbers}
    yield from ((f"suites.{name}.numbers", stream, STREAMS) for name, stream in origins.items())


def _grids(plan: Plan) -> Iterator[tuple[str, Plan, Suite]]:
    """Yield everything to validate, dependencies first: the prefix of its messages, a plan and a grid of cells."""
    everything = Suite(streams=plan.streams, methods=tuple(METHODS), seeds=(0,))
    yield "", replace(plan, file=plan.file.model_copy(update={"chosen": {}})), everything
    for stream, methods in plan.file.chosen.items():
        for method in methods:
            yield f"chosen.{stream}.{method}: ", plan, Suite(streams=(stream,), methods=(method,), seeds=(0,))
    for name in plan.file.variants:
        yield f"variants.{name}: ", plan, everything.model_copy(update={"methods": (name,)})
    yield from ((f"suites.{name}: ", plan, suite) for name, suite in plan.file.suites.items())
    with_own_data = plan.file.data.model_copy(update={"streams": {"own": {"file": ""}}})
    own = replace(plan, file=plan.file.model_copy(update={"data": with_own_data}))
    yield "own_data: ", own, own.suite("own")


def _cell(settings: Settings, stream: str, method: str, seed: int, variant: str) -> Cell:
    if seed < 0:
        raise SettingsError(f"seeds: {seed} is negative; seeds count from 0")
    block = settings["streams"].get(stream, {}), settings["methods"].get(method, {})
    return Cell(
        stream=stream,
        method=method,
        variant=variant,
        seed=seed,
        stream_params=read(module_of(stream).Params, block[0], f"streams.{stream}").model_dump(mode="json"),
        method_params=read(METHODS[method].accepts, block[1], f"methods.{method}").model_dump(mode="json"),
        network=read(Network, settings["network"], "network"),
        training=read(Training, settings["training"], "training"),
    )


def _within(method: str, block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of a method's block by dotted keys of the whole file; keys of streams are such already."""
    return {key if key.startswith("streams.") else f"methods.{method}.{key}": value for key, value in block.items()}


def _own_training(settings: Settings, method: str) -> None:
    """Merge the method's own training settings into the block `training`, in place."""
    block = mapping(settings["methods"].get(method, {}), f"methods.{method}")
    settings["training"] |= mapping(block.pop("training", {}), f"methods.{method}.training")


def _put(settings: Settings, key: str, value: Any, names: Mapping[str, Collection[str]]) -> None:
    """Set one dotted key in place. names: the names that may follow the first word of a key."""
    *path, last = key.split(".")
    if not path or path[0] not in SETTABLE:
        blocks = f"{shortened(key)}: cannot be set; keys begin with {', '.join(SETTABLE)}"
        raise SettingsError("; ".join(filter(None, (blocks, meant(key.partition(".")[0], SETTABLE)))))
    if len(path) > DEEPEST:
        raise SettingsError(f"{shortened(key)}: unknown key; no key has more than {DEEPEST} dots")
    if path[0] in names:
        refuse_unknown((*path, last)[1], names[path[0]], key)
    put(settings, key, value)
    if path[-1] == "training" and last in LENGTHS and value is not None:
        put(settings, ".".join((*path, LENGTHS[last])), None)


def _refuse_repeats_of(key: str, names: Sequence[Any]) -> None:
    try:
        refuse_repeats(names)
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from None
