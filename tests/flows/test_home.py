"""A home that nobody can write: the project keeps everything in its own folder."""

from pathlib import Path

import pytest
from projects import den

pytestmark = pytest.mark.long

NOWHERE = "/proc/nowhere"  # where not even root can make a folder
HOME = {"HOME": NOWHERE} | {
    f"XDG_{kind}_HOME": f"{NOWHERE}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA", "STATE")
}


def test_a_run_needs_no_home(project: Path) -> None:
    run = den(project, "run", "--suite", "smoke", "--method", "finetune", "--again", **HOME)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    for words in (("sync",), ("report", "--suite", "smoke"), ("status",)):
        answer = den(project, *words, **HOME)
        assert answer.returncode == 0, answer.stderr
