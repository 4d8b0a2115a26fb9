"""The memory of a large file as a stream: python -m benchmarks.reliability.own_data

A million rows of a hundred features in ten tasks, from a Parquet file. One process prepares the stream, another opens
it and reads the data of every task once, as a worker does. Each reports its largest memory, less what it had before: in
all, and without the pages of mapped files, which the system takes back when it needs them. The exit code is 1 if one
took more than MOST times the data besides the data themselves. Peaks are Linux's.
"""

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from den.streams import own_data, prepared
from den.streams.own_data import Preparation
from den.training import set_up_torch
from flows.data.own import preparing
from reports import text_tables

MOST = 1.0
PAUSE = 0.002  # seconds between two looks at a process's memory
ALL, PRIVATE = "VmRSS", "RssAnon"
MEGABYTE = 1e6


@dataclass(frozen=True)
class Use:
    """What a step took: seconds, and bytes above those before it, in all and without mapped files."""

    seconds: float
    all: int
    private: int


@click.command()
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--features", default=100, show_default=True)
@click.option("--group", default=100_000, show_default=True, help="Rows of a row group of the Parquet file.")
def main(rows: int, features: int, group: int) -> None:
    """Print the memory of preparing and of opening; exit with 1 if either is beyond the bound."""
    data = 4 * rows * features
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "large.parquet"), rows, features, group)
        context = multiprocessing.get_context("spawn")
        uses: dict[str, Use] = {}
        for step in (prepare, work):
            with context.Pool(1) as pool:
                uses[step.__name__] = pool.apply(measured, (step, Path(folder)))
    table = [
        {
            "step": name,
            "seconds": f"{use.seconds:.1f}",
            "memory, MB": f"{use.all / MEGABYTE:,.0f}",
            "of the data": f"{use.all / data:.2f}",
            "without mapped files, MB": f"{use.private / MEGABYTE:,.0f}",
            "of the data without": f"{use.private / data:.2f}",
        }
        for name, use in uses.items()
    ]
    click.echo(f"{rows:,} rows of {features} features, {data / MEGABYTE:,.0f} MB as float32\n")
    click.echo(text_tables.markdown(text_tables.compact(table)))
    sys.exit(int(max(use.private for use in uses.values()) > MOST * data))


def write(path: Path, rows: int, features: int, group: int) -> None:
    """Write a Parquet file whose tasks are mixed, as a user's are."""
    generator = np.random.default_rng(0)
    names = [f"x{feature}" for feature in range(features)]
    fields = [(name, pa.float64()) for name in names] + [("label", pa.int64()), ("task", pa.int64())]
    schema = pa.schema(fields)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, group):
            count = min(group, rows - start)
            task = generator.integers(0, 10, count)
            columns = [generator.normal(size=count) for _ in names]
            label = 2 * task + generator.integers(0, 2, count)
            writer.write_table(pa.table([*columns, label, task], schema=schema), row_group_size=group)


def prepare(folder: Path) -> None:
    """Prepare the stream."""
    preparing.prepare("large", Preparation(file=str(folder / "large.parquet")), folder / "large")


def work(folder: Path) -> None:
    """Open the stream, and read all data once: of a task, as many examples at a time as a method holds."""
    stream = own_data.build(own_data.Params(), prepared.read(folder / "large").arrays, 1, "large")
    for task in stream:
        for learned in range(task.id + 1):
            stream.tests[learned].inputs(slice(0, 1000))
        for start in range(0, len(task.train), 1000):
            task.train.inputs(slice(start, start + 1000))


def measured(step: Callable[[Path], None], folder: Path) -> Use:
    """Run a step, and return what it took in this process."""
    set_up_torch()
    from flows.data.own import images, npz, tables  # noqa: F401  # a step must not count the loading of libraries

    before, peaks, ended = memory(), memory(), threading.Event()

    def watch() -> None:
        while not ended.wait(PAUSE):
            for kind, value in memory().items():
                peaks[kind] = max(peaks[kind], value)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    step(folder)
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    return Use(seconds, peaks[ALL] - before[ALL], peaks[PRIVATE] - before[PRIVATE])


def memory() -> dict[str, int]:
    """Return this process's memory in bytes, in all and without mapped files."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0][:-1]: 1024 * int(words[1]) for words in lines if words and words[0][:-1] in (ALL, PRIVATE)}


if __name__ == "__main__":
    main()
