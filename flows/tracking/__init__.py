"""MLflow as a mirror of the ledger: `tracker` is the entry point; the other modules write or describe one part each.

`den sync` rebuilds all of it from the ledger. A failing MLflow never costs a result.
"""
