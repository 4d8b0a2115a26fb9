"""What the parts of one run share: its watcher, the workers at work, and the task runs whose ends it waits for.

Flows and tasks take plain values, which Prefect records; this object travels beside them in one context variable. A run
that nobody watches, as under a deployment, uses the default context.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from den.worker import Worker
from flows.runtime import task_states
from flows.runtime.progress import Watcher


@dataclass
class RunContext:
    """The watcher of a run, its workers, the ids of its task runs, and whether the run was interrupted."""

    watcher: Watcher = field(default_factory=Watcher)
    workers: set[Worker] = field(default_factory=set)
    task_runs: list[UUID] = field(default_factory=list)
    interrupted: bool = False

    @contextmanager
    def at_work(self, worker: Worker) -> Iterator[None]:
        """Count the worker among those at work while the context lasts."""
        self.workers.add(worker)
        try:
            yield
        finally:
            self.workers.discard(worker)

    @contextmanager
    def killing_workers(self, pool: ThreadPoolExecutor) -> Iterator[None]:
        """If the code inside is interrupted or fails, start no other cell of the pool and kill all workers."""
        self.interrupted = False
        try:
            yield
        except BaseException:
            self.interrupted = True
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in tuple(self.workers):
                worker.kill()
            raise


_context: ContextVar[RunContext] = ContextVar("run_context", default=RunContext())  # noqa: B039  shared on purpose


def current() -> RunContext:
    """Return the context of the current run."""
    return _context.get()


@contextmanager
def entered(context: RunContext) -> Iterator[None]:
    """Run the code inside in this context, then wait until Prefect has recorded how its task runs ended.

    Ctrl-C is not delayed by the wait.
    """
    with closing(context.watcher):
        token = _context.set(context)
        try:
            yield
        except KeyboardInterrupt:
            context.task_runs.clear()
            raise
        finally:
            _context.reset(token)
            task_states.wait_until_final(context.task_runs)
