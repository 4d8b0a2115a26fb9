"""Kill a suite at random moments, continue it, compare: python -m benchmarks.reliability.kills --count 50

A copy of the project runs the suite twice undisturbed, then again and again: killed once, by SIGKILL, and continued by
the same command. Killed is the flow, the process of a cell (the next one to start, if none runs), or, as in a power
cut, everything; the moment lies anywhere in the run, and if nothing was left to kill it is drawn again. A trial is
passed if one run has measured every cell once, to the last bit as expected, if no measurement that was there is gone,
and if Prefect holds no run for still running. Exits with 1 unless all trials are passed.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click
import psutil

from den.ledger import Ledger

ROOT = Path(__file__).parents[2]
VICTIMS = ("flow", "cell", "all")
PATIENCE = 600  # seconds that a run may take to be continued to its end

Digests = dict[str, str]


@click.command()
@click.option("--count", default=50, show_default=True, type=click.IntRange(1), help="How many kills.")
@click.option("--suite", default="smoke", show_default=True, help="The suite to run.")
@click.option("--seed", default=0, show_default=True, help="Decides when and whom.")
def main(count: int, suite: str, seed: int) -> None:
    """Kill a suite at random moments; print how many runs were continued to identical results."""
    draw, passed = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder) / "project")
        finish(project, suite)
        expected, lasted = digests(project), undisturbed(project, suite)
        click.echo(f"undisturbed: {len(expected)} cells in {lasted:.1f} s")
        for number in range(1, count + 1):
            faults = None
            while faults is None:
                victim, moment = draw.choice(VICTIMS), draw.uniform(0, lasted)
                faults = trial(project, suite, victim, moment, expected)
            passed += not faults
            click.echo(f"{number:3} {victim:5} after {moment:5.1f} s: {'; '.join(faults) or 'identical'}")
    click.echo(f"{passed} of {count} were continued to identical results")
    sys.exit(0 if passed == count else 1)


def trial(project: Path, suite: str, victim: str, moment: float, expected: Digests) -> list[str] | None:
    """Start the suite, kill `victim` after `moment` seconds, continue to the end; return what is not as it should be.

    Returns None if the suite had ended before there was anything to kill.
    """
    forget(project)
    running = begin(project, suite)
    with suppress(subprocess.TimeoutExpired):
        running.wait(moment)
    struck = kill(project, victim)
    while not struck and running.poll() is None:
        struck = kill(project, victim)
    running.wait(PATIENCE)
    if not struck:
        return None
    before = measured(project)
    finish(project, suite)
    return list(faults(project, before, expected))


def undisturbed(project: Path, suite: str) -> float:
    """Return the seconds that the suite takes if the data is prepared and nothing is measured."""
    forget(project)
    start = time.monotonic()
    finish(project, suite)
    return time.monotonic() - start


def forget(project: Path) -> None:
    """Remove the ledger and the checkpoints of the project."""
    shutil.rmtree(project / ".den", ignore_errors=True)


def faults(project: Path, before: set[str], expected: Digests) -> Iterable[str]:
    """Yield in words what went wrong."""
    ledger = ledger_of(project)
    yield from (f"damaged: {path}" for path in ledger.faults())
    now = digests(project)
    if now.keys() != expected.keys():
        yield f"{len(now)} of {len(expected)} cells measured"
    if different := [key for key in now.keys() & expected.keys() if now[key] != expected[key]]:
        yield f"other results in {', '.join(sorted(different))}"
    if lost := before - measured(project):
        yield f"lost: {', '.join(sorted(lost))}"
    entries = ledger.entries()
    if len(entries) != len(expected):
        yield f"{len(entries)} measurements of {len(expected)} cells"
    if runs := {entry.run for entry in entries} - {run.id for run in ledger.runs() if run.whole}:
        yield f"measured in runs that are not whole: {', '.join(sorted(runs))}"
    if len({entry.run for entry in entries}) != 1:
        yield "measured in more than one run"
    if zombies := unfinished(project):
        yield f"Prefect holds {zombies} runs for unfinished"


def begin(project: Path, suite: str) -> subprocess.Popen[bytes]:
    """Start the suite; returns its flow's process."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_", "DVC_"))}
    command = [sys.executable, "-m", "flows.cli", "run", "--suite", suite]
    with (project / "said.log").open("ab") as log:
        return subprocess.Popen(command, cwd=project, stdout=log, stderr=log, env=own)


def finish(project: Path, suite: str) -> None:
    """Run the suite to its end. Raises RuntimeError where it fails."""
    if code := begin(project, suite).wait(PATIENCE):
        raise RuntimeError(f"the suite ended with code {code}: {(project / 'said.log').read_text()[-2000:]}")


def kill(project: Path, victim: str) -> int:
    """Kill the flow, the processes of its cells, or every process of the project; return how many were there."""
    struck = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(project) and (victim == "all" or role(process) == victim):
                process.kill()
                struck += 1
    return struck


def role(process: psutil.Process) -> str:
    """Return what a process of the project is."""
    words = " ".join(process.cmdline())
    if "flows.cli run" in words:
        return "flow"
    return "cell" if "forkserver" in words and process.children() == [] else "other"


def ledger_of(project: Path) -> Ledger:
    return Ledger(project / ".den/ledger", project / ".den/of-kills.sqlite")


def digests(project: Path) -> Digests:
    """Return the digest of the newest measurement of every cell, by key."""
    return {entry.key: entry.digest for entry in ledger_of(project).entries()}


def measured(project: Path) -> set[str]:
    """Return the ids of all measurements."""
    return {entry.id for entry in ledger_of(project).entries()}


def unfinished(project: Path) -> int:
    """Return how many flow runs Prefect's own database of the project has as not ended."""
    with sqlite3.connect(project / ".prefect/prefect.db") as database:
        question = "select count(*) from flow_run where state_type in ('PENDING', 'RUNNING')"
        return int(database.execute(question).fetchone()[0])


def copied(project: Path) -> Path:
    """Return a copy of the project's files as git has them, with nothing prepared and nothing measured."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
    return project


if __name__ == "__main__":
    main()
