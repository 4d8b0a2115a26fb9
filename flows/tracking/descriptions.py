"""Descriptions in MLflow: Markdown for a stream, a parent, a cell and a trend, and the table of a parent."""

from collections.abc import Sequence

import pandas as pd

from den import metrics
from den.ledger import CellResult
from den.methods import METHODS
from flows.tracking import views
from flows.tracking.parent_runs import Parent
from reports import labels, tables, text_tables
from reports.stream_results import StreamResults

NOTE = "mlflow.note.content"  # the tag that MLflow's pages show as the description

CHARTS = """
| chart | what it shows |
|---|---|
| `auroc/average` | the average over the tasks so far: the learning curve |
| `auroc/forgetting` | how far earlier tasks have dropped below their best so far |
| `auroc/task 01` | the score of the first task while the network learns later tasks |
| `capacity/capacity` | the size of the network, as a multiple of the base network |
| `final/…` | size and training time after the last task |
"""


def of_stream(stream: str) -> str:
    """Describe the experiment of a stream, and how to read its charts."""
    return (
        f"The stream **{labels.stream(stream)}**. A run here is a run of a suite, or the accepted results of a suite. "
        "The runs below it are its measured cells, each with one method and one seed. `history` shows a suite's trend."
        f"\n\nIn charts, `step` is the number of learned tasks; in `history`, it is the number of the run.\n{CHARTS}"
    )


def of_parent(parent: Parent, twin: str = "") -> str:
    """Describe a parent: its table, its reused cells and its failed cells. twin: a link to a parent of equal bits."""
    results = _results(parent)
    verdict = f", verdict **{parent.verdict}**" if parent.verdict else ""
    parts = [
        f"Suite **{parent.suite}** on **{labels.stream(parent.stream)}**, {parent.trigger}: "
        f"{len(parent.measured)} cells measured, {len(parent.reused)} reused{verdict}.",
        "\n".join(f"- {remark}" for remark in parent.remarks),
        f"The same bits as {twin}, which has the report." if twin else "",
        text_tables.markdown(text_tables.summary(results)) if results else "",
        "Scores are averages over all tasks after the last task: means over seeds ± standard errors. "
        f"{results.label_notes if results else ''}"
        if parent.results
        else "",
        _reused(parent.reused),
        "\n".join(f"- {title} failed: {reason}" for title, reason in parent.failures.items()),
    ]
    return "\n\n".join(filter(None, parts))


def of_cell(result: CellResult, model: str | None, twin: str = "") -> str:
    """Describe a cell: its method, its scores, and how to reproduce it. twin: a link to a run of equal bits."""
    measurement = result.measurement
    return "\n\n".join(
        filter(
            None,
            (
                f"**{labels.method(result.name)}** on **{labels.stream(measurement.stream)}**, "
                f"seed {measurement.seed}. {_purpose(measurement.method)}",
                _scores(result),
                f"The same bits as {twin}." if twin else "",
                f"`den why {measurement.id}` prints the origin of these numbers, `den rerun {measurement.id}` "
                "computes them again.",
                _use(model, measurement.tasks) if model else "",
            ),
        )
    )


def of_history(suite: str, stream: str) -> str:
    """Describe the trend of a suite."""
    return (
        f"The trend of suite **{suite}** on **{labels.stream(stream)}**: for each method the mean over seeds after the "
        "last task. `step` is the number of the run, as in the tag `number` of the runs. A method has a point for "
        "each run that measured all its cells."
    )


def link(title: str, experiment: str, run: str) -> str:
    """Return a Markdown link to the page of a run."""
    return f"[{title}](#/experiments/{experiment}/runs/{run}?{views.TRAINING})"


def numbers(parent: Parent) -> pd.DataFrame:
    """Return the unrounded numbers of the table; empty if there is no table."""
    results = _results(parent)
    return results.summary if results else pd.DataFrame()


def _results(parent: Parent) -> StreamResults | None:
    """Return the results of a parent as tables; None without results, or with several per method and seed."""
    places = {(result.name, result.measurement.seed) for result in parent.results}
    if not parent.results or len(places) != len(parent.results):
        return None
    return tables.collect(parent.results, parent.suite).of(parent.stream)


def _reused(reused: Sequence[CellResult]) -> str:
    """List the reused cells by method and day of their measurement."""
    groups: dict[tuple[str, str], list[int]] = {}
    for result in reused:
        day = f"{result.measurement.origin.ended:%Y-%m-%d}"
        groups.setdefault((labels.method(result.name), day), []).append(result.measurement.seed)
    rows = (
        f"- {label}, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, sorted(seeds)))}: measured {day}"
        for (label, day), seeds in groups.items()
    )
    return "\n".join(["Reused:\n", *rows]) if reused else ""


def _purpose(method: str) -> str:
    """Return the first line of the method's docstring; empty for a method that no longer exists."""
    return (METHODS[method].__doc__ or "").split("\n")[0] if method in METHODS else ""


def _scores(result: CellResult) -> str:
    matrices = {name: result.measurement.matrix(name) for name in result.measurement.scores}
    rows = [
        {
            "score": score,
            "after the last task": labels.score(metrics.average(matrix)),
            "when each is learned": labels.score(metrics.plasticity(matrix)),
            "forgetting": labels.score(metrics.forgetting(matrix)),
        }
        for score, matrix in matrices.items()
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _use(model: str, tasks: int) -> str:
    return (
        "The final network answers:\n\n```python\n"
        f'network = mlflow.pyfunc.load_model("models:/{model}")\n'
        f'network.predict(images, params={{"task_id": {tasks}}})\n```'
    )
