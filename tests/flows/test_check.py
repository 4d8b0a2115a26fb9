"""`den run --check` raises an alarm if scores have fallen, whoever is to blame, and none if they have not."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from projects import den
from synthetic import with_scores

from reports import accepted_results

pytestmark = pytest.mark.slow

CHECK = ("run", "--suite", "smoke", "--check")


@pytest.fixture
def committed(project: Path) -> Path:
    """Return the project as it is committed, whatever a test before has spoiled."""
    subprocess.run(["git", "checkout", "--quiet", "--", "den", "reports/accepted"], cwd=project, check=True)
    return project


def spoil(project: Path, file: str, old: str, new: str) -> None:
    path = project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_sound_check_is_quiet_and_measures_every_cell(committed: Path) -> None:
    answer = den(committed, *CHECK)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stderr.count(": measured") == 6


def test_halved_scores_are_worse(committed: Path) -> None:
    spoil(committed, "den/harness.py", "score(answers, test.y)", "score(answers, test.y) / 2")
    answer = den(committed, *CHECK)
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert "verdict: worse" in answer.stdout
    assert "den/harness.py changed since" in answer.stdout


def test_one_method_that_lost_eight_deviations_is_worse(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(committed)
    accepted = accepted_results.results("smoke")
    scores = [one.measurement.values()["auroc"]["average"] for one in accepted if one.name == "joint"]
    gap = 8 * float(np.std(scores, ddof=1))
    assert max(scores) + gap < 1
    moved = [with_scores(one, lambda value: min(1.0, value + gap)) if one.name == "joint" else one for one in accepted]
    accepted_results.write(moved, "smoke")
    answer = den(committed, *CHECK)
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert "worse: blobs · joint: AUROC" in answer.stdout


def test_a_spoiled_constant_is_worse_and_its_file_is_named(committed: Path) -> None:
    spoil(committed, "den/methods/joint.py", "self.params.weight_decay", "(self.params.weight_decay + 1e3)")
    answer = den(committed, *CHECK)
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert "den/methods/joint.py changed since" in answer.stdout
