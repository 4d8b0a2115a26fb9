"""What a benchmark leaves in Prefect for people and automations: its table and figures, its links, and an event."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from prefect.artifacts import create_image_artifact, create_link_artifact, create_table_artifact
from prefect.events import emit_event

from flows import tracking
from flows.verdicts import Verdict
from reports import printed, tables

EVENT = "den.benchmark.ended"


def announce(
    suite: str, records: Sequence[Mapping[str, Any]], failures: Mapping[str, str], report: Path | None, verdict: Verdict
) -> None:
    """Leave the artifacts of a benchmark, of which there is a report, and emit the event EVENT with the verdict."""
    if report is not None:
        _leave(suite, tables.collect(records, suite), report, verdict)
    about = {"verdict": verdict.word, "suite": suite, "cells": len(records), "failures": dict(failures)}
    about |= {"changes": list(verdict.changes)}
    emit_event(EVENT, resource={"prefect.resource.id": f"den.suite.{suite}", "verdict": verdict.word}, payload=about)


def _leave(suite: str, collected: tables.Tables, report: Path, verdict: Verdict) -> None:
    for stream in collected.streams:
        rows = printed.results(collected.of(stream=stream))
        _table(_key("results", suite, stream), rows, f"{suite}, {stream}: {verdict.of(stream)}")
        if judged := verdict.table(stream):
            _table(_key("verdict", suite, stream), judged.rows, judged.note)
        for figure in sorted((report / "figures" / stream).glob("*.png")):
            create_image_artifact(_inline(figure), key=_key("figure", suite, stream, figure.stem))
    create_link_artifact((report / "index.html").absolute().as_uri(), "report", key=_key("report", suite))
    create_link_artifact(tracking.address(), "MLflow", key=_key("mlflow", suite))


def _table(key: str, rows: pd.DataFrame, description: str) -> None:
    create_table_artifact(rows.to_dict("records"), key=key, description=description)


def _key(*parts: str) -> str:
    """Return a key as Prefect wants it: lower-case letters, numbers and dashes."""
    return "-".join(parts).lower().replace("_", "-")


def _inline(figure: Path) -> str:
    return f"data:image/png;base64,{b64encode(figure.read_bytes()).decode()}"
