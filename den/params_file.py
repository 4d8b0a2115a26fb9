"""The blocks of params.yaml, each validated on its own; `den.suites` checks what holds between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from den.config import Params, read
from den.methods import METHODS
from den.streams import STREAMS, module_of

STREAM_NAME = "^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=STREAM_NAME)]


class Suite(Params):
    """A grid of cells, and the settings that it changes for them."""

    streams: tuple[str, ...] = Field(min_length=1)
    "Names of streams."
    methods: tuple[str, ...] = Field(min_length=1)
    "Names of methods or variants, or patterns such as `plus_*`."
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    "Each draws its own data, order of tasks and initial weights."
    accepted_seeds: tuple[NonNegativeInt, ...] = ()
    "The seeds of accepted results, if there are more than a run has: results of many judge a run of one."
    set: dict[str, Any] = {}
    "Settings of all cells, by dotted key."
    numbers: str | None = None
    "The stream whose numbers all methods take; null: each stream has its own."

    @field_validator("streams", "methods", "seeds", "accepted_seeds")
    @classmethod
    def no_repeats(cls, names: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse a repeated name or seed."""
        return refuse_repeats(names)


class Variant(Params):
    """A method under another name, with changed settings."""

    method: str
    "The name of the method."
    set: dict[str, Any] = {}
    "Settings by dotted key inside the method's block, or of a stream: `streams.NAME.order`."


class Chosen(Params):
    """Numbers that a search chose for a method on a stream."""

    study: str | None = Field(None, pattern="^[0-9a-f]{16}$")
    "The identity of the method's own study."
    numbers: dict[str, Any] = {}
    "The values of its best trial, by dotted key inside the method's block."
    of: str | None = None
    "Instead of a study: the method whose numbers to take, as far as this one accepts them."

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        """Refuse numbers without an origin, or with two."""
        searched = self.study is not None and bool(self.numbers)
        if searched == (self.of is not None) or not searched and (self.study is not None or self.numbers):
            raise ValueError("give either study and numbers, or the method whose numbers these are: of")
        return self


class Data(Params):
    """What preparation makes. A stream of own data has a name of its own, and the setting `file`."""

    seeds: int = Field(gt=0, le=10_000)
    "Number of seeds to draw data for, from 0 on."
    streams: dict[str, dict[str, Any]] = {}
    "Settings per stream; they change its files."

    def preparation(self, stream: str) -> Params:
        """Return the validated preparation settings of a stream. Raises SettingsError."""
        return read(module_of(stream).Preparation, self.streams.get(stream, {}), f"data.streams.{stream}")

    @property
    def own(self) -> tuple[str, ...]:
        """The streams of own data."""
        return tuple(name for name in self.streams if name not in STREAMS)


class OwnData(Params):
    """What every stream of own data has."""

    methods: tuple[str, ...] = Field(("den", "ewc", "single_task", "finetune"), min_length=1)
    "Methods of its suite, which has the stream's name."
    seeds: tuple[NonNegativeInt, ...] = Field((1, 2, 3), min_length=1)
    "Seeds of its suite."
    set: dict[str, Any] = {}
    "Settings of all its cells, by dotted key; numbers that a search chooses override them."
    search: dict[str, Any] = {}
    "Its search, unless the block `search` has one for the stream."

    def suite(self, stream: str) -> Suite:
        """Return the suite of a stream."""
        return Suite(streams=(stream,), methods=self.methods, seeds=self.seeds)


class File(Params):
    """All of params.yaml."""

    data: Data
    suites: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")], Suite] = Field(min_length=1)
    training: dict[str, Any] = {}
    network: dict[str, Any] = {}
    streams: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    per_stream: dict[str, dict[str, Any]] = {}
    search: dict[str, Any] = {}
    own_data: OwnData = OwnData.model_validate({})
    chosen: dict[str, dict[str, Chosen]] = {}
    answers: dict[str, str] = {}
    "Per stream, the method that stands for DEN there, chosen on validation data; `den` where none is named."
    variants: dict[Name, Variant] = {}

    def of_streams(self, stream: str, origin: str) -> dict[str, Mapping[str, Any]]:
        """Return what holds for a stream, by the entry of per_stream: its own settings, and `origin`'s of methods."""
        own = self._own_settings(stream)
        numbers = {key: value for key, value in self.per_stream.get(origin, {}).items() if _of_method(key)}
        return {stream: own | numbers} if stream == origin else {stream: own, origin: numbers}

    def unchosen(self) -> Self:
        """Return the file without the numbers that searches or hands chose for methods on streams."""
        settings = {stream: self._own_settings(stream) for stream in self.per_stream}
        return self.model_copy(update={"chosen": {}, "per_stream": settings})

    def numbers(self, stream: str, method: str) -> Mapping[str, Any]:
        """Return the numbers chosen for a method on a stream, by dotted key inside the method's block."""
        entries = self.chosen.get(stream, {})
        entry = entries.get(method)
        if entry is None or entry.of is None:
            return entry.numbers if entry else {}
        accepted = {*METHODS[method].accepts.model_fields, "training"}
        return {key: value for key, value in entries[entry.of].numbers.items() if key.split(".")[0] in accepted}

    def _own_settings(self, stream: str) -> dict[str, Any]:
        """Return the settings that a stream needs of its own, without numbers of methods."""
        return {key: value for key, value in self.per_stream.get(stream, {}).items() if not _of_method(key)}


def _of_method(key: str) -> bool:
    return key.startswith("methods.")


def refuse_repeats(names: Sequence[Any]) -> Any:
    """Return the names. Raises ValueError if one is repeated."""
    if repeated := [str(name) for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{', '.join(repeated)} is repeated; name each once")
    return names
