"""`den prepare`: fetch raw data and prepare streams."""

from collections.abc import Sequence

from den import suites
from flows.data import stream_files
from flows.places import here


def prepare_streams(streams: Sequence[str], force: bool, overrides: Sequence[str] = ()) -> None:
    """Prepare these streams, by default those of all suites. Raises SettingsError, DataError or PreparationError.

    overrides: of the block `data`, whose streams lie in a folder of their own.
    """
    plan = suites.load(overrides=overrides)
    stream_files.prepare(streams or stream_files.of_suites(plan), plan, stream_files.places_of(plan, here()), force)
