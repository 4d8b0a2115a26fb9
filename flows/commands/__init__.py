"""What the commands of `den` do, one module per command, named like it.

Commands talk to people: they read options, call the pipeline, the ledger and the reports, and print. Nothing else in
`flows` imports from here but `cli`, which declares the options. `console`, `options`, `refusals` and `completion` are
what several commands share; `checks` belongs to `doctor`, `old_runs` to `prune`.
"""
