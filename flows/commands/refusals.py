"""Errors that a user can mend: one line with advice and exit code 2, never a traceback."""

import errno
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from flows.commands import characters, words
from flows.runtime import addresses, signals

ADVICE = {  # by the error of a file or disk
    errno.EACCES: "change its permissions",
    errno.EEXIST: "something else has this name; move it away",
    errno.EISDIR: "a folder is in the place of a file; move it away",
    errno.ENAMETOOLONG: "move the project to a shorter path",
    errno.ENOENT: "run the command in the project's folder, or restore it from git",
    errno.ENOSPC: "free some space; the same command continues from the last finished stage",
    errno.ENOTDIR: "a file is in the place of a folder; move it away",
    errno.EROFS: "run the command in a place where it can write",
}


class Refused(click.ClickException):
    """A command that cannot be carried out; the message has one line per reason."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the lines to standard error; an indented line continues the line before it."""
        for line in re.sub(r"\n\s+", " ", self.format_message()).splitlines():
            print(f"den: {line}", file=file or sys.stderr)


class Commands(click.Group):
    """Commands that report user errors in one line with exit code 2, and that clean up when a signal ends them.

    groups: the names of the commands, by the heading under which the help lists them.
    """

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.groups = groups

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in groups, each with the whole of its summary."""
        width = max(map(len, self.commands))
        for heading, names in self.groups.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), words.summary(self.commands[name].help)) for name in names])

    def main(self, args: Any = None, *more: Any, **options: Any) -> Any:
        """Run the command of `args`, or of this process's command line."""
        if args is None:
            characters.make_printable()
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
            if message := _message(error):
                raise Refused(addresses.without_secrets(message)) from None
            raise


def _help(error: click.UsageError) -> str:
    """Return the command that prints the usage."""
    command = error.ctx.command_path if error.ctx else "den"
    return f"(`{command} --help` shows its options)"


def _message(error: Exception) -> str:
    """Return an error's message with advice; empty if the error is a defect of this program."""
    if isinstance(error, _user_errors()) or isinstance(error, FileNotFoundError) and error.errno is None:  # our own
        return str(error)
    if isinstance(error, OSError) and error.errno in ADVICE:
        return f"{error.filename or 'writing'}: {error.strerror}; {ADVICE[error.errno]}"
    return ""


def _user_errors() -> tuple[type[Exception], ...]:
    """Return the errors whose messages advise the user; imported here, so that `den --help` starts fast."""
    from den.config import SettingsError
    from den.execution import OtherCode, OutOfMemory
    from den.ledger import LedgerError
    from den.searches import Busy
    from den.streams.prepared import DataError
    from den.training import Diverged
    from den.worker import CellFailed
    from flows.data.stream_files import PreparationError

    return SettingsError, DataError, LedgerError, Busy, OtherCode, OutOfMemory, CellFailed, Diverged, PreparationError
