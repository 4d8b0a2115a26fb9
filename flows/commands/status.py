"""`den status`: which cells are finished, which are running, which would go on, and which have not begun."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

from den import suites
from den.cells import Cell, current, key_of, present_of
from den.config import SettingsError
from den.execution import LOCKS, SINGLE
from den.ledger import Ledger, Places, Run
from den.streams.prepared import DataError
from flows.places import here
from flows.runtime import processes, run_records

FINISHED, RUNNING, RESUMABLE, WAITING = STATES = ("finished", "running", "resumable", "waiting")
OTHERS = "other settings"  # cells of --set, of searches and of runs of earlier code: no suite has their key


@dataclass(frozen=True)
class Standing:
    """Where a cell stands: without a key if its stream is not prepared, without a cell if no suite has it.

    folder: of its checkpoints, if there are any.
    """

    cell: Cell | None
    key: str
    state: str
    folder: Path | None = None


@dataclass(frozen=True)
class Reached:
    """What a cell's newest checkpoint shows: the last finished stage, when the cell began and when this was."""

    stage: str
    began: datetime
    left: datetime


def show(suite: str | None, places: Places | None = None) -> None:
    """Print how many cells of each suite stand where, and the runs that have not ended; of one suite each cell."""
    plan, places = suites.load(), places or here()
    if suite:
        plan.suite(suite)
    ledger = Ledger.of(places)
    runs = ledger.runs()
    begun = checkpointed(runs, places)
    groups = {name: standings(plan.cells(name), ledger, places, begun) for name in plan.suites}
    shown = {suite: groups[suite]} if suite else groups
    keys = {standing.key for group in groups.values() for standing in group}
    if others := list(strangers(keys, places, begun)):
        shown |= {OTHERS: others}
    console = Console()
    console.print(_counts(shown))
    if bare := {one.cell.stream for group in shown.values() for one in group if one.cell and not one.key}:
        console.print(f"data not prepared: {', '.join(sorted(bare))}; `den prepare` makes it", soft_wrap=True)
    for run in runs:
        if run.ended is None:
            console.print(_run_line(run, places), soft_wrap=True, highlight=False)
    started = [one for group in shown.values() for one in group if one.state in (RUNNING, RESUMABLE)]
    if suite and started:
        console.print(_begun(started, places))


def checkpointed(runs: Iterable[Run], places: Places) -> dict[str, Path]:
    """Return the folders of checkpoints that runs would go on from, by the key of their cell."""
    unfinished = [run.id for run in runs if run_records.is_open(run)]
    folders = (folder for id in [SINGLE, *unfinished] for folder in sorted((places.work / id).glob("*")))
    return {folder.name: folder for folder in folders if any(folder.glob("*.safetensors"))}


def standings(cells: Sequence[Cell], ledger: Ledger, places: Places, begun: Mapping[str, Path]) -> list[Standing]:
    """Return where each of these cells stands. begun: folders of checkpoints by key."""
    return [_standing(cell, ledger, places, begun) for cell in cells]


def strangers(keys: Collection[str], places: Places, begun: Mapping[str, Path]) -> Iterator[Standing]:
    """Yield the cells that have begun and not ended, and whose key is none of `keys`."""
    held = {path.stem for path in (places.work / LOCKS).glob("*.lock") if processes.is_held(path)}
    for key in sorted((held | begun.keys()) - set(keys)):
        yield Standing(None, key, RUNNING if key in held else RESUMABLE, begun.get(key))


def reached(folder: Path) -> Reached | None:
    """Return what the newest readable checkpoint tells, its tensors unread; None where there is none."""
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        with suppress(SafetensorError, OSError, TypeError, LookupError, ValueError):  # damaged, or gone by now
            with safe_open(path, framework="pt") as file:
                values = json.loads(file.metadata()["values"])
            task, stage = values["done"][-1]
            began, left = datetime.fromisoformat(values["started"]), datetime.fromtimestamp(path.stat().st_mtime)
            return Reached(f"task {task + 1} of {len(values['scores']['auroc'])} · {stage}", began.astimezone(), left)
    return None


def _standing(cell: Cell, ledger: Ledger, places: Places, begun: Mapping[str, Path]) -> Standing:
    try:
        key = key_of(cell, places)
        present = present_of(cell)
    except (DataError, SettingsError):
        return Standing(cell, "", WAITING)
    folder = begun.get(key)
    if processes.is_held(places.work / LOCKS / f"{key}.lock"):
        return Standing(cell, key, RUNNING, folder)
    if current(cell, ledger, places, present) is not None:
        return Standing(cell, key, FINISHED)
    return Standing(cell, key, RESUMABLE if folder else WAITING, folder)


def _run_line(run: Run, places: Places) -> str:
    """Return what an unended run is: of which suite, since when, and whether its process lives."""
    return f"run {run.id}: {run.suite}, begun {run.begun.started:%Y-%m-%d %H:%M}, {_run_state(run, places)}"


def _run_state(run: Run, places: Places) -> str:
    if run_records.is_held(places, run.id):
        return "running"
    if not run_records.is_of_this_checkout(run, places):
        return f"begun by {run.begun.process.split('/')[0]} in another checkout, which knows whether it runs"
    if run.begun.deployment:
        return f"interrupted; `prefect flow-run retry {run.id}` continues it"
    return "interrupted; the same command continues it"


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
    """Return a row per cell: the last stage that it has finished, and since when it runs or rests."""
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("cell", "key", "state", "last finished stage", "since"):
        table.add_column(column, overflow="fold")
    for standing in standings:
        table.add_row(*_row(standing, places))
    return table


def _row(standing: Standing, places: Places) -> tuple[str, ...]:
    lock = places.work / LOCKS / f"{standing.key}.lock"
    progress = reached(standing.folder) if standing.folder else None
    if progress is None:  # its first stage is not finished, and its lock as old as the cell
        stage, since = "", datetime.fromtimestamp(lock.stat().st_mtime)
    else:
        stage, since = progress.stage, progress.began if standing.state == RUNNING else progress.left
    title = standing.cell.title if standing.cell else OTHERS
    return title, standing.key[:6], standing.state, stage, f"{since:%Y-%m-%d %H:%M}"
