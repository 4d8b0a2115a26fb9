"""What MLflow says of a stream, a benchmark and a cell in words: Markdown, and the table of a benchmark."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from den import metrics
from den.methods import METHODS
from flows import points
from reports import names, printed, summary, tables

Record = Mapping[str, Any]

NOTE = "mlflow.note.content"  # the tag that MLflow's pages show as the description

CHARTS = """
| chart | what it shows |
|---|---|
| `auroc/average` | the average over the tasks so far: the learning curve |
| `auroc/forgetting` | how far earlier tasks have fallen below their best so far |
| `auroc/task 01` | how well the first task is remembered while others are learned |
| `capacity/capacity` | how large the network is, as a multiple of the base network |
| `final/…` | size and training time after the last task |
"""


def of_stream(record: Record) -> str:
    """Return what is in the experiment of a record's stream, and how to read its charts."""
    return (
        f"The stream **{names.stream(record['cell']['stream'])}**, {points.tasks(record)} tasks. A run here is one "
        "benchmark of a suite; the runs below it are its cells, one method with one seed each.\n\n"
        f"In charts `step` is the number of tasks learned.\n{CHARTS}"
    )


def of_benchmark(suite: str, records: Sequence[Record], new: int, verdict: str) -> str:
    """Return what a benchmark came to on a stream: its table, and where it comes from."""
    judged = f", verdict **{verdict}**" if verdict else ""
    return (
        f"Suite **{suite}** on **{names.stream(records[0]['cell']['stream'])}**: {len(records)} cells, {new} of them "
        f"shown below for the first time{judged}.\n\n{markdown(suite, records)}\n\n"
        "AUROC and accuracy are averages over all tasks after the last one: means over seeds ± standard errors."
    )


def of_cell(record: Record, model: str | None) -> str:
    """Return what a cell is, what it came to, and how to get at it again."""
    cell, identity = record["cell"], record["identity"]
    return (
        f"**{names.method(tables.method(record))}** on **{names.stream(cell['stream'])}**, seed {cell['seed']}. "
        f"{_purpose(cell['method'])}\n\n{_scores(record)}\n\n"
        f"`den why {identity}` says where these numbers come from, `den rerun {identity}` computes them again.\n"
        + (_use(model, points.tasks(record)) if model else "")
    )


def markdown(suite: str, records: Sequence[Record]) -> str:
    """Return the table of a benchmark on a stream; empty where cells of several settings have one name."""
    return printed.markdown(printed.results(tables.collect(records, suite))) if _one_a_seed(records) else ""


def numbers(suite: str, records: Sequence[Record]) -> pd.DataFrame:
    """Return the numbers of the table, unrounded; empty where it is."""
    return summary.summary(tables.collect(records, suite)) if _one_a_seed(records) else pd.DataFrame()


def _one_a_seed(records: Sequence[Record]) -> bool:
    return len({(tables.method(record), record["cell"]["seed"]) for record in records}) == len(records)


def _purpose(method: str) -> str:
    """Return the first line of what the method says of itself; nothing for one that is no more."""
    return (METHODS[method].__doc__ or "").split("\n")[0] if method in METHODS else ""


def _scores(record: Record) -> str:
    rows = [
        {
            "score": score,
            "after the last task": names.score(metrics.average(matrix)),
            "when each is learned": names.score(metrics.plasticity(matrix)),
            "forgetting": names.score(metrics.forgetting(matrix)),
        }
        for score, matrix in ((name, np.array(rows, dtype=float)) for name, rows in record["scores"].items())
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _use(model: str, tasks: int) -> str:
    return (
        "\nThe final network answers:\n\n```python\n"
        f'network = mlflow.pyfunc.load_model("models:/{model}")\n'
        f'network.predict(images, params={{"task_id": {tasks}}})\n```\n'
    )
