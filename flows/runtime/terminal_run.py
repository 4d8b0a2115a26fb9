"""A flow that is run from a terminal: what has to stand around it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from flows.runtime import dead_runs, quiet_logs, server
from flows.runtime.progress import Watcher
from flows.runtime.run_context import RunContext, entered


@contextmanager
def terminal_run(watcher: Watcher, meanwhile: Sequence[Callable[[], object]] = ()) -> Iterator[None]:
    """Run flows inside: on a server that answers, watched, and with all states recorded at the end.

    meanwhile: what to do while the server starts; failures are ignored.
    """
    with dead_runs.named(), server.sheltered(), _started(meanwhile), quiet_logs.quiet(), entered(RunContext(watcher)):
        yield


@contextmanager
def _started(meanwhile: Sequence[Callable[[], object]]) -> Iterator[None]:
    """Start Prefect's server, and do the rest side by side."""
    server.load()  # first: two threads that import packages with circular imports at once fail at times
    with ThreadPoolExecutor(1) as aside:
        for work in meanwhile:
            aside.submit(work)
        with server.answering():
            yield
