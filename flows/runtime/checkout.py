"""The commit that a deployment was made for: a worker's checkout stays where somebody left it, so others are refused.

The worker neither fetches nor changes its checkout: other runs may be at work in it.
"""

import os

from den import provenance
from den.config import SettingsError

COMMIT = "DEN_COMMIT"  # prefect.yaml sets it in the runs of a deployment
SHOWN = 12  # digits of a commit


def refuse_other_commit() -> None:
    """Raise SettingsError, naming both, if this run's deployment was made for another commit than is here."""
    expected, here = os.environ.get(COMMIT), provenance.code()["commit"]
    if expected and expected != here:
        at = f"at commit {here[:SHOWN]}" if here else "at no commit"
        raise SettingsError(
            f"the deployment was made for commit {expected[:SHOWN]}, {provenance.ROOT} is {at}: "
            f"`git fetch && git checkout {expected[:SHOWN]}` there, or `prefect deploy --all` from the commit to run"
        )
