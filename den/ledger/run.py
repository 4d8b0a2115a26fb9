"""A run: one execution of a suite. The ledger holds one file of its beginning and one of its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, Field, NonNegativeInt

from den.config import Params
from den.ledger.measurement import HASH, KEY, Machine
from den.paths import NAME

ID = r"^[0-9a-z-]{6,64}$"
Trigger = Literal["hand", "schedule", "ci"]
How = Literal["measured", "reused"]
ALARMS = ("failed", "worse", "unstable")
"Verdicts that make a run end as failed, the gravest first."


class Asked(Params):
    """The request of a run: a suite, the changes to it, and where its cells run.

    streams, methods: empty for the suite's own. seeds: None for the suite's own. overrides: texts `key.path=value`.
    on: here, or the pool or cluster that runs the cells. again: measure every cell, and reuse none.
    """

    suite: str = Field(pattern=NAME)
    streams: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[NonNegativeInt, ...] | None = None
    overrides: tuple[str, ...] = ()
    on: str = "here"
    again: bool = False


class Order(Params):
    """How to execute a cell.

    run: the run it belongs to; None for a cell alone. again: measure it even if a current measurement exists.
    write: add the measurement to the ledger on this machine. fingerprint, torch: the versions that the orderer expects
    here. slots, flow_run, data_version: values for the measurement's origin.
    """

    run: str | None = Field(default=None, pattern=ID)
    again: bool = False
    write: bool = True
    fingerprint: str | None = None
    torch: str | None = None
    slots: int | None = None
    flow_run: str | None = None
    data_version: str | None = None


class Planned(Params):
    """A cell of a run: its key, and the name of its settings in the suite."""

    key: str = Field(pattern=KEY)
    stream: str = Field(pattern=NAME)
    name: str = Field(pattern=NAME)
    seed: NonNegativeInt
    fingerprint: str = Field(pattern=HASH)

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.name} · seed {self.seed}"


class Begun(Params):
    """The beginning of a run: the request, when, by whom and where it was made, and the cells.

    process: host, number and creation time of the process that runs it. torch, commit, dirty: of that process.
    load: of the machine before the first cell. slots: the number of cells in parallel; None if other machines run them.
    deployment: the Prefect deployment that started the run, if any.
    """

    version: Literal[1] = 1
    id: str = Field(pattern=ID)
    asked: Asked
    cells: tuple[Planned, ...]
    started: AwareDatetime
    trigger: Trigger
    process: str
    machine: Machine
    load: float | None
    slots: int | None
    torch: str
    commit: str | None
    dirty: bool | None
    deployment: str | None = None


class Answer(Params):
    """The measurement that answers a cell of the run, and whether the run measured it."""

    title: str
    measurement: str = Field(pattern=KEY)
    how: How


class Ended(Params):
    """The end of a run: its answers, the reasons of failed cells by title, the verdict in a word, and remarks."""

    version: Literal[1] = 1
    id: str = Field(pattern=ID)
    ended: AwareDatetime
    answers: tuple[Answer, ...]
    failures: dict[str, str] = {}
    verdict: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One execution of a suite. `ended` is None while it runs, and stays None if it is killed."""

    begun: Begun
    ended: Ended | None = None

    @property
    def id(self) -> str:
        return self.begun.id

    @property
    def suite(self) -> str:
        return self.begun.asked.suite

    @property
    def whole(self) -> bool:
        """Whether every cell of the run has an answer."""
        return self.ended is not None and {cell.title for cell in self.begun.cells} == self.answers.keys()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """The answers, by the title of their cells."""
        return {answer.title: answer for answer in self.ended.answers} if self.ended else {}

    @property
    def measured(self) -> tuple[str, ...]:
        """The ids of the measurements that the run made itself."""
        return tuple(answer.measurement for answer in self.answers.values() if answer.how == "measured")
