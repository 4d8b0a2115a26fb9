"""MLflow, a mirror of the ledger: `tracker` is its door, and all other modules write or describe one part of it.

Everything here can be deleted and rebuilt from the ledger by `den sync`. An MLflow that fails never costs a result.
"""
