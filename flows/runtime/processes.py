"""Processes of this machine: what they are called, whether they live, and the locks that they hold."""

import fcntl
import platform
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout


def own_name() -> str:
    """Return host, number and creation time of this process."""
    process = psutil.Process()
    return f"{platform.node()}/{process.pid}/{process.create_time():.0f}"


def is_dead(name: str) -> bool:
    """Return whether a name is that of a process of this machine that is gone."""
    host, *numbers = name.split("/")
    if host != platform.node() or len(numbers) != 2:
        return False
    number, created = map(int, numbers)
    try:
        return abs(psutil.Process(number).create_time() - created) > 1
    except psutil.NoSuchProcess:
        return True


def taken(path: Path) -> FileLock | None:
    """Return a lock, taken, or None if another process has it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def is_held(path: Path) -> bool:
    """Return whether a living process holds a lock.

    The kernel cannot be asked without a lock of one's own: /proc/locks lists none of other containers, and not every
    file system under the names it has here. This one is shared and let go at once.
    """
    with suppress(FileNotFoundError), path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
