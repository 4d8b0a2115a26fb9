"""`den prepare`: fetch raw data and prepare streams."""

from collections.abc import Sequence

from den import suites
from flows.data import stream_files
from flows.places import here


def prepare_streams(streams: Sequence[str], force: bool) -> None:
    """Prepare these streams, by default those of all suites. Raises SettingsError, DataError or PreparationError."""
    plan = suites.load()
    stream_files.prepare(streams or stream_files.of_suites(plan), plan, here(), force)
