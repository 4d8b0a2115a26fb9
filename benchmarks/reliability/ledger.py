"""A ledger after eight years of nightly runs: python -m benchmarks.reliability.ledger

Makes 20,400 measurements from 3,000 runs out of a few real ones, in a copy of the project's settings; then measures
what people wait for, each in a process of its own: wall-clock seconds, CPU seconds and the most memory. Exits with 1 if
a bar is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click

from den.ledger import Places

ROOT = Path(__file__).parents[2]
SECONDS, MEBIBYTES = 2.0, 500

LOOK_UP = """
import sys
from den.ledger import Ledger, Places
ledger = Ledger.of(Places())
assert all(ledger.entries(key=key) for key in sys.argv[1:])
"""
INDEX = "from den.ledger import Ledger, Places\nassert not Ledger.of(Places()).faults()"


class Cost(NamedTuple):
    """Wall-clock and CPU seconds and mebibytes of memory of one process, and its exit code."""

    wall: float
    cpu: float
    memory: float
    code: int


@dataclass(frozen=True)
class Case:
    """Something people wait for: the words after `python`, and how many seconds it may take."""

    name: str
    words: tuple[str, ...]
    bar: float = SECONDS


@click.command()
@click.option("--runs", default=3000, show_default=True, type=click.IntRange(1), help="How many runs.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the ledger in this folder, and leave it there.")
def main(runs: int, keep: Path | None) -> None:
    """Make the ledger, print what each command costs."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        count, id, *keys = made(folder, runs)
        click.echo(f"{int(count):,} measurements from {runs:,} runs, {size(folder):,.0f} MiB in files")
        costs = {case: cost(case, folder) for case in cases(id, keys)}
    missed = [case.name for case, spent in costs.items() if not met(case, spent)]
    click.echo(f"missed: {', '.join(missed)}" if missed else "all bars met")
    sys.exit(1 if missed else 0)


def made(folder: Path, runs: int) -> list[str]:
    """Make the ledger; return how many measurements it has, the id of one, and the keys of a run's cells.

    In a process of its own: a process begins with the most memory that the one which started it has ever had.
    """
    command = (sys.executable, str(ROOT / "benchmarks/orchestration/nights.py"), str(folder), str(runs))
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def cases(id: str, keys: Sequence[str]) -> Iterator[Case]:
    """Yield what is measured, the making of the index first."""
    yield Case("rebuilding the index", ("-c", INDEX), bar=60.0)
    yield Case("opening the ledger", ("-c", INDEX))
    yield Case("den run, before its first cell", ("-c", LOOK_UP, *keys))
    yield Case("den history", ("-m", "flows.cli", "history", "--suite", "smoke"))
    yield Case("den status", ("-m", "flows.cli", "status"))
    yield Case("den why", ("-m", "flows.cli", "why", id))


def cost(case: Case, folder: Path) -> Cost:
    """Run a case in the folder; print and return what it costs."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            (sys.executable, *case.words), cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    spent = Cost(wall, cpu, usage.ru_maxrss / 1024, process.returncode)
    click.echo(f"{case.name:34}{wall:8.2f} s{cpu:8.2f} CPU s{spent.memory:8.0f} MiB, at most {case.bar:g} s")
    if spent.code:
        click.echo(printed)
    return spent


def met(case: Case, spent: Cost) -> bool:
    """Return whether a case ended well, in its time and memory."""
    return spent.code == 0 and spent.wall <= case.bar and spent.memory <= MEBIBYTES


def environment() -> dict[str, str]:
    """Return this environment without a ledger of its own."""
    return {name: value for name, value in os.environ.items() if name != "DEN_LEDGER"}


def size(folder: Path) -> float:
    """Return the mebibytes in the ledger's files."""
    return sum(path.stat().st_size for path in (folder / Places().ledger).rglob("*.gz")) / 2**20


if __name__ == "__main__":
    main()
