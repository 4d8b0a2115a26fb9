"""How a command ends before its time: by a signal, or because the server that it started is gone.

SIGTERM and SIGHUP end a command as Ctrl-C does: workers end, Prefect records the state, results stay. What has not
ended after PATIENCE seconds, for example because it asks a server that is gone, ends by force, with all it started.
"""

import os
import shutil
import signal
import sys
import threading
import time
from types import FrameType

STAYS = "what is finished stays, and the same command goes on from the last finished stage"
INTERRUPTED = f"interrupted: {STAYS}"
PATIENCE = 6.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_received: list[int] = []
_unsaid = threading.Lock()


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received; what handles Ctrl-C handles it too."""


def heed_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, unless they are ignored, as under `nohup`.

    While a flow runs, Prefect has a handler of its own for SIGTERM. Python writes the number of a signal to the pipe
    whatever its handler.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_enforce, args=(reading,), daemon=True).start()


def code_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that a signal ended, as a shell has it."""
    return 128 + (interrupt.args[0] if isinstance(interrupt, Stopped) else signal.SIGINT)


def report(line: str) -> None:
    """Print why the command ends, once: what comes later is a consequence of the first."""
    if _unsaid.acquire(blocking=False):
        print(line, file=sys.stderr, flush=True)


def leave(line: str, code: int) -> None:
    """End this process and all that it started, at once; a signal that was received is reported instead."""
    import psutil  # here, so that `den --help` does not load it

    report(INTERRUPTED if _received else line)
    started = psutil.Process().children(recursive=True)
    for process in started:
        process.kill()
    psutil.wait_procs(started, timeout=1)
    _tidy()
    os._exit(128 + _received[0] if _received else code)


def _tidy() -> None:
    """Do what an orderly end does: remove the socket of the process that workers are forked from, show the cursor."""
    from multiprocessing import util

    shutil.rmtree(util.get_temp_dir(), ignore_errors=True)
    if sys.stderr.isatty():
        print("\x1b[?25h", end="", file=sys.stderr, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # a service manager sends both
    raise Stopped(number)


def _enforce(reading: int) -> None:
    """Wait for a signal that ends the process; end it by force if it lives on."""
    while (number := os.read(reading, 1)[0]) not in SIGNALS:
        pass
    _received.append(number)
    time.sleep(PATIENCE)
    leave(INTERRUPTED, 128 + number)
