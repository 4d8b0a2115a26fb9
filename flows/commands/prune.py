"""`den prune`: remove old checkpoints, logs, reports, MLflow runs and Prefect runs, but nothing from the ledger."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from den.config import SettingsError
from den.execution import LOCKS, lock_of
from den.ledger import Ledger, Places
from flows.commands import old_runs
from flows.commands.old_runs import counted, size_of, sized
from flows.places import REPORTS, of_project
from flows.runtime import processes
from flows.runtime.run_records import LOCK

LOGS, STUDIES = "logs", "studies"  # folders beside those of runs
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
NOTHING = "nothing is old enough to remove"


def print_removed(keep: str | None, keep_runs: int | None, dry_run: bool) -> None:
    """Remove old files and runs, and print what was removed. keep: an age such as 90d. The rest is as in remove_old."""
    age = duration(keep) if keep else None
    print("\n".join(remove_old(age, keep_runs, dry_run, of_project())))


def remove_old(keep: timedelta | None, keep_runs: int | None, dry_run: bool, places: Places) -> list[str]:
    """Remove everything that neither rule keeps; return a line per kind of thing, with count and size.

    keep: keep everything younger than this. keep_runs: keep everything as young as this many of the newest runs.
    dry_run: remove nothing. The files of a living run or cell stay. Raises SettingsError if both rules are None.
    """
    limit = oldest_kept(keep, keep_runs, places)
    if limit is None:
        return [NOTHING]
    files = (_checkpoints(places, limit, dry_run), _logs(places, limit, dry_run), _reports(limit, dry_run))
    lines = (*files, old_runs.of_mlflow(limit, dry_run), old_runs.of_prefect(limit, dry_run))
    return [line for line in lines if line] or [NOTHING]


def oldest_kept(keep: timedelta | None, keep_runs: int | None, places: Places) -> datetime | None:
    """Return the time before which everything is removed, None to remove nothing.

    Raises SettingsError without a rule.
    """
    if keep is None and keep_runs is None:
        raise SettingsError("choose what to keep: --keep 90d, --keep-runs 200, or both (either of them keeps a run)")
    limits = [datetime.now(UTC) - keep] if keep is not None else []
    if keep_runs is not None:
        runs = Ledger.of(places).runs()
        if len(runs) <= keep_runs:
            return None
        limits.append(runs[-keep_runs].begun.started if keep_runs else datetime.now(UTC))
    return min(limits)


def duration(text: str) -> timedelta:
    """Return the duration that a text such as 90d, 12w or 36h denotes. Raises SettingsError for any other text."""
    match = re.fullmatch(r"(\d+)([hdw])", text)
    if match is None:
        raise SettingsError(f"{text!r} is not a duration; write hours, days or weeks, such as 36h, 90d or 12w")
    return int(match[1]) * UNITS[match[2]]


def _checkpoints(places: Places, limit: datetime, dry_run: bool) -> str:
    """Remove the checkpoints of cells that were last written before `limit`, unless the run or the cell is running."""
    runs, size = 0, 0
    for folder in _folders(places.work):
        if folder.name in (LOCKS, LOGS, STUDIES):
            continue
        old = _last_change(folder) < limit  # before the lock is taken, which touches the folder
        with _locked(folder / LOCK, existing=True) as locked:
            removed = [_cell(cell, places, limit, dry_run) for cell in _folders(folder)] if locked else []
            if locked and not dry_run and not _folders(folder) and (old or any(removed)):
                shutil.rmtree(folder)
        runs, size = runs + any(removed), size + sum(removed)
    return f"checkpoints: {counted(runs, 'run')}, {sized(size)}" if runs else ""


def _cell(folder: Path, places: Places, limit: datetime, dry_run: bool) -> int:
    """Remove a cell's checkpoints if they are old and no process is measuring it; return their size in bytes."""
    if _last_change(folder) >= limit:
        return 0
    with _locked(lock_of(places, folder.name), existing=dry_run) as locked:
        size = size_of(folder) if locked else 0
        if locked and not dry_run:
            shutil.rmtree(folder)
    return size


def _logs(places: Places, limit: datetime, dry_run: bool) -> str:
    old = [path for path in (places.work / LOGS).glob("*.log") if _modified(path) < limit]
    size = sum(path.stat().st_size for path in old)
    for path in old if not dry_run else ():
        path.unlink(missing_ok=True)
    return f"logs: {counted(len(old), 'file')}, {sized(size)}" if old else ""


def _reports(limit: datetime, dry_run: bool) -> str:
    old = [folder for folder in _folders(REPORTS) if _last_change(folder) < limit]
    size = sum(map(size_of, old))
    for folder in old if not dry_run else ():
        shutil.rmtree(folder)
    return f"reports: {', '.join(folder.name for folder in old)}; {sized(size)}" if old else ""


@contextmanager
def _locked(path: Path, existing: bool = False) -> Iterator[bool]:
    """Hold a lock; yield whether this process has it. existing: do not create its file; without one, yield True."""
    if existing and not path.exists():
        yield True
        return
    lock = processes.try_lock(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _last_change(folder: Path) -> datetime:
    """Return when a folder or anything in it was last written."""
    return max(map(_modified, (folder, *folder.rglob("*"))))


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
