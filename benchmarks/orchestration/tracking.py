"""What mirroring in MLflow costs after years of nightly runs: python -m benchmarks.orchestration.tracking

Makes a ledger of 3,000 nightly runs and mirrors two of them; the others are copies of the second in MLflow's database.
Then measures, in a fresh process each, what people wait for: a nightly run with new networks, another with the same
bits, and a sync with nothing to add. Exits with 1 if a bar is missed.
"""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple
from uuid import uuid4

import click

from benchmarks.orchestration import nights
from den import execution, suites
from den.cells import fingerprint, key_of
from den.ledger import Answer, Begun, Ended, Ledger, Measurement, Order, Places, Planned, Run
from flows.tracking import inventory, parent_runs, tracker

BARS = {"a nightly run": 10.0, "a nightly run, same bits": 10.0, "den sync, nothing to add": 5.0}
OF_RUN = "SELECT run_uuid FROM tags WHERE key = 'run' AND value = :run"
CONTENTS = ("params", "metrics", "latest_metrics", "tags")  # tables with a row per run and key
TRACK = """
import time
from den.ledger import Ledger, Places
from flows.tracking import tracker
ledger = Ledger.of(Places())
run = ledger.run("{run}")
results = ledger.results(run)
start, before = time.perf_counter(), time.process_time()
assert tracker.track(run, results)
print(time.perf_counter() - start, time.process_time() - before)
"""
SYNC = """
from flows import places
from flows.tracking import tracker
assert tracker.sync(places.here(), exit)
"""


class Cost(NamedTuple):
    """Wall-clock and CPU seconds of a process."""

    wall: float
    cpu: float


@click.command()
@click.option("--runs", default=3000, show_default=True, type=click.IntRange(4), help="How many runs.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Make everything in this folder; use what is there already."
)
def main(runs: int, keep: Path | None) -> None:
    """Print the seconds of each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        if not (folder / Places().ledger).exists():
            nights.make(folder, runs)
        os.chdir(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if not tracker.FOLDER.exists():
            fill(runs)
        size = (tracker.FOLDER / "mlflow.db").stat().st_size / 2**20
        click.echo(f"{runs:,} runs in MLflow, {size:,.0f} MiB")
        first, second = real(runs), real(runs + 1)
        costs = {
            "a nightly run": inside(TRACK.format(run=first)),
            "a nightly run, same bits": inside(TRACK.format(run=second)),
            "den sync, nothing to add": timed(SYNC),
        }
    for name, bar in BARS.items():
        click.echo(f"{name:26}{costs[name].wall:8.2f} s ({costs[name].cpu:.2f} s of CPU), at most {bar:.0f} s")
    sys.exit(1 if any(costs[name].wall > bar for name, bar in BARS.items()) else 0)


def fill(count: int) -> None:
    """Mirror the first two runs of the ledger, and copy the second for each of the others."""
    ledger = Ledger.of(Places())
    runs = ledger.runs()
    for run in runs[:2]:
        assert tracker.track(run, ledger.results(run))
    with closing(sqlite3.connect(tracker.FOLDER / "mlflow.db")) as database:
        template = [uuid for (uuid,) in database.execute(OF_RUN, {"run": runs[1].id})]
        for number, run in enumerate(runs[2:count], start=3):
            copy(database, template, run, number)
        marks = (parent_runs.mark_of(run.id, run.ended.ended) for run in runs[:count] if run.ended)
        total = (inventory.total(marks), inventory.TAG)
        database.execute("UPDATE experiment_tags SET value = ? WHERE key = ?", total)
        database.commit()


def copy(database: sqlite3.Connection, template: list[str], run: Run, number: int) -> None:
    """Copy a run of MLflow and those below it, as of another run of the ledger, none of them the newest."""
    fresh = {old: uuid4().hex for old in template}
    for old, new in fresh.items():
        copied(database, "runs", old, new)
        for table in CONTENTS:
            copied(database, table, old, new)
        assert run.ended is not None
        mark = parent_runs.mark_of(run.id, run.ended.ended)
        changes = {"run": run.id, "number": str(number), "newest": "no", "measurement": new[:16], "bits": new[16:]}
        changes["mark"] = mark
        for key, value in changes.items():
            database.execute("UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?", (value, new, key))
        above = database.execute("SELECT value FROM tags WHERE run_uuid = ? AND key = 'mlflow.parentRunId'", (new,))
        if (parent := above.fetchone()) is not None:
            changed = (fresh[parent[0]], new)
            database.execute("UPDATE tags SET value = ? WHERE run_uuid = ? AND key = 'mlflow.parentRunId'", changed)
        moments = (parent_runs.milliseconds(run.begun.started), parent_runs.milliseconds(run.ended.ended), new)
        database.execute("UPDATE runs SET start_time = ?, end_time = ? WHERE run_uuid = ?", moments)


def copied(database: sqlite3.Connection, table: str, old: str, new: str) -> None:
    """Copy the rows of a run in one table."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    chosen = ", ".join(f"'{new}'" if column == "run_uuid" else f'"{column}"' for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    database.execute(f"INSERT INTO {table} ({named}) SELECT {chosen} FROM {table} WHERE run_uuid = ?", (old,))


def real(number: int) -> str:
    """Run the suite's cells as a night's run, its checkpoints kept; return the run's id."""
    places, night = Places(), nights.Night(number)
    cells = list(suites.load().cells(nights.SUITE, seeds=(0,)))
    id = f"{night.started:%Y%m%d}-{token_hex(3)}"
    measured = [execution.execute(cell, places, Order(run=id, again=True)) for cell in cells]
    planned = [
        Planned(key=key_of(cell, places), stream=cell.stream, name=cell.name, seed=0, fingerprint=fingerprint(cell))
        for cell in cells
    ]
    ledger = Ledger.of(places)
    begun = ledger.runs()[0].begun.model_copy(update={"id": id, "cells": tuple(planned), "started": night.started})
    ledger.begin(Begun.model_validate(begun.model_dump()))
    ledger.end(Ended(id=id, ended=night.started + nights.NIGHT / 8, answers=tuple(answers(planned, measured)),
                     verdict="unchanged"))  # fmt: skip
    return id


def answers(planned: list[Planned], measured: list[Measurement]) -> Iterator[Answer]:
    """Yield what answers the cells of a run."""
    for cell, measurement in zip(planned, measured, strict=True):
        yield Answer(title=cell.title, measurement=measurement.id, how="measured")


def inside(code: str) -> Cost:
    """Return the costs that a Python process prints: without its start, which a run has behind it by then."""
    return Cost(*map(float, started(code).split()))


def timed(code: str) -> Cost:
    """Return what a Python process that runs this code costs, its start included."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    started(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, cpu)


def started(code: str) -> str:
    """Run a Python process; return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(nights.ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return run.stdout


if __name__ == "__main__":
    main()
