"""The benchmark's cells, without Prefect: those of equal settings are run once, and shown under every name."""

import pytest
from small import TRAINING, cell

from den import runs
from den.ledger import Places
from den.runs import Cell
from flows import benchmark

ran: list[str] = []


def learn(one: Cell, places: Places) -> runs.Record:
    """Run a cell in this process and thread of the pool, and keep account of it."""
    ran.append(one.title)
    return runs.execute(one, places)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    ran.clear()
    monkeypatch.setattr(benchmark, "STAGGER", 0)


def shown(outcome: benchmark.Outcome) -> list[str]:
    return [record["cell"]["variant"] or record["cell"]["method"] for record in outcome.records]


def test_equal_settings_are_run_once_and_shown_under_both_names(places: Places) -> None:
    cells = [cell(variant="one"), cell("l2"), cell(variant="other")]
    for _ in range(2):
        outcome = benchmark.run_cells(cells, places, 2, learn)
        assert shown(outcome) == ["one", "l2", "other"]
        assert outcome.failures == {}
    assert sorted(ran) == ["blobs · l2 · seed 0", "blobs · one · seed 0"]


def test_equal_settings_fail_together_and_stop_no_other(places: Places) -> None:
    wild = TRAINING.model_copy(update={"learning_rate": 1e6})
    cells = [cell("l2", variant=name, training=wild) for name in ("one", "other")]
    outcome = benchmark.run_cells([*cells, cell()], places, 1, learn)
    assert shown(outcome) == ["finetune"]
    assert set(outcome.failures) == {"blobs · one · seed 0", "blobs · other · seed 0"}
    assert len(ran) == 2
