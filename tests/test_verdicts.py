"""What is said of a benchmark when it has ended: its verdict, and what changed since the accepted results."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import IDENTITY
from synthetic import records

from den import provenance
from den.ledger import write_record
from flows import verdicts
from reports import tables

METHODS = ("den", "l2")


@pytest.fixture
def accepted(here: Path) -> list[dict[str, Any]]:
    """Return the records of a suite whose tables are the accepted ones, and which lie in the ledger."""
    found = records("blobs", seeds=2, methods=METHODS, tasks=3)
    tables.write(tables.collect(found, "smoke"), here / "reports/accepted/smoke")
    for record in found:
        write_record(here / f"results/blobs/{record['cell']['method']}/{record['identity']}.json", record)
    return found


def changed(record: dict[str, Any], by: float, **more: Any) -> dict[str, Any]:
    """Return a record whose scores have all moved, and whose provenance or cell differs."""
    scores = {
        name: [[None if one is None else one + by for one in row] for row in rows]
        for name, rows in record["scores"].items()
    }
    return record | {"identity": record["identity"][::-1], "scores": scores} | more


def test_the_accepted_scores_again_are_unchanged(accepted: list[dict]) -> None:
    for found in (accepted, accepted[:1]):
        verdict = verdicts.verdict("smoke", found)
        assert verdict.word == "unchanged"
        assert verdict.changes == []


def test_a_planted_regression_is_worse_and_what_changed_is_said(accepted: list[dict]) -> None:
    provenance = accepted[0]["provenance"] | {"torch": "9.9", "stream_hash": "another"}
    cell = {"training": {"epochs": 1, "device": "cpu"}}
    now = [
        changed(one, -0.01, provenance=provenance, cell=one["cell"] | cell) if one["cell"]["method"] == "l2" else one
        for one in accepted
    ]
    verdict = verdicts.verdict("smoke", now)
    assert verdict.word == "worse"
    assert {one.method for one in verdict.judgements if one.outcome == "worse"} == {"l2"}
    assert "torch is 9.9, it was None" in verdict.changes
    assert "training.epochs is 1, it was 8" in verdict.changes
    assert any(change.startswith("data is another") for change in verdict.changes)
    assert verdict.table("blobs").note.endswith(f"Changed since: {'; '.join(verdict.changes)}.")


def test_accepted_cells_without_a_record_are_counted(accepted: list[dict], here: Path) -> None:
    for path in (here / "results/blobs/l2").iterdir():
        path.unlink()
    now = [changed(one, -0.01) if one["cell"]["method"] == "l2" else one for one in accepted]
    assert verdicts.verdict("smoke", now).changes == ["2 accepted cells have no record here to compare with"]


def test_code_that_changed_between_two_commits_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", here)
    subprocess.run(["git", "init", "--quiet"], check=True)
    commits = [commit(here, content) for content in ("one", "two")]
    old, new = (
        {"cell": {}, "provenance": {"commit": one, "dirty": one == commits[1]}} for one in commits
    )  # fmt: skip
    assert list(verdicts.changes(old, new)) == [
        f"den/losses.py from {commits[0][:8]} to {commits[1][:8]}",
        "den/ has changes that are not committed",
    ]
    (lost,) = verdicts.changes(old, {"cell": {}, "provenance": {"commit": "0" * 40, "dirty": False}})
    assert lost.endswith("are not both here to compare")


def commit(folder: Path, content: str) -> str:
    """Commit a file of the library and one beside it; return the commit."""
    for path in (folder / "den/losses.py", folder / "README.md"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    for words in (["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", content]):
        subprocess.run(["git", *words], check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def test_every_stream_has_a_word_of_its_own(here: Path) -> None:
    both = [one for stream in ("blobs", "split_mnist") for one in records(stream, seeds=2, methods=METHODS, tasks=3)]
    tables.write(tables.collect(both, "smoke"), here / "reports/accepted/smoke")
    verdict = verdicts.verdict(
        "smoke", [changed(one, -0.01) if one["cell"]["stream"] == "blobs" else one for one in both]
    )
    assert [verdict.of(stream) for stream in ("blobs", "split_mnist", "awa")] == ["worse", "unchanged", "new"]
    assert verdict.word == "worse"


def test_what_nobody_has_accepted_is_new(accepted: list[dict]) -> None:
    assert verdicts.verdict("other", accepted).word == "new"
    assert verdicts.verdict("other", accepted).table("blobs") is None
    assert verdicts.verdict("smoke", records("blobs", seeds=1, methods=("ewc",), tasks=3)).word == "new"


def test_a_failed_cell_is_a_failure_whatever_the_others_are(accepted: list[dict]) -> None:
    assert verdicts.verdict("smoke", accepted, {"a cell": "no reason given"}).word == "failed"
    assert verdicts.verdict("smoke", [], {"a cell": "no reason given"}).word == "failed"
