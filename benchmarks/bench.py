"""Everything that is timed, in one table: python -m benchmarks.bench, or make bench

Writes benchmarks/results.md, with the machine. All of it runs as a cell does: in one thread, its memory kept. Ratios
are medians of pairs that ran one after the other, so that a machine that is busy for a while spoils few of them; still,
it wants a quiet one. Avalanche is compared if DEN_PEER_PYTHON names a Python that has it (`speed/peers.py`), and a
GPU's graphs if there is a GPU.
"""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import ModuleType

import click
import pandas as pd
import torch

from benchmarks.speed import estimators, gpu, growth, peers, scoring, selection, starting, timing, training
from den import files, provenance
from den.training import set_up_torch
from den.worker import MEMORY_KEPT, ONE_THREAD

RESULTS = Path(__file__).with_name("results.md")
GROUPS = {
    "training": (training, 15),
    "gpu": (gpu, 5),
    "scoring": (scoring, 15),
    "selection": (selection, 15),
    "growth": (growth, 1),
    "starting": (starting, 3),
    "estimators": (estimators, 7),
    "peers": (peers, 3),
}


@click.command()
@click.option(
    "--only", "names", multiple=True, type=click.Choice(list(GROUPS)), help="Print this alone; write nothing."
)
def main(names: tuple[str, ...]) -> None:
    """Time everything side by side, print the table and write it."""
    set_up_torch()
    sections = []
    for name, (module, repeats) in GROUPS.items():
        if not names or name in names:
            sections.append(section(module, module.rows(repeats)))
            click.echo(sections[-1])
    if not names:
        files.write(RESULTS, "\n".join(["# Benchmarks", "", machine(), "", *sections]))


def as_a_cell() -> None:
    """Start again with the environment of a cell's process, where this one has another; C's libraries read it once."""
    own = ONE_THREAD | MEMORY_KEPT
    if os.environ | own != os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.bench", *sys.argv[1:]], os.environ | own)


def section(module: ModuleType, rows: list[timing.Row]) -> str:
    """Return a group's rows as Markdown; where there are none, why."""
    title = (module.__doc__ or module.__name__).splitlines()[0]
    if not rows:
        return f"## {title}\n\nNot run: {module.NOT_RUN}.\n"
    table = pd.DataFrame([printed(row) for row in rows]).to_markdown(index=False, disable_numparse=True)
    return f"## {title}\n\n{table}\n"


def printed(row: timing.Row) -> dict[str, str]:
    """Return a row as text."""
    return {
        "what": row.what,
        "median": f"{median(row.values):.3g} {row.unit}".strip(),
        "spread": f"{min(row.values):.3g} to {max(row.values):.3g}",
        "beside": f"{median(row.ratios):.2f} × {row.against}" if row.ratios else "",
        "bar": "" if row.bar is None else f"≤ {row.bar:.3g}",
        "met": {None: "", True: "yes", False: "no"}[row.met],
    }


def machine() -> str:
    """Return the machine and versions in a line."""
    return ", ".join(_machine())


def _machine() -> Iterator[str]:
    origin = provenance.provenance(torch.device("cpu"))
    yield f"{processor()}, {os.cpu_count()} cores, one thread"
    yield f"{origin['host']}, Python {origin['python']}, torch {origin['torch']}"
    yield f"commit {str(origin['commit'])[:7]}"


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    as_a_cell()
    main()
