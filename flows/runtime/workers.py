"""The workers of a benchmark: who is at work, and sending all home when it is interrupted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from den.worker import Worker

_at_work: set[Worker] = set()


@contextmanager
def member(worker: Worker) -> Iterator[None]:
    """Count `worker` among those at work."""
    _at_work.add(worker)
    try:
        yield
    finally:
        _at_work.discard(worker)


@contextmanager
def dismissed(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Where the code inside is interrupted, begin no other cell of `pool` and end the workers."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in tuple(_at_work):
            worker.kill()
        raise
