"""The ledger: the source of truth. Measurements and runs are added to it, and never changed.

`measurement`, `settings` and `run` define its content. `store` reads and writes it. `entry` and `index` make searches
fast.
"""

from den.ledger.entry import Entry
from den.ledger.measurement import CellResult, Columns, Machine, Measurement, Origin, Sizes
from den.ledger.run import Answer, Asked, Begun, Ended, Order, Planned, Run
from den.ledger.sealed import LedgerError
from den.ledger.store import Ledger, Places

__all__ = [
    "Answer",
    "Asked",
    "Begun",
    "CellResult",
    "Columns",
    "Ended",
    "Entry",
    "Ledger",
    "LedgerError",
    "Machine",
    "Measurement",
    "Order",
    "Origin",
    "Places",
    "Planned",
    "Run",
    "Sizes",
]
