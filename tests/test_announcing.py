"""What is said of a benchmark when it has ended."""

from pathlib import Path

import pytest
from records import records

from flows import announcing
from reports import tables


@pytest.fixture
def accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Return the records of a suite whose tables are the accepted ones."""
    monkeypatch.setattr(announcing, "ACCEPTED", tmp_path)
    found = records("blobs", seeds=2, methods=("den", "l2"), tasks=3)
    tables.write(tables.collect(found, "smoke"), tmp_path / "smoke")
    return found


def verdict(suite: str, found: list[dict], failures: dict[str, str]) -> str:
    return announcing.verdict(suite, tables.collect(found, suite), failures)


def test_the_accepted_scores_again_are_unchanged(accepted: list[dict]) -> None:
    assert verdict("smoke", accepted, {}) == "unchanged"
    assert verdict("smoke", accepted[:1], {}) == "unchanged"


def test_one_other_bit_is_a_change(accepted: list[dict]) -> None:
    scores = {name: [list(row) for row in rows] for name, rows in accepted[0]["scores"].items()}
    scores["auroc"][2][0] += 1e-12
    assert verdict("smoke", [accepted[0] | {"scores": scores}, *accepted[1:]], {}) == "changed"


def test_what_nobody_has_accepted_is_new(accepted: list[dict]) -> None:
    assert verdict("other", accepted, {}) == "new"
    assert verdict("smoke", records("blobs", seeds=1, methods=("ewc",), tasks=3), {}) == "new"


def test_a_failed_cell_is_a_failure_whatever_the_others_are(accepted: list[dict]) -> None:
    assert verdict("smoke", accepted, {"a cell": "no reason given"}) == "failed"
