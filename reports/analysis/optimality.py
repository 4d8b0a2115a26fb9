"""How far from optimal the stages of each method ended: their certificates, and the units that died."""

import pandas as pd

from den import measures
from reports import labels
from reports.summaries import plain
from reports.tables import Tables
from reports.text_tables import Table, present

FAR = 0.5
"A residual above this is far from optimal: what is left is half of what was balanced."
SPLIT_BY = {
    measures.HEAD_RESIDUAL: f"{measures.SELECTIVE}: sparse head",
    measures.FIRST_RESIDUAL: f"{measures.SPLIT}: before splits",
}
"Residuals that a stage reports beside that of its last training run, and what they are of."


def certificates(tables: Tables) -> list[Table]:
    """Return the table of one stream's certificates; none if no measurement has any."""
    residuals = residuals_of(plain(tables))
    if residuals.empty:
        return []
    by_stage = dict(list(residuals.groupby(["method", "what"], sort=False)["value"]))
    methods = labels.ordered(tables.cells["method"])
    rows = [
        _row(method, stage, values)
        for method in methods
        for (owner, stage), values in by_stage.items()
        if owner == method
    ]
    note = (
        "Residual of each training run at its last step, over all of its training data: 0 at a stationary point of "
        "the equation it solves, at most 1"
    )
    return [Table("How far from optimal", note, present(rows))]


def far_from_optimal(tables: Tables) -> list[str]:
    """Return one sentence per method with training runs that end far from optimal, on one stream."""
    residuals = residuals_of(plain(tables))
    far = residuals[residuals["value"] > FAR]
    counts = residuals.groupby("method")["value"].size()
    return [
        f"{labels.method(str(method))}: {len(rows)} of {counts[method]} training runs end far from optimal (residual "
        f"above {FAR}), {rows['what'].mode().iat[0]} most often: short stages do not solve their equation."
        for method, rows in far.groupby("method")
    ]


def residuals_of(tables: Tables) -> pd.DataFrame:
    """Return every residual: method, seed, after_task, what (the stage, or what part of it) and value."""
    rows = tables.measures[tables.measures["measure"].isin([measures.RESIDUAL, *SPLIT_BY])].dropna(subset="value")
    return rows.assign(what=rows["measure"].map(SPLIT_BY).fillna(rows["stage"]))


def _row(method: str, stage: str, values: "pd.Series[float]") -> dict[str, str]:
    return {
        "method": method,
        "stage": stage,
        "runs": labels.number(len(values)),
        "median": labels.number(values.median(), 3),
        "largest": labels.number(values.max(), 3),
        f"above {FAR}": labels.number(int((values > FAR).sum())),
    }
