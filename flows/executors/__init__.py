"""Where a cell runs: in a process of this machine, on a work pool of Prefect, or on a Dask cluster.

All of them run the same flow of one cell, `cell_flow`, whose stages are the tasks in `stages`. An executor moves cells
and measurements between machines; it neither chooses cells nor judges results.
"""
