"""Refuses a deployment's run if its commit differs from that of the worker's checkout.

A worker never updates its checkout: other runs may be using it.
"""

import os

from den import provenance
from den.config import SettingsError

COMMIT = "DEN_COMMIT"  # prefect.yaml sets it in the runs of a deployment
DIGITS = 12  # of a commit in messages


def refuse_other_commit() -> None:
    """Raise SettingsError if this run's deployment was made for another commit than that of this checkout."""
    expected, actual = os.environ.get(COMMIT), provenance.code()["commit"]
    if expected and expected != actual:
        at = f"at commit {actual[:DIGITS]}" if actual else "at no commit"
        raise SettingsError(
            f"the deployment was made for commit {expected[:DIGITS]}, {provenance.ROOT} is {at}: "
            f"`git fetch && git checkout {expected[:DIGITS]}` there, or `prefect deploy --all` from the commit to run"
        )
