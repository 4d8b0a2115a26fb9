"""What cells' processes are forked from: the library, loaded, and its source, read at the same moment.

A fingerprint and a commit are then of the code that is loaded, whatever happens to the files while a worker lives.
Reading is an effect of the import, since the process that forks others imports modules and calls nothing.
"""

from den import execution, harness, provenance, sources
from den.methods import METHODS
from den.streams import STREAMS

__all__ = ["execution"]

sources.digest([*(kind.__module__ for kind in METHODS.values()), *(f"den.streams.{name}" for name in STREAMS)])
sources.digest([harness.__name__])
provenance.code()
