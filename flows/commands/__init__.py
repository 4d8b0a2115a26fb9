"""The commands of `den`, one module per command, named like it.

A command reads options, calls the pipeline, the ledger and the reports, and prints. In `flows` only `cli` imports from
here. Several commands share `console`, `terminal_tables`, `options`, `refusals` and `completion`; `lookup` serves `why`
and `rerun`, `checks` serves `doctor`, and `old_runs` serves `prune`.
"""
