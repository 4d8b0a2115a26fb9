"""Several at once: two commands in one project, and two machines that write one ledger."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from projects import den
from sites import measurements

from den.ledger import Ledger

pytestmark = pytest.mark.slow

WORDS = ("run", "--suite", "smoke", "--method", "finetune", "--method", "l2", "--method", "ewc")


def both(*commands: tuple[Path, tuple[str, ...], dict[str, str]]) -> list[subprocess.CompletedProcess[str]]:
    """Run two commands at once."""
    with ThreadPoolExecutor(len(commands)) as pool:
        runs = [pool.submit(den, folder, *words, **environment) for folder, words, environment in commands]
        return [run.result() for run in runs]


def test_two_runs_of_a_suite_at_once_measure_each_cell_once(project: Path) -> None:
    den(project, "prepare", "--stream", "blobs")
    for answer in both((project, WORDS, {}), (project, WORDS, {})):
        assert answer.returncode == 0, answer.stderr
        assert "Busy" not in answer.stderr
    ledger = Ledger(project / ".den/ledger", project / ".den/of-a-test.sqlite")
    assert ledger.faults() == {}
    assert len(ledger.entries()) == 3
    assert [run.whole for run in ledger.runs()] == [True, True]
    measured = [id for run in ledger.runs() for id in run.measured]
    assert sorted(measured) == sorted(entry.id for entry in ledger.entries())


def test_two_machines_write_one_ledger_and_lose_nothing(project: Path, tmp_path: Path) -> None:
    den(project, "prepare", "--stream", "blobs")
    machines = [tmp_path / "one", tmp_path / "two"]
    for machine in machines:
        shutil.copytree(project, machine, ignore=shutil.ignore_patterns(".den", ".prefect", ".mlflow"))
    shared = {"DEN_LEDGER": str(tmp_path / "shared")}
    for answer in both(*((machine, (*WORDS, "--again"), shared) for machine in machines)):
        assert answer.returncode == 0, answer.stderr
    ledger = Ledger(tmp_path / "shared", tmp_path / "index.sqlite")
    assert ledger.faults() == {}
    assert len(ledger.entries()) == 6
    assert len({(entry.key, entry.digest) for entry in ledger.entries()}) == 3
    assert [run.whole for run in ledger.runs()] == [True, True]
    reused = den(machines[0], *WORDS, **shared)
    assert reused.stderr.count(": reused from 20") == 3


def test_a_run_behind_a_symbolic_link_is_reused_by_the_folders_own_path(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    first = den(tmp_path / "link", "run", *WORDS[1:3], "--method", "progressive")
    assert first.returncode == 0, first.stderr
    again = den(project, "run", *WORDS[1:3], "--method", "progressive")
    assert again.returncode == 0, again.stderr
    assert "reused from 20" in again.stderr
    assert len(measurements(project, method="progressive")) == 1
