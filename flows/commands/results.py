"""`den results`: the newest scores, one per row."""

from flows.pipeline import reporting


def print_scores(suite: str | None, accepted: bool, form: str) -> None:
    """Print the scores of a suite, or of all suites, as a table, JSON or CSV. Raises SettingsError.

    accepted: print the accepted scores.
    """
    print(reporting.scores(suite, accepted, form), end="")
