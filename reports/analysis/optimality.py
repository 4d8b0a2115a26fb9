"""How far from optimal the stages of each method end: residuals of their certificates."""

import pandas as pd

from den import measures
from reports import labels
from reports.stream_results import StreamResults
from reports.text_tables import Table, compact

FAR = 0.5
"A residual above this is far from optimal; the largest possible is 1."
PARTS = {
    measures.HEAD_RESIDUAL: f"{measures.SELECTIVE}: sparse head",
    measures.FIRST_RESIDUAL: f"{measures.SPLIT}: before splits",
}
"Residuals that a stage reports besides that of its last training run, and the part of the stage they belong to."


def certificates(results: StreamResults) -> list[Table]:
    """Return the table of one stream's residuals; no table if no measurement has any."""
    rows = residuals(results)
    if rows.empty:
        return []
    by_part = rows.groupby(["method", "part"], sort=False)["value"]
    parts = sorted(by_part, key=lambda group: results.methods.index(group[0][0]))
    note = (
        "Residual of each training run at its last step, over all of its training data: 0 at a stationary point of "
        "the equation it solves, at most 1"
    )
    text = compact([_row(method, part, values) for (method, part), values in parts])
    return [Table("How far from optimal", note, text)]


def far_from_optimal(results: StreamResults) -> list[str]:
    """Return one sentence per method with training runs that end far from optimal."""
    rows = residuals(results)
    far = rows[rows["value"] > FAR]
    counts = rows.groupby("method")["value"].size()
    return [
        f"{labels.method(str(method))}: {len(group)} of {counts[method]} training runs end far from optimal (residual "
        f"above {FAR}), {group['part'].mode().iat[0]} most often: short stages do not solve their equation."
        for method, group in far.groupby("method")
    ]


def residuals(results: StreamResults) -> pd.DataFrame:
    """Return every residual: method, seed, after_task, part (the stage, or a part of it) and value."""
    named = results.measures["measure"].isin([measures.RESIDUAL, *PARTS])
    rows = results.measures[named].dropna(subset="value")
    return rows.assign(part=rows["measure"].map(PARTS).fillna(rows["stage"]))


def _row(method: str, part: str, values: "pd.Series[float]") -> dict[str, str]:
    return {
        "method": method,
        "stage": part,
        "runs": labels.number(len(values)),
        "median": labels.number(values.median(), 3),
        "largest": labels.number(values.max(), 3),
        f"above {FAR}": labels.number(int((values > FAR).sum())),
    }
