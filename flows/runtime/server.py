"""Prefect's temporary server: started if none is configured, and ended with the process.

Prefect repeats requests to a server that is gone for minutes. A command whose server dies ends at once instead: all
results are in the ledger.
"""

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import closing, contextmanager
from contextvars import copy_context
from importlib import import_module
from itertools import count
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
from filelock import FileLock
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
    PREFECT_SERVER_LOGGING_LEVEL,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED,
    temporary_settings,
)

from den.config import SettingsError
from flows.runtime import addresses, dead_runs, signals

SPARING = {  # settings by which the temporary server and its clients leave the processors to the cells
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL: 15,  # seconds; the last batch is sent at the end
    PREFECT_SERVER_LOGGING_LEVEL: "CRITICAL",  # the command reports why it ends
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE: 1000,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL: 1,  # whole seconds; with less it never rests
}
CHECK = 2.0  # seconds for checking the database before the server starts: enough for some 300 MB
EVERY, BRIEF = 8, 0.2  # seconds between checks of the database during a run, and seconds per check
REMEDY = "move it away, and the next run makes a new one: it holds Prefect's history, no results"


@contextmanager
def sheltered() -> Iterator[None]:
    """Use Prefect's temporary server, with its expensive services off, unless a server is configured.

    It keeps no events, since no automation can use a server that ends with its run; it writes states of stages once a
    second instead of one by one; clients send logs every fifteen seconds instead of two. Together this is more than
    half of its work. Heartbeats are off too: they are events, and their thread takes up to a second to end.
    """
    with temporary_settings({} if PREFECT_API_URL.value() else SPARING):
        yield


@contextmanager
def answering() -> Iterator[None]:
    """Ensure that a server answers: the configured or a temporary one. If that dies, this process ends in one line.

    Marks runs of dead processes as crashed. Raises SettingsError if the server does not answer.
    """
    temporary, over = None if PREFECT_API_URL.value() else _start(), threading.Event()
    if temporary is not None:
        threading.Thread(target=_guard, args=(temporary, over), daemon=True).start()
    try:
        _mark()
        yield
    finally:
        over.set()


def load() -> None:
    """Import the module that starts the temporary server, unless a server is configured; it takes a second."""
    if not PREFECT_API_URL.value():
        import_module("prefect.server.api.server")


def refuse_damaged(patience: float = CHECK) -> None:
    """Raise SettingsError if the temporary server's database is damaged, as far as `patience` seconds can show."""
    if reason := damage(patience):
        raise SettingsError(f"{reason}; {REMEDY}")


def damage(patience: float = CHECK) -> str:
    """Return what is wrong with the temporary server's database; empty if nothing is seen in `patience` seconds."""
    path, end = Path(PREFECT_HOME.value()) / "prefect.db", time.monotonic() + patience
    if not path.is_file():
        return ""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            database.set_progress_handler(lambda: time.monotonic() > end, 10_000)
            (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:  # busy, or not looked at to the end
        return ""
    except sqlite3.DatabaseError as error:
        answer = str(error)
    return "" if answer == "ok" else f"{path} is damaged ({' '.join(answer.split())})"


def _start() -> Popen[Any]:
    """Start the temporary server; return its process. Raises SettingsError if it does not start.

    Two first servers at once would both make the tables of one database, and one would fail.
    """
    home = Path(PREFECT_HOME.value())
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "starting.lock"):
        refuse_damaged()
        return _launch()


def _launch() -> Popen[Any]:
    from prefect.server.api.server import SubprocessASGIServer

    server, started = SubprocessASGIServer(), Future[None]()
    threading.Thread(target=copy_context().run, args=(_get_client, started), daemon=True).start()
    first = None
    while not started.done():
        wait([started], timeout=0.1)
        first = first or server.server_process
        if first is not None and first.poll() is not None:  # Prefect would wait for it, or start it again and again
            server.stop()
            raise SettingsError(_ended("as it started", first, "look at the lines above"))
    try:
        started.result()
    except RuntimeError as error:
        raise SettingsError(f"Prefect's temporary server does not answer ({error}); run the command again") from None
    assert server.server_process is not None
    return server.server_process


def _get_client(started: Future[None]) -> None:
    """Let Prefect start its server with SIGINT and SIGHUP blocked, so that it survives Ctrl-C and records the end.

    A new process inherits the blocked signals of the thread that starts it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        get_client(sync_client=True)
    except Exception as error:  # raised again where the server is waited for
        started.set_exception(error)
    else:
        started.set_result(None)


def _guard(server: Popen[Any], over: threading.Event) -> None:
    """End this process if the server ends first, or its database is damaged: it would answer with errors alone."""
    for second in count(1):
        if over.wait(1.0):
            return
        if server.poll() is not None:
            signals.leave(_ended("under the run", server, signals.STAYS), 1)
        if second % EVERY == 0 and (reason := damage(BRIEF)):
            signals.leave(f"{reason}; {REMEDY}; {signals.STAYS}", 1)


def _ended(when: str, server: Popen[Any], otherwise: str) -> str:
    """Return one line: when the server ended and why, as far as database, signal or exit code show it."""
    code = server.returncode
    how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
    reason = damage()
    return f"Prefect's temporary server ended {when}, {how}: " + (f"{reason}; {REMEDY}" if reason else otherwise)


def _mark() -> None:
    """Mark runs whose process is gone. Raises SettingsError if the server does not answer, or only with errors."""
    try:
        dead_runs.mark()
    except httpx.TransportError as error:
        where = addresses.shown(PREFECT_API_URL.value() or "its own address")
        raise SettingsError(
            f"no Prefect server answers at {where} ({error}): start it, or unset PREFECT_API_URL to do without"
        ) from None
    except PrefectHTTPStatusError as error:
        if PREFECT_API_URL.value():
            raise
        answer = f"Prefect's temporary server cannot use its database ({error.response.status_code})"
        raise SettingsError(f"{answer}: {PREFECT_HOME.value() / 'prefect.db'}; {REMEDY}") from None
