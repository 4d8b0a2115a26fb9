"""The Prefect flows and tasks: the benchmark, the search, the preparation of data, and what they leave behind.

A flow here is what `prefect.yaml` deploys. It decides the order of work; how a cell is run stands in `executors`, how a
run is judged in `judging`, what MLflow shows in `tracking`.
"""
