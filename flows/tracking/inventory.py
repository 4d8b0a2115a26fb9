"""A checksum per stream of the complete parents in MLflow: a sync with nothing to add need not read their runs.

A tag of the stream's experiment stores the sum. If an interruption leaves it wrong, the next sync reads all runs.
"""

import hashlib
from collections.abc import Iterable
from functools import reduce
from operator import xor

from mlflow import MlflowClient
from mlflow.entities import Experiment

TAG = "inventory"


def total(marks: Iterable[str]) -> str:
    """Return the checksum of marks; their order does not matter, and two equal marks cancel."""
    return f"{reduce(xor, map(_number, marks), 0):032x}"


def of(experiment: Experiment) -> str:
    """Return the checksum that an experiment has."""
    return str(experiment.tags.get(TAG, total(())))


def toggle(client: MlflowClient, experiment: str, mark: str) -> None:
    """Add a mark to an experiment's checksum, or remove it."""
    number = int(of(client.get_experiment(experiment)), 16) ^ _number(mark)
    client.set_experiment_tag(experiment, TAG, f"{number:032x}")


def _number(mark: str) -> int:
    return int.from_bytes(hashlib.sha256(mark.encode()).digest()[:16])
