"""Saved views of MLflow's list of runs, in tags of the experiment, where MLflow's button "Share" stores them.

A link that names a view opens it with its filter, its order and its columns.
"""

import json
from collections.abc import Mapping

TAG = "mlflow.sharedViewState."
CELLS, RUNS = "cells", "runs"
TRAINING = "workflowType=machine_learning"  # otherwise MLflow opens its pages for language models


def tags() -> dict[str, str]:
    """Return the views as tags of an experiment."""
    views = {CELLS: _cells(), RUNS: _runs()}
    return {f"{TAG}{name}": json.dumps(view) for name, view in views.items()}


def path(experiment: str, view: str = CELLS) -> str:
    """Return the path of an experiment's runs in a view, relative to the address of the server."""
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={view}&{TRAINING}"


def _cells() -> Mapping[str, object]:
    """Return the view of each cell's newest measurement, the best first; MLflow nests runs only in order of time."""
    columns = ["tags.`method`", "tags.`seed`", "metrics.`auroc/average`", "metrics.`final/capacity`", "tags.`verdict`"]
    condition = "tags.role = 'cell' and tags.newest = 'yes'"
    return _view(condition, "metrics.`auroc/average`", [*columns, "tags.`suites`"])


def _runs() -> Mapping[str, object]:
    """Return the view of runs, the newest first."""
    columns = ["tags.`verdict`", "tags.`trigger`", "tags.`measured`", "tags.`reused`", "tags.`number`"]
    return _view("tags.role = 'run'", "attributes.start_time", [*columns, "metrics.`auroc/den`"])


def _view(condition: str, order: str, columns: list[str]) -> Mapping[str, object]:
    facets = {"searchFilter": condition, "orderByKey": order, "orderByAsc": False}
    return facets | {"selectedColumns": columns, "runListHidden": False}
