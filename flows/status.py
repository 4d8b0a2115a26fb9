"""`den status`: which cells are finished, which are running, which would go on, and which have not begun."""

import fcntl
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

from den import suites
from den.ledger import Places
from den.runs import Cell, identity
from den.streams.prepared import DataError

FINISHED, RUNNING, RESUMABLE, WAITING = STATES = ("finished", "running", "resumable", "waiting")
OTHERS = "other settings"  # cells of --set, of searches and of earlier code: no suite has their identity


@dataclass(frozen=True)
class Standing:
    """Where a cell stands: with no identity where its stream is not prepared, with no cell where no suite has it."""

    cell: Cell | None
    identity: str
    state: str


@dataclass(frozen=True)
class Reached:
    """What a cell's newest checkpoint tells: the last finished stage, when the cell began and when this was."""

    stage: str
    began: datetime
    left: datetime


def show(suite: str | None, places: Places | None = None) -> None:
    """Print how many cells of each suite stand where; of one suite, also where each begun one stands."""
    plan, places = suites.load(), places or Places()
    found = {name: standings(plan.cells(name), places) for name in plan.suites}
    if suite:
        plan.suite(suite)
    shown = {suite: found[suite]} if suite else found
    known = {one.identity for group in found.values() for one in group}
    if others := list(strangers(known, places)):
        shown |= {OTHERS: others}
    console = Console()
    console.print(_counts(shown))
    if bare := {one.cell.stream for group in shown.values() for one in group if one.cell and not one.identity}:
        console.print(f"data not prepared: {', '.join(sorted(bare))}; `den prepare` makes it", soft_wrap=True)
    begun = [one for group in shown.values() for one in group if one.state in (RUNNING, RESUMABLE)]
    if suite and begun:
        console.print(_begun(begun, places))


def standings(cells: Sequence[Cell], places: Places) -> list[Standing]:
    """Return where each of these cells stands."""
    return [_standing(cell, places) for cell in cells]


def strangers(known: set[str], places: Places) -> Iterator[Standing]:
    """Yield the cells that have begun and not ended, and whose identity is none of the known ones."""
    folders = {path.parent for path in places.work.glob("*/*.safetensors")}
    folders |= {path.parent for path in places.work.glob("*/lock")}
    ended = {path.stem for root in (places.results, places.work) for path in root.rglob("*.json")}
    for folder in sorted(folders):
        if folder.name not in known | ended and (state := _state(folder)) != WAITING:
            yield Standing(None, folder.name, state)


def is_held(lock: Path) -> bool:
    """Tell whether a living process holds a cell's lock.

    The kernel cannot be asked without a lock of one's own: /proc/locks lists none of other containers, and not every
    file system under the names it has here. This one is shared and let go at once. A cell that begins within these
    microseconds is refused as busy, and the same command begins it again.
    """
    with suppress(FileNotFoundError), lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def reached(folder: Path) -> Reached | None:
    """Return what the newest readable checkpoint tells, its tensors unread; None where there is none."""
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        with suppress(SafetensorError, OSError, TypeError, KeyError, ValueError):  # damaged, or gone by now
            with safe_open(path, framework="pt") as file:
                values = json.loads(file.metadata()["values"])
            task, stage = values["done"][-1]
            began, left = datetime.fromisoformat(values["started"]), datetime.fromtimestamp(path.stat().st_mtime)
            return Reached(f"task {task + 1} of {len(values['scores']['auroc'])} · {stage}", began.astimezone(), left)
    return None


def _standing(cell: Cell, places: Places) -> Standing:
    try:
        own = identity(cell, places)
    except DataError:
        return Standing(cell, "", WAITING)
    record = places.results / cell.stream / cell.method / f"{own}.json"
    return Standing(cell, own, FINISHED if record.exists() else _state(places.work / own))


def _state(folder: Path) -> str:
    if is_held(folder / "lock"):
        return RUNNING
    return RESUMABLE if any(folder.glob("*.safetensors")) else WAITING


def _counts(groups: dict[str, list[Standing]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("suite", no_wrap=True)
    for state in STATES:
        table.add_column(state, justify="right")
    for name, group in groups.items():
        counts = Counter(one.state for one in group)
        table.add_row(name, *(str(counts[state]) for state in STATES))
    return table


def _begun(standings: Sequence[Standing], places: Places) -> Table:
    """Return a row for each cell: the last stage that it has finished, and since when it runs, or rests."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("cell", "identity", "state", "last finished stage", "since"):
        table.add_column(column, overflow="fold")
    for one in standings:
        table.add_row(*_row(one, places.work / one.identity))
    return table


def _row(standing: Standing, folder: Path) -> tuple[str, ...]:
    found = reached(folder)
    if found is None:  # its first stage is not finished, and its folder as old as the cell
        stage, since = "", datetime.fromtimestamp(folder.stat().st_mtime)
    else:
        stage, since = found.stage, found.began if standing.state == RUNNING else found.left
    title = standing.cell.title if standing.cell else OTHERS
    return title, standing.identity[:6], standing.state, stage, f"{since:%Y-%m-%d %H:%M}"
