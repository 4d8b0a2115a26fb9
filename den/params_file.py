"""What params.yaml holds, checked block by block."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from den.config import Params, read
from den.methods import METHODS
from den.streams import STREAMS

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Suite(Params):
    """A grid of cells, and the settings in which it differs from the rest of the file.

    accepted_seeds: the seeds that accepted results need, if not those that a run measures: one seed is judged by many.
    """

    streams: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    accepted_seeds: tuple[NonNegativeInt, ...] = ()
    set: dict[str, Any] = {}

    @field_validator("streams", "methods", "seeds", "accepted_seeds")
    @classmethod
    def no_repeats(cls, names: tuple[Any, ...]) -> tuple[Any, ...]:
        """Refuse what stands twice."""
        return refuse_repeats(names)


class Variant(Params):
    """A method under another name, and the settings in which it differs: dotted keys of the method's own block."""

    method: str
    set: dict[str, Any] = {}


class Chosen(Params):
    """Numbers that a search chose for a method on a stream: dotted keys of the method's own block.

    Either the search's own, with its identity, or those of another method, as far as this one accepts them.
    """

    study: str | None = Field(None, pattern="^[0-9a-f]{16}$")
    numbers: dict[str, Any] = {}
    of: str | None = None

    @model_validator(mode="after")
    def one_origin(self) -> Self:
        """Refuse numbers of no origin, or of two."""
        own = self.study is not None and bool(self.numbers)
        if own == (self.of is not None) or not own and (self.study is not None or self.numbers):
            raise ValueError("give either study and numbers, or the method whose numbers these are: of")
        return self


class Data(Params):
    """What is prepared: splits for so many seeds, and one block a stream."""

    seeds: int = Field(gt=0, le=10_000)
    streams: dict[str, dict[str, Any]] = {}

    def preparation(self, stream: str) -> Params:
        """Return the checked preparation settings of a stream."""
        return read(STREAMS[stream].Preparation, self.streams.get(stream, {}), f"data.streams.{stream}")


class File(Params):
    """params.yaml as a whole."""

    data: Data
    suites: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")], Suite] = Field(min_length=1)
    training: dict[str, Any] = {}
    network: dict[str, Any] = {}
    streams: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    per_stream: dict[str, dict[str, Any]] = {}
    search: dict[str, Any] = {}
    chosen: dict[str, dict[str, Chosen]] = {}
    variants: dict[Name, Variant] = {}

    def numbers(self, stream: str, method: str) -> Mapping[str, Any]:
        """Return what was chosen for a method on a stream: dotted keys of the method's own block."""
        known = self.chosen.get(stream, {})
        entry = known.get(method)
        if entry is None or entry.of is None:
            return entry.numbers if entry else {}
        accepted = {*METHODS[method].accepts.model_fields, "training"}
        return {key: value for key, value in known[entry.of].numbers.items() if key.split(".")[0] in accepted}


def refuse_repeats(names: Sequence[Any]) -> Any:
    """Return the names. Raises ValueError for one that stands twice."""
    if repeated := [str(name) for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{', '.join(repeated)} stands twice; name each once")
    return names
