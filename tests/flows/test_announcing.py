"""What a run leaves in Prefect: a line, a tag, artifacts that a browser can open, and an event."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import prefect
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.orchestration import get_client
from prefect.server.events.schemas.automations import AutomationCore
from prefect.server.events.schemas.events import Resource
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY
from prefect.testing.utilities import prefect_test_harness
from projects import ROOT
from synthetic import results, with_scores

from den.ledger import Answer, Asked, Begun, CellResult, Ended, Machine, Run
from flows.judging.verdicts import ALARMS, WORDS, Verdict
from flows.pipeline import announcements
from flows.pipeline.outcome import Outcome
from reports import labels

MEASURED = results("mnist_variation", 2, ("finetune", "den"))
STARTED = datetime(2026, 11, 29, 2, tzinfo=UTC)
PASSWORD = "p4ssw0rd"


def run_of(given: list[CellResult], word: str = "unchanged", remarks: tuple[str, ...] = ()) -> Run:
    asked, machine = Asked(suite="quick"), Machine(system="Linux", processor="AMD EPYC", capability="AVX512")
    about: dict[str, Any] = {"trigger": "schedule", "process": "host/1/1", "load": 0.0, "slots": 2, "torch": "2.14.1"}
    begun = Begun(
        id="20261129-0200", asked=asked, cells=(), started=STARTED, machine=machine, commit=None, dirty=None, **about
    )
    answers = tuple(Answer(title=one.title, measurement=one.measurement.id, how=one.how) for one in given)
    return Run(begun, Ended(id=begun.id, ended=STARTED, answers=answers, verdict=word, remarks=remarks))


def outcome_of(run: Run) -> Outcome:
    return Outcome(run, tuple(MEASURED), {}, Verdict("unchanged"))


def test_the_line_of_scores_names_every_method_the_best_first() -> None:
    line = announcements.score_line(outcome_of(run_of(MEASURED)))
    assert re.fullmatch(r"MNIST-Variation AUROC: DEN \.\d{3}, Fine-tuning \.\d{3} · verdict unchanged", line), line
    assert "\n" not in line


def test_the_line_says_how_many_runs_had_the_same_bits() -> None:
    remark = "same bits as the last 30 runs"
    line = announcements.score_line(outcome_of(run_of(MEASURED, "same bits", ("4 cells measured", remark))))
    assert line.endswith(f" · verdict {remark}")


@given(st.integers(-12, 12))
def test_a_run_is_named_after_its_time_in_utc(hours: int) -> None:
    local = STARTED.astimezone(timezone(timedelta(hours=hours)))
    assert labels.run("quick", local) == "quick · 2026-11-29 02:00"


@prefect.flow(name="benchmark", flow_run_name="of a test")
def benchmark(run: Run, given: list[CellResult], report: Path, verdict: Verdict) -> None:
    announcements.announce(Outcome(run, tuple(given), {}, verdict), report)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{PASSWORD}@tracking.example.org:5000")
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.mark.slow
def test_figures_are_left_once_for_the_same_bits_and_nothing_names_a_file(server: None, tmp_path: Path) -> None:
    figure = tmp_path / "figures/mnist_variation/auroc_over_tasks.png"
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"a figure")
    changed = [with_scores(result, lambda value: value / 2) for result in MEASURED]
    reused = [replace(result, how="reused") for result in MEASURED]
    left = []
    for chosen in (MEASURED, reused, changed):
        benchmark(run_of(chosen), chosen, tmp_path, Verdict("worse"))
        with get_client(sync_client=True) as client:
            artifacts, (flow_run,) = client.read_artifacts(), client.read_flow_runs(limit=1)
        left.append(sorted(str(artifact.key) for artifact in artifacts))
        assert flow_run.tags == ["verdict:worse"]
    own = ["mlflow-quick", "run-quick"]
    numbers = ["figure-quick-mnist-variation-auroc-over-tasks", "results-quick-mnist-variation"]
    assert left[0] == sorted(own + numbers)
    assert left[1] == sorted(own * 2 + numbers)
    assert left[2] == sorted(own * 3 + numbers * 2)
    for artifact in artifacts:
        content = f"{artifact.data} {artifact.description}"
        assert not re.search(rf"file:|sqlite:|{PASSWORD}|{tmp_path}", content), artifact.key


def automations(name: str) -> list[AutomationCore]:
    content = yaml.safe_load((ROOT / f"docs/{name}.yaml").read_text())
    return [AutomationCore.model_validate(one) for one in content.get("automations", [content])]


@pytest.mark.parametrize("word", WORDS)
def test_the_documented_automation_listens_to_alarms_alone(word: str) -> None:
    on_event, on_state = (automation.trigger for automation in automations("tell-me"))
    assert on_event.expect == {announcements.EVENT}
    resource = Resource.model_validate(announcements._resource(run_of(MEASURED, word)))
    assert on_event.match.matches(resource) == (word in ALARMS)
    assert on_state.match["prefect.state-type"] == ["FAILED", "CRASHED"]


def test_a_run_is_crashed_after_three_missed_heartbeats_and_every_run_has_them() -> None:
    (automation,) = automations("zombies")
    settings = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    environments = [one["work_pool"]["job_variables"]["env"] for one in settings["deployments"]]
    frequencies = {float(environment[PREFECT_FLOWS_HEARTBEAT_FREQUENCY.name]) for environment in environments}
    frequencies.add(heartbeat_of_the_project())
    within = automation.trigger.within.total_seconds()
    assert within >= 3 * max(frequencies)
    assert f"{within:.0f} seconds" in str(automation.actions[0].message)


def heartbeat_of_the_project() -> float:
    """Return the seconds that prefect.toml sets, for runs that no worker starts."""
    import tomllib

    return float(tomllib.loads((ROOT / "prefect.toml").read_text())["flows"]["heartbeat_frequency"])


def test_every_scheduled_deployment_measures_every_cell() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    scheduled = {one["name"]: one for one in deployments if one["schedules"]}
    assert scheduled.keys() == {"nightly", "nightly-gpu", "paper", "paper-permuted"}
    assert all(one["parameters"]["again"] is True for one in scheduled.values())
    assert scheduled["nightly-gpu"]["work_pool"]["name"] == "den-gpu"
    assert scheduled["nightly-gpu"]["parameters"]["overrides"] == ["training.device=cuda"]
