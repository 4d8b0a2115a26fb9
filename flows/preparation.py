"""The preparation of data as a flow of its own, for a schedule or a fresh machine."""

from collections.abc import Sequence

import prefect

from den import suites
from den.ledger import Places
from flows import datasets

PAUSES = (5.0, 20.0, 60.0)  # seconds before another try: a source of raw data may be down for a while


@prefect.flow(name="prepare", flow_run_name="prepare", retries=len(PAUSES), retry_delay_seconds=PAUSES[0])
def prepare(streams: Sequence[str] = (), force: bool = False) -> None:
    """Fetch raw data and prepare the streams named, or those of all suites; what lies there already is left."""
    plan = suites.load()
    datasets.prepare(streams or datasets.of_suites(plan), plan, Places(), force)
