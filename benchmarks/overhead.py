"""What orchestration costs over the bare library: python benchmarks/overhead.py --suite quick

The suite's cells run twice in alternation, with nothing finished: by the library alone (benchmarks/bare.py), and by
`den run` in a copy of the project, as many at a time. Start-up ends with the first stage; what comes after the last
cell (report, MLflow) is reported apart. CPU seconds are those of all processes, Prefect's server too: where a neighbour
slows the machine down, they say more than wall seconds.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import click
import kills
import psutil

ROOT = Path(__file__).parent.parent


@click.command()
@click.option("--suite", default="quick", show_default=True)
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(1))
@click.option("--slots", default=2, show_default=True, type=click.IntRange(1))
def main(suite: str, repeats: int, slots: int) -> None:
    """Print the seconds of a suite by the library alone and by `den run`, and what the difference is."""
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder) / "project")
        timed = [(bare(suite, slots), orchestrated(project, suite, slots)) for _ in range(repeats)]
    alone, busy = (median(one[part] for one, _ in timed) for part in range(2))
    start, cells, after, used = (median(times[part] for _, times in timed) for part in range(4))
    click.echo(f"{'cells, the library alone':32}{alone:8.1f} s {busy:8.1f} CPU seconds")
    click.echo(f"{'cells, den run':32}{cells:8.1f} s {used:8.1f} CPU seconds")
    click.echo(f"{'':32}{100 * (cells / alone - 1):+8.1f} % {100 * (used / busy - 1):+8.1f} %")
    click.echo(f"{'start-up before them':32}{start:8.1f} s")
    click.echo(f"{'report and MLflow after them':32}{after:8.1f} s")


def bare(suite: str, slots: int) -> tuple[float, float]:
    """Return wall and CPU seconds of all cells by the library alone, `slots` at a time."""
    command = [sys.executable, str(Path(__file__).with_name("bare.py")), suite, str(slots)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    wall, busy = map(float, done.stdout.split())
    return wall, busy


def orchestrated(project: Path, suite: str, slots: int) -> tuple[float, float, float, float]:
    """Return the seconds of `den run` to its first stage, to the last cell's end, and after it; CPU of the second."""
    kills.forget(project)
    command = [sys.executable, "-m", "flows.cli", "run", "--suite", suite, "--slots", str(slots)]
    began, first, last, busy, used = time.perf_counter(), 0.0, 0.0, 0.0, 0.0
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if not first and ": task 1 of " in line:
                first, busy = time.perf_counter(), cpu(project)
            if line.rstrip().endswith(": finished"):
                last, used = time.perf_counter(), cpu(project) - busy
    return first - began, last - first, time.perf_counter() - last, used


def cpu(project: Path) -> float:
    """Return the CPU seconds of all processes of a project so far, with those of their ended children."""
    found = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(project):
                found += sum(process.cpu_times()[:4])  # user, system, and the same of its ended children
    return found


def copied(project: Path) -> Path:
    """Return a copy of the project's files as git has them, its data prepared."""
    kills.copied(project)
    shutil.copytree(ROOT / "data" / "streams", project / "data" / "streams")
    return project


if __name__ == "__main__":
    main()
