"""The surroundings of a run: Prefect's server, processes, signals, progress, estimates and the run's ledger entries.

These modules start, watch and end processes and runs; they do not judge, report or track results.
"""
