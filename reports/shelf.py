"""The former names of `accepted_results` and `outputs`, until their users follow."""

from reports.accepted_results import ACCEPTED
from reports.accepted_results import read_cells as accepted_cells
from reports.accepted_results import read_tables as accepted
from reports.outputs import OUT, latest

__all__ = ["ACCEPTED", "OUT", "accepted", "accepted_cells", "latest"]
