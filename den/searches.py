"""The search block of params.yaml: the number of trials, the ranges of the numbers, and the cells of the trials.

A trial is scored on the validation data of seed 0. A search can use neither another seed nor test data.
"""

import hashlib
import json
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Self

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from den.cells import Cell, refuse, settings_of
from den.config import Params, SettingsError, read, refuse_unknown
from den.ledger import Places
from den.methods import METHODS
from den.params_file import Suite
from den.streams import prepared
from den.suites import Plan

SEED = 0


class Busy(RuntimeError):
    """Another process runs the study."""


Numbers = Mapping[str, float]


class Range(Params):
    """The range in which a number is searched."""

    low: float
    "The least value."
    high: float
    "The greatest value."
    log: bool = True
    "Draw evenly on a logarithmic scale."
    integer: bool = False
    "Draw integers."

    @model_validator(mode="after")
    def some_width(self) -> Self:
        """Refuse an empty range, a logarithmic one that reaches zero, and fractions as ends of an integer range."""
        if self.low >= self.high:
            raise ValueError(f"low, {self.low}, must be below high, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range on a logarithmic scale begins above zero, not at {self.low}; or set log: false")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"a range of integers ends in integers, not in {self.low} and {self.high}")
        return self

    def clip(self, value: float) -> float:
        """Return the nearest value inside the range."""
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.integer else inside


Space = Mapping[str, Range]


class Rung(Params):
    """A second look at the best trials of a search, with settings that cost more."""

    best: PositiveInt
    "Number of trials to run again."
    methods: tuple[str, ...] = ()
    "The methods that climb this rung; empty: all."
    capacity: dict[str, PositiveFloat] = {}
    "Per method, the limit of this rung and of those above, if its cells have more tasks; others keep theirs."
    set: dict[str, Any]
    "Settings of its trials, in addition to those of the search and of the rungs below."


class Search(Params):
    """The searches on a stream: the budget of trials per method, the same for all, and the space of each method."""

    trials: PositiveInt
    "Trials per method."
    seed: NonNegativeInt = 0
    "Seed of the sampler that proposes numbers; the data are always those of seed 0."
    halve_after: PositiveInt | None = None
    "Stop the worse half of the trials after this many tasks, of the rest after twice as many, and so on; null: never."
    rungs: tuple[Rung, ...] = ()
    "Each runs the best trials of the one before again; the last one chooses."
    capacity: dict[str, PositiveFloat] = {}
    "Per method, the largest final capacity of its network; methods not named have no limit."
    set: dict[str, Any] = {}
    "Settings that all trials change, as in a suite."
    spaces: dict[str, dict[str, Range]]
    "Per method, the range of each number by dotted key inside the method's block."


@dataclass(frozen=True)
class Subject:
    """The subject of one study: a stream, a method, the space of its numbers, and the rungs to climb."""

    plan: Plan
    search: Search
    stream: str
    method: str
    climbed: tuple[Rung, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.method_and_rung}"

    @property
    def method_and_rung(self) -> str:
        """The method and, above the first, its rung; for messages."""
        return f"{self.method} · rung {len(self.climbed) + 1}" if self.climbed else self.method

    @property
    def below(self) -> "Subject | None":
        """The subject whose best trials this one runs again; None if this one draws its own."""
        return replace(self, climbed=self.climbed[:-1]) if self.climbed else None

    @property
    def budget(self) -> int:
        """The number of trials; a rung has fewer if the one below has fewer finished ones within the limit."""
        return min(self.climbed[-1].best, self.below.budget) if self.below else self.search.trials

    @property
    def space(self) -> Space:
        return self.search.spaces[self.method]

    @property
    def limit(self) -> float:
        """The largest final capacity of the network: that of the search, or of the highest rung with a limit."""
        limits = ChainMap(*(rung.capacity for rung in reversed(self.climbed)), self.search.capacity)
        return limits.get(self.method, inf)

    def cell(self, numbers: Numbers) -> Cell:
        """Return the cell of a trial. numbers: by dotted key inside the method's block. Raises SettingsError."""
        tried = {f"methods.{self.method}.{key}": value for key, value in numbers.items()}
        settings = dict(ChainMap(*(rung.set for rung in reversed(self.climbed)), self.search.set))
        grid = Suite(streams=(self.stream,), methods=(self.method,), seeds=(SEED,), set=settings)
        plan = replace(self.plan, overrides={**self.plan.overrides, **tried})
        return plan.cell(grid, self.stream, self.method, SEED).model_copy(update={"evaluation": "validation"})

    def present(self) -> dict[str, float]:
        """Return the present numbers of the method's block, clipped to the space: the first trial of a search."""
        cell = self.cell({}).model_dump(mode="json")
        block = {**cell["method_params"], "training": cell["training"]}
        values = {key: _value(block, key) for key in self.space}
        return {key: self.space[key].clip(value) for key, value in values.items() if value is not None}

    def identity(self, places: Places) -> str:
        """Return the identity of the study: a hash of its space, seed, capacity limit, data and fixed settings."""
        lowest = {key: bounds.clip(bounds.low) for key, bounds in self.space.items()}
        fixed = settings_of(self.cell(lowest))
        if not fixed["network"]["convolutions"]:
            del fixed["network"]["convolutions"]  # studies are older than convolutions, and keep their identities
        content = [
            {key: bounds.model_dump() for key, bounds in self.space.items()},
            self.search.seed,
            None if self.limit == inf else self.limit,
            fixed,
            prepared.hash_of(places.data / self.stream),
        ]
        if self.below:
            content += [self.below.identity(places), self.below.budget, self.budget]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def subjects(plan: Plan, stream: str, methods: Sequence[str] = (), trials: int | None = None) -> tuple[Subject, ...]:
    """Return the subjects of the studies on a stream: the named methods, or all that have a space, `trials` each.

    They stand on the last rung of each method; `below` leads down to the first.

    A search starts from the methods' own blocks, without the numbers of earlier searches. Raises SettingsError.
    """
    refuse_unknown(stream, plan.streams, "stream")
    search = _search(plan, stream)
    for method in methods:
        refuse_unknown(method, METHODS, "method")
        if not search.spaces.get(method):
            raise SettingsError(f"search.{stream}.spaces: {method} is missing; list there which numbers to search")
    unsearched = replace(plan, file=plan.file.model_copy(update={"chosen": {}}))
    budget = search.model_copy(update={"trials": trials or search.trials})
    chosen = tuple(
        Subject(unsearched, budget, stream, method, _rungs(search, method)) for method in methods or search.spaces
    )
    for subject in chosen:
        _refuse_unacceptable(subject)
    return chosen


def _rungs(search: Search, method: str) -> tuple[Rung, ...]:
    return tuple(rung for rung in search.rungs if not rung.methods or method in rung.methods)


def _search(plan: Plan, stream: str) -> Search:
    """Return the validated search block of the stream; own data share one."""
    shared = plan.file.own_data.search if stream in plan.data.own else {}
    if not (block := plan.file.search.get(stream) or shared):
        raise SettingsError(f"search.{stream}: params.yaml has no such block; set trials and spaces there")
    search = read(Search, block, f"search.{stream}")
    for key in ("capacity", "spaces"):
        for method in getattr(search, key):
            refuse_unknown(method, METHODS, f"search.{stream}.{key}.{method}")
    limits = {**search.capacity}
    for number, rung in enumerate(search.rungs):
        place = f"search.{stream}.rungs.{number}"
        for method in rung.methods:
            refuse_unknown(method, METHODS, f"{place}.methods")
        for method, limit in rung.capacity.items():
            refuse_unknown(method, rung.methods or METHODS, f"{place}.capacity")
            if method not in limits:
                raise SettingsError(
                    f"{place}.capacity.{method}: there is no limit before this rung; the best trials before could be "
                    "too large here: set a limit there, too"
                )
            if limit < limits[method]:
                raise SettingsError(
                    f"{place}.capacity.{method}: {limit:g} is less than the limit before, {limits[method]:g}; the best "
                    "trials before could be too large here: lower that limit, too"
                )
        limits |= rung.capacity
    return search


def _refuse_unacceptable(subject: Subject) -> None:
    """Raise SettingsError for missing validation data, an unknown key, or a range whose ends are refused.

    A rung replaces settings of those below it, so each is checked.
    """
    if subject.below:
        _refuse_unacceptable(subject.below)
    refuse(subject.cell({}))
    for key, bounds in subject.space.items():
        try:
            for end in (bounds.low, bounds.high):
                METHODS[subject.method].refuse(subject.cell({key: bounds.clip(end)}).network)
        except SettingsError as error:
            raise SettingsError(f"search.{subject.stream}.spaces.{subject.method}.{key}: {error}") from None


def _value(block: Any, key: str) -> Any:
    for part in key.split("."):
        block = block.get(part)
    return block
