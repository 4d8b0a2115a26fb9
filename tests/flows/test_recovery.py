"""What was interrupted goes on, and what was damaged is refused and mended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from projects import ROOT, den
from sites import measurements, places_of

from den import suites
from den.execution import execute
from den.ledger import Ledger, Places

LONG = ("training.epochs=200",)
COMMAND = ("run", "--suite", "smoke", "--method", "den", "--set", *LONG)


def interrupt(project: Path, word: int, after: str) -> tuple[int, str]:
    """Start `den`, send it a signal soon after it has printed a text; return its exit code and all that it printed."""
    printed = project / "printed"
    with printed.open("w") as file:
        command = [sys.executable, "-m", "flows.cli", *COMMAND]
        running = subprocess.Popen(command, cwd=project, stderr=file, preexec_fn=heeding)
    while after not in printed.read_text() and running.poll() is None:
        time.sleep(0.1)
    running.send_signal(word)
    return running.wait(60), printed.read_text()


def heeding() -> None:
    """Heed Ctrl-C, which what a shell starts in the background ignores, and all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes(project: Path, kind: str) -> list[int]:
    """Return the processes that work in the project and have a word in their command."""
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _folder(entry) == project]
    return [int(entry.name) for entry in found if kind in (entry / "cmdline").read_text()]


def _folder(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None


@pytest.mark.slow
def test_an_interrupted_run_is_continued_with_the_same_bits(project: Path, tmp_path: Path) -> None:
    code, printed = interrupt(project, signal.SIGINT, after="task 2")
    assert code == 130, printed
    assert "continues from the last of them" in printed
    assert measurements(project) == []
    interrupt(project, signal.SIGKILL, after="task 3")
    again = den(project, *COMMAND)
    assert again.returncode == 0, again.stderr
    assert "task 1 of 3" not in again.stderr
    (cell,) = suites.load(project / "params.yaml", LONG).cells("smoke", methods=["den"])
    own = places_of(tmp_path)
    straight = execute(cell, Places(project / "data/streams", own.ledger, own.index, own.work))
    assert [measurement.digest for measurement in measurements(project)] == [straight.digest]
    (run,) = Ledger.of(places_of(project)).runs()
    assert run.whole


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are listed by /proc")
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_run(project: Path, word: int) -> None:
    interrupt(project, word, after="task 1")
    end = time.monotonic() + 20
    while processes(project, "forkserver") and time.monotonic() < end:
        time.sleep(0.2)
    assert processes(project, "forkserver") == []
    for server in processes(project, "uvicorn"):  # Prefect's own outlives a killed parent
        os.kill(server, signal.SIGTERM)


@pytest.mark.slow
def test_damage_that_dvc_does_not_see_is_refused_and_mended(project: Path) -> None:
    assert den(project, "prepare", "--stream", "blobs").returncode == 0
    path = project / "data/streams/blobs/x.npy"
    sound, times = path.read_bytes(), path.stat()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    refused = den(project, "prepare", "--stream", "blobs")
    assert refused.returncode == 2
    assert "x.npy is corrupt" in refused.stderr
    assert "den prepare --force" in refused.stderr
    mended = den(project, "prepare", "--stream", "blobs", "--force")
    assert mended.returncode == 0, mended.stderr
    assert path.read_bytes() == sound


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found by /proc")
def test_three_kills_at_random_moments_lose_nothing() -> None:
    kills = [sys.executable, str(ROOT / "benchmarks/reliability/kills.py"), "--count", "3"]
    done = subprocess.run(kills, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 were continued to identical results" in done.stdout
