"""The preparation of data as a flow, for a schedule or a fresh machine."""

from collections.abc import Sequence

import prefect

from den import suites
from flows.data import stream_files
from flows.pipeline import tasks
from flows.places import here
from flows.runtime import checkout


@prefect.flow(name="prepare", flow_run_name="prepare")
def prepare(streams: Sequence[str] = (), force: bool = False) -> None:
    """Fetch raw data and prepare these streams, by default those of all suites; leave prepared ones as they are."""
    checkout.refuse_other_commit()
    plan = suites.load()
    tasks.fetch(streams or stream_files.of_suites(plan), plan, here(), force)
