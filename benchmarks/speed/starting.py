"""Start-up: `den --help`, and `den run --suite smoke` until its first stage, in a copy of the project."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.reliability import kills
from benchmarks.speed import timing
from den.worker import MEMORY_KEPT, ONE_THREAD


def rows(repeats: int) -> list[timing.Row]:
    """Return seconds. Wants a machine with nothing else to do."""
    with tempfile.TemporaryDirectory() as folder:
        project = kills.copied(Path(folder) / "project")
        helps = timing.alternated({"help": lambda: den(project, "--help")}, repeats)["help"]
        firsts = [first_stage(project) for _ in range(repeats + 1)][1:]  # the first run makes Prefect's database
    return [
        timing.Row("den --help", helps, "s", bar=0.3),
        timing.Row("den run --suite smoke, to the first stage", firsts, "s", bar=8.0),
    ]


def den(project: Path, *words: str) -> None:
    """Run a command."""
    command = [sys.executable, "-m", "flows.cli", *words]
    subprocess.run(command, cwd=project, env=of_users(), check=True, capture_output=True)


def of_users() -> dict[str, str]:
    """Return this environment without what is set for a cell's process."""
    return {name: value for name, value in os.environ.items() if name not in ONE_THREAD | MEMORY_KEPT}


def first_stage(project: Path) -> float:
    """Return the seconds until the smoke suite, none of it finished, says that its first stage runs."""
    kills.forget(project)
    command = [sys.executable, "-m", "flows.cli", "run", "--suite", "smoke"]
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=project, env=of_users(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        moments = [time.perf_counter() - start for line in run.stderr if "task 1 of" in line]
    return moments[0]
