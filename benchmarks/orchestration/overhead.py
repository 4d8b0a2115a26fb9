"""What orchestration costs over the bare library: python -m benchmarks.orchestration.overhead --suite quick

The suite's cells run twice in alternation, with nothing finished: by the library alone (`bare.py`), and by
`den run` in a copy of the project, as many at a time. Orchestration is all that `den run` does from its first stage to
its end but the report: stages as Prefect tasks, checkpoints, ledger, MLflow, Prefect's own end. Start-up, which ends
with the first stage, and the report are printed apart. CPU seconds are those of all processes while cells run,
Prefect's server too: where a neighbour slows the machine down, they say more than wall seconds.
"""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import psutil

from benchmarks.reliability import kills

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Times:
    """Seconds of one `den run`: to the first stage, from there to the last cell's end, after it; and of CPU."""

    start: float
    cells: float
    after: float
    report: float
    busy: float


@click.command()
@click.option("--suite", default="quick", show_default=True)
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(1))
@click.option("--slots", default=2, show_default=True, type=click.IntRange(1))
def main(suite: str, repeats: int, slots: int) -> None:
    """Print the seconds of a suite by the library alone and by `den run`, and what the difference is."""
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder) / "project")
        pairs = [pair(project, suite, slots) for _ in range(repeats)]
    click.echo(f"{'medians of ' + str(repeats):34}{'alone':>9}{'den run':>9}{'more':>9}")
    show("cells, CPU seconds", [(alone[1], times.busy) for alone, times in pairs])
    show("cells, s", [(alone[0], times.cells) for alone, times in pairs])
    show("all but start-up and report, s", [(alone[0], spent(times)) for alone, times in pairs])
    for part in ("start", "after", "report"):
        click.echo(f"{part + ', s':43}{median(getattr(times, part) for _, times in pairs):9.1f}")


def pair(project: Path, suite: str, slots: int) -> tuple[tuple[float, float], Times]:
    """Return what the library alone takes, wall and CPU, and what `den run` takes; said on standard error too."""
    costs = bare(suite, slots), orchestrated(project, suite, slots)
    click.echo(costs, err=True)
    return costs


def show(title: str, pairs: list[tuple[float, float]]) -> None:
    """Print two numbers side by side, and how much more the second is, run by run."""
    alone, both = (median(column) for column in zip(*pairs, strict=True))
    more = [100 * (second / first - 1) for first, second in pairs]
    each = ", ".join(f"{percent:+.1f}" for percent in more)
    click.echo(f"{title:34}{alone:9.1f}{both:9.1f}{median(more):+8.1f} %  ({each})")


def spent(times: Times) -> float:
    """Return the seconds of all that the bare library's are held against."""
    return times.cells + times.after - times.report


def bare(suite: str, slots: int) -> tuple[float, float]:
    """Return wall and CPU seconds of all cells by the library alone, `slots` at a time."""
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), suite, str(slots)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    wall, busy = map(float, done.stdout.split())
    return wall, busy


def orchestrated(project: Path, suite: str, slots: int) -> Times:
    """Return the seconds of `den run`."""
    kills.forget(project)
    command = [sys.executable, "-m", "flows.cli", "run", "--suite", suite, "--slots", str(slots)]
    began, first, last, before, busy = time.perf_counter(), 0.0, 0.0, 0.0, 0.0
    with (
        subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run,
        ThreadPoolExecutor(1) as aside,
    ):
        assert run.stderr is not None
        ended = aside.submit(end, run)  # what cells were forked from holds standard error open for a second more
        for line in run.stderr:
            if not first and ": task 1 of " in line:
                first, before = time.perf_counter(), cpu(project)
            if line.rstrip().endswith(": measured"):
                last, busy = time.perf_counter(), cpu(project) - before
    return Times(first - began, last - first, ended.result() - last, reporting(project), busy)


def end(run: subprocess.Popen[str]) -> float:
    """Return when a process ended."""
    run.wait()
    return time.perf_counter()


def reporting(project: Path) -> float:
    """Return the seconds of the last report, as Prefect has them."""
    days = "julianday(end_time) - julianday(start_time)"
    last = f"select {days} from task_run where name = 'report' order by start_time desc limit 1"
    with closing(sqlite3.connect(project / ".prefect" / "prefect.db")) as database:
        (days,) = database.execute(last).fetchone()
    return 86400 * float(days)


def cpu(project: Path) -> float:
    """Return the CPU seconds of all processes of a project so far, with those of their ended children."""
    seconds = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(project):
                seconds += sum(process.cpu_times()[:4])  # user, system, and the same of its ended children
    return seconds


def copied(project: Path) -> Path:
    """Return a copy of the project's files as git has them, its data prepared."""
    kills.copied(project)
    shutil.copytree(ROOT / "data" / "streams", project / "data" / "streams")
    return project


if __name__ == "__main__":
    main()
