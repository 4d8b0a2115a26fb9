"""`den ledger`: export, import and check what lies in the ledger."""

import sys
from pathlib import Path

import click


@click.group()
def ledger() -> None:
    """Export and import measurements and runs, and check what lies in the ledger."""


@ledger.command(name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--run", "run_id", metavar="ID", default="", help="Only this run and the measurements that answer it.")
def export_ledger(file: Path, run_id: str) -> None:
    """Write measurements and runs to FILE, which `den ledger import` takes on another machine."""
    from den.ledger import Ledger
    from flows.places import here

    click.echo(f"{Ledger.of(here()).export(file, run_id)} measurements and run files written to {file}")


@ledger.command(name="import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def import_ledger(file: Path) -> None:
    """Add what an exported FILE, or an accepted folder, holds; nothing in the ledger is changed.

    Exits with 1 if lines of it are damaged.
    """
    from den.ledger import Ledger
    from flows.places import here
    from reports.accepted_results import MEASUREMENTS

    taken = Ledger.of(here()).take(file / MEASUREMENTS if file.is_dir() else file)
    click.echo(f"{taken.added} added, {taken.present} were there")
    for fault in taken.faults:
        click.echo(f"left out: {fault}", err=True)
    sys.exit(1 if taken.faults else 0)


@ledger.command(name="check")
def check_ledger() -> None:
    """Read every file of the ledger. Exits with 1 if any is damaged."""
    from den.ledger import Ledger
    from flows.places import here

    own = Ledger.of(here())
    faults = own.check()
    for path, fault in faults.items():
        click.echo(f"{path}: {fault}", err=True)
    click.echo(f"{len(own.entries())} measurements, {len(own.runs())} runs, {len(faults)} damaged files")
    sys.exit(1 if faults else 0)
