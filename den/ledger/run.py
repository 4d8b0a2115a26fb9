"""A run: one execution of a suite. One file is written when it begins, another when it ends."""

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
"Verdicts on which a run ends as failed, the gravest first."


class Asked(Params):
    """What was asked for: a suite, what differs from it, and where its cells run. seeds None: the suite's own."""

    suite: str = Field(pattern=NAME)
    streams: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: tuple[NonNegativeInt, ...] | None = None
    overrides: tuple[str, ...] = ()
    on: str = "here"
    again: bool = False


class Order(Params):
    """How a cell is to be executed.

    run: the run it belongs to, None for a cell alone. again: measure it even if a current measurement exists.
    write: add the measurement to the ledger here. fingerprint, torch: what the asker has, which must be the same here.
    slots, flow_run, data_version: what the measurement's origin is to say.
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
    """A cell of a run: its key, and the name that its settings go by in the suite."""

    key: str = Field(pattern=KEY)
    stream: str = Field(pattern=NAME)
    name: str = Field(pattern=NAME)
    seed: NonNegativeInt
    fingerprint: str = Field(pattern=HASH)

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.name} · seed {self.seed}"


class Begun(Params):
    """How a run began: what was asked, when, by whom, where, and the cells that this makes.

    process: the host, number and creation time of the process that runs it. torch, commit: of the asker.
    load: of the machine before the first cell began. slots: cells beside each other, None if others run them.
    deployment: the Prefect deployment that the run was started by, if any.
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
    """Which measurement answers a cell of the run, and whether the run measured it."""

    title: str
    measurement: str = Field(pattern=KEY)
    how: How


class Ended(Params):
    """How a run ended: its answers, why cells failed, and the verdict: a word, and sentences."""

    version: Literal[1] = 1
    id: str = Field(pattern=ID)
    ended: AwareDatetime
    answers: tuple[Answer, ...]
    failures: dict[str, str] = {}
    verdict: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One execution of a suite; `ended` is None while it runs, and for good if it was killed."""

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
        """Whether every cell that was asked for is answered."""
        return self.ended is not None and {cell.title for cell in self.begun.cells} == self.answers.keys()

    @property
    def answers(self) -> Mapping[str, Answer]:
        """The answers by the title of their cells."""
        return {answer.title: answer for answer in self.ended.answers} if self.ended else {}

    @property
    def measured(self) -> tuple[str, ...]:
        """Ids of what the run measured itself."""
        return tuple(answer.measurement for answer in self.answers.values() if answer.how == "measured")
