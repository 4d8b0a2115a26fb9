"""`den report`: tables, figures and the page of a suite."""

from flows.pipeline import reporting


def write_report(suite: str, run: str | None, accepted: bool) -> None:
    """Write the report of a suite, and print its folder. Raises SettingsError if there are no results.

    run: the run to report on, by default the newest measurements. accepted: report on the accepted results.
    """
    print(reporting.redraw(suite) if accepted else reporting.refresh(suite, run))
