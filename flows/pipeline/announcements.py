"""What a run leaves in Prefect for people and automations: a line of scores, a tag, artifacts and an event.

Nothing of it names a file of this machine, which no browser elsewhere can open, and no address holds a password.
"""

import hashlib
import json
import logging
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import prefect
from prefect.artifacts import (
    Artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import MissingContextError
from prefect.runtime import flow_run

from den.ledger import CellResult, Run
from flows.pipeline.outcome import Outcome
from flows.runtime import addresses
from flows.tracking import tracker
from reports import estimates, labels, published_numbers, text_tables

EVENT = "den.benchmark.ended"
TAG = "verdict:"
WHEN = "%Y-%m-%d %H:%M"
MARK = 12  # characters of the hash by which tables and figures that were left before are recognised


def announce(outcome: Outcome, report: Path | None) -> None:
    """Log the scores, tag the flow run, leave its artifacts and emit the event EVENT.

    Tables and figures are left only if they differ from those that Prefect has last.
    """
    suite, word, line = outcome.run.suite, outcome.verdict.word, score_line(outcome)
    _logger().info(line)
    tag_run(word)
    create_markdown_artifact(_summary(outcome, line), key=_key("run", suite), description=word)
    if (address := addresses.link(tracker.address())) is not None:
        create_link_artifact(address, "MLflow", key=_key("mlflow", suite))
    for stream in _streams(outcome):
        _leave(outcome, stream, report)
    emit_event(EVENT, resource=_resource(outcome.run), payload=_payload(outcome))


def score_line(outcome: Outcome) -> str:
    """Return one line: the mean main score per stream and method, and the verdict."""
    parts = [_scores(stream, outcome.results) for stream in _streams(outcome)]
    return " · ".join([*parts, f"verdict {_verdict(outcome.run)}"])


def tag_run(word: str) -> None:
    """Tag the current flow run with its verdict, in the place of an earlier attempt's; none runs: do nothing."""
    if not flow_run.id:
        return
    id = UUID(str(flow_run.id))
    with get_client(sync_client=True) as client:
        others = [tag for tag in client.read_flow_run(id).tags if not tag.startswith(TAG)]
        client.update_flow_run(id, tags=[*others, f"{TAG}{word}"])


def name_of_flow_run() -> str:
    """Return the name of the current flow run, after the time it was scheduled for."""
    return labels.run(str(flow_run.parameters["suite"]), flow_run.scheduled_start_time)


def _streams(outcome: Outcome) -> list[str]:
    return outcome.tables.streams if outcome.results else []


def _leave(outcome: Outcome, stream: str, report: Path | None) -> None:
    """Leave tables and figures of one stream, unless Prefect has the same from an earlier run."""
    suite = outcome.run.suite
    title = f"{suite}, {labels.stream(stream)}"
    if judged := outcome.judged[stream]:
        rows = judged.rows.to_dict("records")
        _leave_table(_key("verdict", suite, stream), rows, f"{title}: {judged.note}", _mark(rows))
    results = [result for result in outcome.results if result.measurement.stream == stream]
    rows = text_tables.summary(outcome.tables.of(stream)).to_dict("records")
    bits = _mark(sorted((result.title, result.measurement.digest) for result in results))
    new = _leave_table(_key("results", suite, stream), rows, title, bits)
    for figure in sorted((report / "figures" / stream).glob("*.png")) if new and report else ():
        create_image_artifact(_inline(figure), key=_key("figure", suite, stream, figure.stem))


def _leave_table(key: str, rows: list[dict[Any, Any]], title: str, mark: str) -> bool:
    """Leave a table unless the last one under its key has the same mark; return whether it is new."""
    latest: Any = Artifact.get(key)
    if latest is not None and mark in (latest.description or ""):
        return False
    create_table_artifact(rows, key=key, description=f"{title} (content {mark})")
    return True


def _mark(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:MARK]


def _summary(outcome: Outcome, line: str) -> str:
    """Return the line of scores, remarks, failures, and the origin of a run, as Markdown."""
    counts = ", ".join(f"{count} {kind}" for kind, count in _counts(outcome).items())
    run, begun = outcome.run, outcome.run.begun
    place = f"Run `{run.id}` of **{run.suite}**, begun {begun.started.astimezone(UTC):{WHEN}} UTC by {begun.trigger}"
    remarks = [f"- {remark}" for remark in (run.ended.remarks if run.ended else ())]
    failures = [f"- failed: {title}: {reason}" for title, reason in (run.ended.failures if run.ended else {}).items()]
    paragraphs = [f"**{line}**", "\n".join(remarks + failures), f"{place}, on {begun.machine.label}: cells {counts}."]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _scores(stream: str, results: Sequence[CellResult]) -> str:
    score = published_numbers.main_score(stream)
    own = [result for result in results if result.measurement.stream == stream]
    values: dict[str, list[float]] = {}
    for result in own:
        if (value := result.measurement.values().get(score, {}).get("average")) is not None:
            values.setdefault(result.name, []).append(value)
    means = {name: estimates.estimate(values[name]).mean for name in _order(values)}
    methods = [f"{labels.method(name)} {labels.score(mean)}" for name, mean in means.items()]
    return f"{labels.stream(stream)} {labels.SCORES[score]}: {', '.join(methods)}"


def _order(values: dict[str, list[float]]) -> list[str]:
    """Return methods, the best first."""
    return sorted(values, key=lambda name: (-estimates.estimate(values[name]).mean, name))


def _verdict(run: Run) -> str:
    """Return the run's verdict, in the words of the remark that begins with it if there is one."""
    if run.ended is None:
        return "open"
    word = run.ended.verdict
    return next((remark for remark in run.ended.remarks if remark.startswith(word)), word)


def _resource(run: Run) -> dict[str, str]:
    word = run.ended.verdict if run.ended else "open"
    about = {"prefect.resource.name": run.suite, "suite": run.suite, "run": run.id, "verdict": word}
    return {"prefect.resource.id": f"den.suite.{run.suite}"} | about


def _payload(outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    about = {"run": run.id, "suite": run.suite, "trigger": run.begun.trigger, "cells": _counts(outcome)}
    ended = {"verdict": run.ended.verdict, "remarks": list(run.ended.remarks)} if run.ended else {}
    return about | ended | {"failures": dict(run.ended.failures) if run.ended else {}}


def _counts(outcome: Outcome) -> dict[str, int]:
    """Return how many cells were measured, reused, and failed."""
    measured = sum(result.how == "measured" for result in outcome.results)
    failed = len(outcome.run.ended.failures) if outcome.run.ended else 0
    return {"measured": measured, "reused": len(outcome.results) - measured, "failed": failed}


def _logger() -> Any:
    """Return the logger of the current task or flow, or the project's own outside of both."""
    try:
        return prefect.get_run_logger()
    except MissingContextError:
        return logging.getLogger("den")


def _key(*parts: str) -> str:
    """Return a key as Prefect wants it: lower-case letters, numbers and dashes."""
    return "-".join(parts).lower().replace("_", "-")


def _inline(figure: Path) -> str:
    return f"data:image/png;base64,{b64encode(figure.read_bytes()).decode()}"
