"""`den status`: which cells are finished, running, resumable from a checkpoint, or waiting."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from safetensors import SafetensorError, safe_open

from den import suites
from den.cells import Cell, current, key_of, present_of
from den.config import SettingsError
from den.execution import LOCKS, SINGLE
from den.ledger import Ledger, Places, Run
from den.streams.prepared import DataError
from flows.commands.terminal_tables import Grid, grid, say
from flows.places import here
from flows.runtime import processes, run_records

FINISHED, RUNNING, RESUMABLE, WAITING = STATES = ("finished", "running", "resumable", "waiting")
BEGUN = ("cell", "key", "state", "last finished stage", "since")
OTHER_SETTINGS = "other settings"  # cells whose key no suite has: of --set, of searches, of runs of earlier code


@dataclass(frozen=True)
class CellStatus:
    """The state of a cell. key: empty if its stream is not prepared. cell: None if no suite has the key.

    folder: the folder of its checkpoints, None if it has none.
    """

    cell: Cell | None
    key: str
    state: str
    folder: Path | None = None

    @property
    def is_begun(self) -> bool:
        """Whether the cell has begun and not finished."""
        return self.state in (RUNNING, RESUMABLE)


@dataclass(frozen=True)
class Progress:
    """The progress of a cell: its last finished stage, when the cell began, and when that stage ended."""

    stage: str
    began: datetime
    ended: datetime


def print_status(suite: str | None, places: Places | None = None) -> None:
    """Print how many cells of each suite are in each state, and the runs that have not ended.

    suite: print this suite alone, with a row for each running or resumable cell.
    """
    plan, places = suites.load(), places or here()
    if suite:
        plan.suite(suite)
    ledger = Ledger.of(places)
    runs = ledger.runs()
    checkpoints = checkpointed(runs, places)
    every = {name: statuses(plan.cells(name), ledger, places, checkpoints) for name in plan.suites}
    groups = {suite: every[suite]} if suite else dict(every)
    keys = {status.key for group in every.values() for status in group}
    if strangers := list(of_no_suite(keys, places, checkpoints)):
        groups[OTHER_SETTINGS] = strangers
    console = Console()
    console.print(_counts(groups))
    listed = [status for group in groups.values() for status in group]
    if unprepared := {status.cell.stream for status in listed if status.cell and not status.key}:
        say(console, f"data not prepared: {', '.join(sorted(unprepared))}; `den prepare` prepares it")
    for run in runs:
        if run.ended is None:
            say(console, _run_line(run, places))
    begun = [status for status in listed if status.is_begun]
    if suite and begun:
        console.print(_begun(begun, places))


def checkpointed(runs: Iterable[Run], places: Places) -> dict[str, Path]:
    """Return the folders of checkpoints from which a run could continue, by the key of their cell."""
    unfinished = [run.id for run in runs if run_records.is_open(run)]
    folders = (folder for id in [SINGLE, *unfinished] for folder in sorted((places.work / id).glob("*")))
    return {folder.name: folder for folder in folders if any(folder.glob("*.safetensors"))}


def statuses(
    cells: Sequence[Cell], ledger: Ledger, places: Places, checkpoints: Mapping[str, Path]
) -> list[CellStatus]:
    """Return the state of each cell. checkpoints: folders of checkpoints by key."""
    return [_status(cell, ledger, places, checkpoints) for cell in cells]


def of_no_suite(keys: Collection[str], places: Places, checkpoints: Mapping[str, Path]) -> Iterator[CellStatus]:
    """Yield the begun cells whose key is not among `keys`."""
    running = {path.stem for path in (places.work / LOCKS).glob("*.lock") if processes.is_held(path)}
    for key in sorted((running | checkpoints.keys()) - set(keys)):
        yield CellStatus(None, key, RUNNING if key in running else RESUMABLE, checkpoints.get(key))


def progress_of(folder: Path) -> Progress | None:
    """Return the progress that the newest readable checkpoint records; None if there is none. Reads no tensors."""
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        with suppress(SafetensorError, OSError, TypeError, LookupError, ValueError):  # damaged, or deleted meanwhile
            with safe_open(path, framework="pt") as file:
                values = json.loads(file.metadata()["values"])
            task, stage = values["done"][-1]
            began, ended = datetime.fromisoformat(values["started"]), datetime.fromtimestamp(path.stat().st_mtime)
            return Progress(f"task {task + 1} of {len(values['scores']['auroc'])} · {stage}", began.astimezone(), ended)
    return None


def _status(cell: Cell, ledger: Ledger, places: Places, checkpoints: Mapping[str, Path]) -> CellStatus:
    try:
        key = key_of(cell, places)
        present = present_of(cell)
    except (DataError, SettingsError):
        return CellStatus(cell, "", WAITING)
    folder = checkpoints.get(key)
    if processes.is_held(places.work / LOCKS / f"{key}.lock"):
        return CellStatus(cell, key, RUNNING, folder)
    if current(cell, ledger, places, present) is not None:
        return CellStatus(cell, key, FINISHED)
    return CellStatus(cell, key, RESUMABLE if folder else WAITING, folder)


def _run_line(run: Run, places: Places) -> str:
    """Return a line on an unended run: its suite, when it began, and whether its process is alive."""
    return f"run {run.id}: {run.suite}, begun {run.begun.started:%Y-%m-%d %H:%M}, {_run_state(run, places)}"


def _run_state(run: Run, places: Places) -> str:
    if run_records.is_held(places, run.id):
        return "running"
    if not run_records.is_of_this_checkout(run, places):
        return (
            f"begun on {run.begun.process.split('/')[0]} in another checkout; `den status` there shows whether it runs"
        )
    if run.begun.deployment:
        return f"interrupted; `prefect flow-run retry {run.id}` continues it"
    return "interrupted; the same command continues it"


def _counts(groups: Mapping[str, Sequence[CellStatus]]) -> Grid:
    """Return a table of the number of cells in each state, a row per suite."""
    counts = {name: Counter(status.state for status in group) for name, group in groups.items()}
    rows = ((name, *(str(counts[name][state]) for state in STATES)) for name in groups)
    return grid(("suite", *STATES), rows, numbers=STATES)


def _begun(cells: Sequence[CellStatus], places: Places) -> Grid:
    """Return a table of begun cells: the last finished stage, and since when each runs or rests."""
    return grid(BEGUN, (_row(status, places) for status in cells))


def _row(status: CellStatus, places: Places) -> tuple[str, ...]:
    lock = places.work / LOCKS / f"{status.key}.lock"
    progress = progress_of(status.folder) if status.folder else None
    if progress is None:  # no stage is finished yet, so the cell began when its lock was made
        stage, since = "", datetime.fromtimestamp(lock.stat().st_mtime)
    else:
        stage, since = progress.stage, progress.began if status.state == RUNNING else progress.ended
    title = status.cell.title if status.cell else OTHER_SETTINGS
    return title, status.key[:6], status.state, stage, f"{since:%Y-%m-%d %H:%M}"
