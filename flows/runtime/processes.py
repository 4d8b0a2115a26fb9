"""Processes of this machine: their names, whether they are alive, and the locks that they hold."""

import fcntl
import platform
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout


def own_name() -> str:
    """Return the name of this process: host, number and creation time."""
    process = psutil.Process()
    return f"{platform.node()}/{process.pid}/{process.create_time():.0f}"


def is_dead(name: str) -> bool:
    """Return whether a name belongs to a process of this machine that has died."""
    host, *numbers = name.split("/")
    if host != platform.node() or len(numbers) != 2:
        return False
    number, created = map(int, numbers)
    try:
        return abs(psutil.Process(number).create_time() - created) > 1
    except psutil.NoSuchProcess:
        return True


def try_lock(path: Path) -> FileLock | None:
    """Return an acquired lock, or None if another process holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def is_held(path: Path) -> bool:
    """Return whether a living process holds a lock.

    Tries a shared lock and releases it at once. /proc/locks cannot be used: it omits the locks of other containers, and
    some file systems have other names there.
    """
    with suppress(FileNotFoundError), path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
