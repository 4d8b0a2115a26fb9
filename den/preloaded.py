"""The modules that the process loads from which workers are forked; importing this also reads their source.

Fingerprint and commit then belong to the loaded code, even if the files change while a worker runs. The import itself
must do this, because the forking process imports modules and calls nothing.
"""

from den import execution, harness, provenance, sources
from den.methods import METHODS
from den.streams import STREAMS, own_data

__all__ = ["execution"]

sources.digest([*(kind.__module__ for kind in METHODS.values()), *(f"den.streams.{name}" for name in STREAMS)])
sources.digest([harness.__name__, own_data.__name__])
provenance.code()
