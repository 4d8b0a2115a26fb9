"""What telling MLflow costs: python benchmarks/tracking.py

Into an empty store on this disk: 1,000 metrics in one batch, as all are sent, and a cell of the smoke suite with and
without its final network. Medians of the repeats; what the first telling loads and makes is apart.
"""

import os
import tempfile
import time
from collections.abc import Callable
from itertools import count
from statistics import median

import click
from mlflow import MlflowClient
from mlflow.entities import Metric

from den import runs, suites
from den.ledger import Places, Record
from den.streams import prepared
from flows import points, tracking

REPEATS = 7


@click.command()
def main() -> None:
    """Print the seconds of each."""
    cell = next(cell for cell in suites.load().cells("smoke") if cell.method == "den")
    preparation = suites.load().data.preparation(cell.stream)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        prepared.prepare(cell.stream, preparation, {}, cell.seed + 1, Places().data)
        record = runs.execute(cell, Places())
        tell = teller(record)
        click.echo(f"{'the first of all, a new store':32}{_timed(tell):8.3f} s")
        click.echo(f"{'1,000 metrics':32}{seconds(batch()):8.3f} s")
        click.echo(f"{'a cell and its network':32}{seconds(tell):8.3f} s")
        (Places().work / record["identity"]).rename("elsewhere")
        click.echo(f"{'a cell whose network is not here':32}{seconds(tell):8.3f} s")


def batch() -> Callable[[], None]:
    """Return what sends a full batch to a new run."""
    client = MlflowClient(tracking.address())
    metrics = [Metric(f"auroc/task {task:04}", 0.5, 0, 1) for task in range(points.BATCH)]
    return lambda: client.log_batch(client.create_run("0").info.run_id, metrics)


def teller(record: Record) -> Callable[[], None]:
    """Return what tells of the record, each time under a new name."""
    names = count()

    def tell() -> None:
        named = record | {"cell": record["cell"] | {"variant": f"den_{next(names)}"}}
        assert tracking.track("smoke", [named])

    return tell


def seconds(run: Callable[[], None]) -> float:
    return median(_timed(run) for _ in range(REPEATS))


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
