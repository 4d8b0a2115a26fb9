"""`den ledger`: export, import and check the measurements and runs of the ledger."""

import sys
from pathlib import Path

import click


@click.group(name="ledger")
def ledger_commands() -> None:
    """Export, import and check the measurements and runs of the ledger."""


@ledger_commands.command(name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--run", "run_id", metavar="ID", default="", help="Only this run and the measurements of its cells.")
def export_ledger(file: Path, run_id: str) -> None:
    """Write measurements and runs to FILE, for `den ledger import` on another machine."""
    from den.ledger import Ledger
    from flows.places import of_project

    print(f"{Ledger.of(of_project()).export(file, run_id)} measurements and run files written to {file}")


@ledger_commands.command(name="import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def import_ledger(file: Path) -> None:
    """Add the measurements and runs of an exported FILE or an accepted folder to the ledger.

    Changes nothing that the ledger has. Exits with 1 if FILE has damaged lines.
    """
    from den.ledger import Ledger
    from flows.places import of_project
    from reports.accepted_results import MEASUREMENTS

    imported = Ledger.of(of_project()).take(file / MEASUREMENTS if file.is_dir() else file)
    print(f"{imported.added} added, {imported.present} were there")
    for fault in imported.faults:
        print(f"left out: {fault}", file=sys.stderr)
    sys.exit(1 if imported.faults else 0)


@ledger_commands.command(name="check")
def check_ledger() -> None:
    """Read every file of the ledger. Exits with 1 if a file is damaged."""
    from den.ledger import Ledger
    from flows.places import of_project

    ledger = Ledger.of(of_project())
    faults = ledger.check()
    for path, fault in faults.items():
        print(f"{path}: {fault}", file=sys.stderr)
    print(f"{len(ledger.entries())} measurements, {len(ledger.runs())} runs, {len(faults)} damaged files")
    sys.exit(1 if faults else 0)
