"""`den results`: the newest scores, one per row."""

import pandas as pd

from flows.commands import row_text
from flows.pipeline import reporting


def print_scores(suite: str | None, accepted: bool, form: str) -> None:
    """Print the scores of a suite, or of all suites, as a table, JSON or CSV. Raises SettingsError.

    accepted: print the accepted scores.
    """
    scores = reporting.scores(suite, accepted)
    print(_tables(scores) if form == "table" else row_text.of(scores, form), end="")


def _tables(scores: pd.DataFrame) -> str:
    """Return a table per suite and stream; lines fit 80 columns."""
    groups = scores.groupby(["suite", "stream"], sort=False)
    return (
        "".join(
            f"{suite}, {stream}\n{of_both.drop(columns=['suite', 'stream']).to_string(index=False)}\n\n"
            for (suite, stream), of_both in groups
        )
        or "no scores\n"
    )
