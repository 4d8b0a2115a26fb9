"""The commands of `den`, one module per command, named like it.

A command reads options, calls the pipeline, the ledger and the reports, and prints. In `flows` only `cli` imports from
here. Several commands share `console`, `terminal_tables`, `characters`, `options`, `refusals` and `completion`;
`lookup` serves `why` and `rerun`, `effective` serves `run`, `checks` serves `doctor`, and `old_runs` serves `prune`.
`listing` is the module of `den list`, since `list` is a name of Python.
"""
