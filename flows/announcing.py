"""What a benchmark leaves in Prefect for people and automations: its table and figures, its links, and an event."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.artifacts import create_image_artifact, create_link_artifact, create_table_artifact
from prefect.events import emit_event

from flows import tracking
from flows.reporting import ACCEPTED
from reports import printed, tables

EVENT = "den.benchmark.ended"
KEYS = ["stream", "method", "seed", "after_task", "task", "score"]


def announce(suite: str, records: Sequence[Mapping[str, Any]], failures: Mapping[str, str], report: Path) -> str:
    """Leave the artifacts of a finished benchmark, emit the event EVENT, and return the verdict in it."""
    collected = tables.collect(records, suite)
    found = verdict(suite, collected, failures)
    for stream in collected.streams:
        rows = printed.results(collected.of(stream=stream)).to_dict("records")
        create_table_artifact(rows, key=_key("results", suite, stream), description=f"{suite}, {stream}: {found}")
        for figure in sorted((report / "figures" / stream).glob("*.png")):
            create_image_artifact(_inline(figure), key=_key("figure", suite, stream, figure.stem))
    create_link_artifact((report / "index.html").absolute().as_uri(), "report", key=_key("report", suite))
    create_link_artifact(tracking.address(), "MLflow", key=_key("mlflow", suite))
    about = {"verdict": found, "suite": suite, "cells": len(records), "failures": dict(failures)}
    emit_event(EVENT, resource={"prefect.resource.id": f"den.suite.{suite}", "verdict": found}, payload=about)
    return found


def verdict(suite: str, collected: tables.Tables, failures: Mapping[str, str]) -> str:
    """Return `failed` where cells failed, or how the scores stand to the accepted ones.

    `unchanged`: the same to the last bit wherever both are; `changed`; or `new` where none is accepted.
    """
    if failures:
        return "failed"
    if not (ACCEPTED / suite).exists():
        return "new"
    accepted = tables.read(ACCEPTED / suite).scores.set_index(KEYS)["value"]
    present = collected.scores.set_index(KEYS)["value"]
    both = pd.concat([accepted, present], axis=1, join="inner")
    return "new" if both.empty else "unchanged" if both.iloc[:, 0].equals(both.iloc[:, 1]) else "changed"


def _key(*parts: str) -> str:
    """Return a key as Prefect wants it: lower-case letters, numbers and dashes."""
    return "-".join(parts).lower().replace("_", "-")


def _inline(figure: Path) -> str:
    return f"data:image/png;base64,{b64encode(figure.read_bytes()).decode()}"
