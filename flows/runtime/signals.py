"""Ends a command early: on a signal, or when the server that it started has died.

SIGTERM and SIGHUP end a command as Ctrl-C does: workers end, Prefect records the state, results stay. A command that
still runs after PATIENCE seconds, for example because it waits for a dead server, is killed with its processes.
"""

import os
import shutil
import signal
import sys
import threading
import time
from types import FrameType

STAYS = "finished stages stay, and the same command continues from the last of them"
INTERRUPTED = f"interrupted: {STAYS}"
PATIENCE = 6.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: list[int] = []
_unreported = threading.Lock()


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received; code that handles Ctrl-C handles it too."""


def heed_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, unless they are ignored, as under `nohup`.

    A thread enforces the end. It reads signals from a pipe, because Prefect replaces the handler of SIGTERM while a
    flow runs, and Python writes the number of every signal to the pipe whatever its handler is.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_enforce, args=(reading,), daemon=True).start()


def code_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that a signal ended, by the convention of shells."""
    return 128 + (interrupt.args[0] if isinstance(interrupt, Stopped) else signal.SIGINT)


def report(line: str) -> None:
    """Print why the command ends, but only the first time: later reasons are consequences of the first."""
    if _unreported.acquire(blocking=False):
        print(line, file=sys.stderr, flush=True)


def leave(line: str, code: int) -> None:
    """Print `line`, or else the signal that was received; then kill this process and all that it started."""
    import psutil  # not at the top, so that `den --help` does not load it

    report(INTERRUPTED if _received else line)
    started = psutil.Process().children(recursive=True)
    for process in started:
        process.kill()
    psutil.wait_procs(started, timeout=1)
    _tidy()
    os._exit(128 + _received[0] if _received else code)


def _tidy() -> None:
    """Clean up as a normal exit would: remove the socket of the fork server of workers, and show the cursor."""
    from multiprocessing import util

    shutil.rmtree(util.get_temp_dir(), ignore_errors=True)
    if sys.stderr.isatty():
        print("\x1b[?25h", end="", file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    for later in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(later, signal.SIG_IGN)  # a service manager sends both
    raise Stopped(number)


def _enforce(reading: int) -> None:
    """Wait for a signal that ends the process; kill the process if it is still alive after PATIENCE seconds."""
    while (number := os.read(reading, 1)[0]) not in SIGNALS:
        pass
    _received.append(number)
    time.sleep(PATIENCE)
    leave(INTERRUPTED, 128 + number)
