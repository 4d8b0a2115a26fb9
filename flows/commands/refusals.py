"""What the command line refuses: a line that says what to do, and exit code 2, never a traceback."""

import errno
import re
import sys
from typing import Any

import click

from flows.runtime import addresses, signals

OTHERWISE = {  # what a person can do about a file or a disk that is not as it should be
    errno.EACCES: "give yourself the right to it",
    errno.EEXIST: "something else stands where this belongs; move it away",
    errno.EISDIR: "a folder stands where a file belongs; move it away",
    errno.ENAMETOOLONG: "move the project to a shorter path",
    errno.ENOENT: "run the command in the project's folder, or restore it from git",
    errno.ENOSPC: "make room; the same command goes on from the last finished stage",
    errno.ENOTDIR: "a file stands where a folder belongs; move it away",
    errno.EROFS: "run the command where it can write",
}


class Refused(click.ClickException):
    """What was asked cannot be done; one line says why, or one for each of several reasons."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the lines on standard error; those that are indented continue the one before."""
        for line in re.sub(r"\n\s+", " ", self.format_message()).splitlines():
            click.echo(f"den: {line}", file=file or sys.stderr)


class Commands(click.Group):
    """Commands whose user errors end in one line and exit code 2, and which end on signals with nothing left behind."""

    def main(self, args: Any = None, *more: Any, **options: Any) -> Any:
        """Run the command of `args`, or of this process's command line."""
        if args is None:
            signals.heed_signals()
        return super().main(args, *more, **options)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as interrupt:
            sys.exit(signals.code_of(interrupt))
        except click.UsageError as error:
            raise Refused(f"{error.format_message()} {_help(error)}") from None
        except (ValueError, RuntimeError, OSError) as error:
            if said := _said(error):
                raise Refused(addresses.without_secrets(said)) from None
            raise


def _help(error: click.UsageError) -> str:
    """Return where to read how the command is used."""
    command = error.ctx.command_path if error.ctx else "den"
    return f"(`{command} --help` shows what it takes)"


def _said(error: Exception) -> str:
    """Return what a person can do about an error, or nothing where it is a fault of ours."""
    if isinstance(error, _telling()) or isinstance(error, FileNotFoundError) and error.errno is None:  # ours, in words
        return str(error)
    if isinstance(error, OSError) and error.errno in OTHERWISE:
        return f"{error.filename or 'writing'}: {error.strerror}; {OTHERWISE[error.errno]}"
    return ""


def _telling() -> tuple[type[Exception], ...]:
    """Return the errors that tell a user what to do; here, so that `den --help` imports none of it."""
    from den.config import SettingsError
    from den.execution import OtherCode, OutOfMemory
    from den.ledger import LedgerError
    from den.searches import Busy
    from den.streams.prepared import DataError
    from den.training import Diverged
    from den.worker import CellFailed
    from flows.data.stream_files import PreparationError

    return SettingsError, DataError, LedgerError, Busy, OtherCode, OutOfMemory, CellFailed, Diverged, PreparationError
