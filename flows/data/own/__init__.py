"""Own data: files of the user's as streams. Each kind of file is one module; `preparing` writes what all of them give.

The file stays where it is; only the prepared arrays are written, below data/streams.
"""
