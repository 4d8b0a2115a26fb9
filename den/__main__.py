"""python -m den CELL.json: measure one cell without orchestration."""

import argparse
import json
import sys
from pathlib import Path

from den.cells import Cell
from den.config import SettingsError, read
from den.execution import execute
from den.ledger import LedgerError, Order, Places
from den.streams.prepared import DataError
from den.training import Diverged, set_up_torch


def main() -> int:
    """Measure the cell that the command line names; return 0, 1 if it fails, or 2 if it is refused."""
    options = _options()
    places = Places(options.data, options.ledger, options.index, options.work)
    try:
        cell = read(Cell, json.loads(options.cell.read_text(encoding="utf-8")), str(options.cell))
        set_up_torch()
        order = Order(again=options.again)
        measurement = execute(cell, places, order, announce=lambda title: print(title, file=sys.stderr))
    except (SettingsError, DataError, LedgerError, OSError, json.JSONDecodeError) as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except Diverged as failure:
        print(failure, file=sys.stderr)
        return 1
    print(measurement.id)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m den", description="Measure one cell; prints the measurement's id.")
    parser.add_argument("cell", type=Path, help="JSON file: stream, method, seed, other settings")
    parser.add_argument("--again", action="store_true", help="measure it even if a current measurement exists")
    for name, default in vars(Places()).items():
        parser.add_argument(f"--{name}", type=Path, default=default, help=f"default: {default}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
