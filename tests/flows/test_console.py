"""The summary that ends a run: who is ahead, what the majority answer scores, on 80 columns."""

import re

import pytest
from synthetic import results

from flows.commands import console
from reports import tables


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_summary_names_who_is_ahead_and_the_floor_of_accuracy(
    seeds: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    console.show(tables.collect(results("mnist_variation", seeds), "quick"))
    lines = capsys.readouterr().out.splitlines()
    (majority,) = [line.split() for line in lines if line.split()[:1] == ["Majority"]]
    assert majority == ["Majority", ".500", ".900"]
    assert re.search(r"After 10 tasks DEN has .*Joint \+", " ".join(lines))
    table = lines[: lines.index(next(line for line in lines if line.startswith("Forgetting")))]
    assert not [line for line in table if "…" in line]
