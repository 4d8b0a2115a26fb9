"""The preparation of data as a flow of its own, for a schedule or a fresh machine."""

from collections.abc import Sequence

import prefect

from den import suites
from flows import checkout, datasets, steps
from flows.places import here


@prefect.flow(name="prepare", flow_run_name="prepare")
def prepare(streams: Sequence[str] = (), force: bool = False) -> None:
    """Fetch raw data and prepare the streams named, or those of all suites; what lies there already is left."""
    checkout.refuse_other_commit()
    plan = suites.load()
    steps.fetch(streams or datasets.of_suites(plan), plan, here(), force)
