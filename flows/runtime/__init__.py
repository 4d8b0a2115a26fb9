"""What stands around a run on this machine: Prefect's server, processes, signals, progress, estimates, run records.

Modules here know nothing of suites' results. They start things, watch them and end them.
"""
