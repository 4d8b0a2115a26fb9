"""The search block of params.yaml: how many trials, over which numbers, and the cells they are tried in.

A trial is scored on the validation data of split 0. There is no way to ask for another split, or for test data.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from den.cells import Cell, refuse, settings_of
from den.config import Params, SettingsError, read
from den.ledger import Places
from den.methods import METHODS
from den.params_file import Suite
from den.streams import STREAMS, prepared
from den.suites import Plan, refuse_unknown

SPLIT = 0


class Busy(RuntimeError):
    """Another process runs the study."""


Numbers = Mapping[str, float]


class Range(Params):
    """Where a number is looked for; `log` asks evenly for its orders of magnitude."""

    low: float
    high: float
    log: bool = True
    integer: bool = False

    @model_validator(mode="after")
    def some_width(self) -> Self:
        """Refuse an empty range, orders of magnitude of what is not positive, and fractions as ends of integers."""
        if self.low >= self.high:
            raise ValueError(f"low, {self.low}, must be below high, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a logarithmic scale begins above zero, not at {self.low}; or set log: false")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"a range of integers ends in integers, not in {self.low} and {self.high}")
        return self

    def clip(self, value: float) -> float:
        """Return the nearest value inside."""
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.integer else inside


Space = Mapping[str, Range]


class Search(Params):
    """The budget of every method on a stream, the same for all, and its space: keys inside the method's block."""

    trials: PositiveInt
    seed: NonNegativeInt = 0
    capacity: dict[str, PositiveFloat] = {}
    "How large a method's network may be in the end, relative to the base network; those not named are free."
    set: dict[str, Any] = {}
    "Settings in which all trials differ from the rest of the file, as in a suite."
    spaces: dict[str, dict[str, Range]]


@dataclass(frozen=True)
class Subject:
    """What one study is about: a stream, a method, and where its numbers are looked for."""

    plan: Plan
    search: Search
    stream: str
    method: str

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.method}"

    @property
    def space(self) -> Space:
        return self.search.spaces[self.method]

    @property
    def limit(self) -> float:
        """How large the network may be in the end."""
        return self.search.capacity.get(self.method, inf)

    def cell(self, numbers: Numbers) -> Cell:
        """Return the cell that tries `numbers`, which are keyed as in the method's block."""
        tried = {f"methods.{self.method}.{key}": value for key, value in numbers.items()}
        grid = Suite(streams=(self.stream,), methods=(self.method,), seeds=(SPLIT,), set=self.search.set)
        plan = replace(self.plan, overrides={**self.plan.overrides, **tried})
        return plan.cell(grid, self.stream, self.method, SPLIT).model_copy(update={"evaluation": "validation"})

    def present(self) -> dict[str, float]:
        """Return the numbers of the method's block, moved into the space: where every search begins."""
        cell = self.cell({}).model_dump(mode="json")
        block = {**cell["method_params"], "training": cell["training"]}
        found = {key: _value(block, key) for key in self.space}
        return {key: self.space[key].clip(value) for key, value in found.items() if value is not None}

    def identity(self, places: Places) -> str:
        """Return the identity of the study: of its space, seed, capacity limit, data, and all that it holds fixed."""
        low = {key: one.clip(one.low) for key, one in self.space.items()}
        held = settings_of(self.cell(low))
        if not held["network"]["convolutions"]:
            del held["network"]["convolutions"]  # as in the studies of networks that have none
        about = [
            {key: one.model_dump() for key, one in self.space.items()},
            self.search.seed,
            self.search.capacity.get(self.method),
            held,
            prepared.hash_of(places.data / self.stream),
        ]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def subjects(plan: Plan, stream: str, methods: Sequence[str] = (), trials: int | None = None) -> tuple[Subject, ...]:
    """Return what to search on a stream: the methods named, or all that have a space, `trials` each.

    What earlier searches chose is left out: a search starts from the methods' own blocks. Raises SettingsError.
    """
    refuse_unknown(stream, STREAMS, "stream")
    search = _search(plan, stream)
    for method in methods:
        refuse_unknown(method, METHODS, "method")
        if not search.spaces.get(method):
            raise SettingsError(f"search.{stream}.spaces: {method} is missing; say there which numbers to look for")
    own = replace(plan, file=plan.file.model_copy(update={"chosen": {}}))
    budget = search.model_copy(update={"trials": trials or search.trials})
    found = tuple(Subject(own, budget, stream, method) for method in methods or search.spaces)
    for subject in found:
        _refuse_unacceptable(subject)
    return found


def _search(plan: Plan, stream: str) -> Search:
    """Return the stream's search block of params.yaml, checked."""
    if stream not in plan.file.search:
        raise SettingsError(f"search.{stream}: params.yaml has no such block; say there how many trials, of what")
    search = read(Search, plan.file.search[stream], f"search.{stream}")
    for block in ("capacity", "spaces"):
        for method in getattr(search, block):
            refuse_unknown(method, METHODS, f"search.{stream}.{block}.{method}")
    return search


def _refuse_unacceptable(subject: Subject) -> None:
    """Raise SettingsError for validation data that is not there, an unknown key, or a number that is refused."""
    refuse(subject.cell({}))
    for key, one in subject.space.items():
        try:
            for end in (one.low, one.high):
                METHODS[subject.method].refuse(subject.cell({key: one.clip(end)}).network)
        except SettingsError as error:
            raise SettingsError(f"search.{subject.stream}.spaces.{subject.method}.{key}: {error}") from None


def _value(block: Any, key: str) -> Any:
    for part in key.split("."):
        block = block.get(part)
    return block
