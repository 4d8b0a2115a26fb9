"""What was interrupted goes on, and what was damaged is refused and mended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, den

from den import runs, suites
from den.ledger import Places, Record

LONG = ("training.epochs=200",)
COMMAND = ("run", "--suite", "smoke", "--method", "den", "--set", *LONG)


def interrupt(project: Path, word: int, after: str) -> tuple[int, str]:
    """Start `den`, send it a signal soon after it has said a certain thing; return its exit code and all it said."""
    said = project / "said"
    with said.open("w") as file:
        command = [sys.executable, "-m", "flows.cli", *COMMAND]
        running = subprocess.Popen(command, cwd=project, stderr=file, preexec_fn=heeding)
    while after not in said.read_text() and running.poll() is None:
        time.sleep(0.1)
    running.send_signal(word)
    return running.wait(60), said.read_text()


def heeding() -> None:
    """Heed Ctrl-C, which what a shell starts in the background ignores, and all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def findings(record: Record) -> tuple[object, list[dict]]:
    """Return all that a cell found, and nothing that depends on the clock."""
    return record["scores"], [row for row in record["measures"] if row["measure"] != "seconds"]


def records(project: Path) -> list[Record]:
    return [json.loads(path.read_text()) for path in sorted((project / "results").rglob("*.json"))]


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
def test_an_interrupted_run_goes_on_and_finds_the_same(project: Path, tmp_path: Path) -> None:
    code, said = interrupt(project, signal.SIGINT, after="task 2")
    assert code == 130, said
    assert "goes on from the last finished stage" in said
    assert records(project) == []
    interrupt(project, signal.SIGKILL, after="task 3")
    again = den(project, *COMMAND)
    assert again.returncode == 0, again.stderr
    assert "task 1 of 3" not in again.stderr
    (cell,) = suites.load(project / "params.yaml", LONG).cells("smoke", methods=["den"])
    straight = runs.execute(cell, Places(project / "data/streams", tmp_path / "results", tmp_path / "work"))
    assert [findings(record) for record in records(project)] == [findings(straight)]


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
    kills = [sys.executable, str(ROOT / "benchmarks/kills.py"), "--count", "3"]
    done = subprocess.run(kills, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 resumed to identical results" in done.stdout
