"""Reruns against accepted results: what is planted is found, and noise alone raises no alarm."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from records import records
from scipy.stats import binomtest

from reports import inference, judgement, tables
from reports.contest import contest
from reports.tables import Tables

ROOT = Path(__file__).parents[1]
METHODS = ("den", "ewc", "l2")


@pytest.fixture(scope="module")
def accepted() -> Tables:
    """Return the stored rows of five splits."""
    found = tables.read(ROOT / "reports/accepted/mnist-variation")
    return found.among(("finetune", "l2", "ewc", "den", "single_task"))


def splits(found: Tables, seeds: tuple[int, ...]) -> Tables:
    return Tables(*(frame[frame["seed"].isin(seeds)] for frame in (found.scores, found.cells, found.measures)))


def moved(found: Tables, method: str, by: float) -> Tables:
    """Return the tables with all AUROC of a method moved."""
    scores = found.scores.copy()
    scores.loc[(scores["method"] == method) & (scores["score"] == "auroc"), "value"] += by
    return Tables(scores, found.cells, found.measures)


def outcomes(accepted: Tables, present: Tables) -> dict[tuple[str, str], str]:
    return {(one.method, one.metric): one.outcome for one in judgement.judge(accepted, present)}


def test_the_same_bits_are_unchanged(accepted: Tables) -> None:
    assert set(outcomes(accepted, accepted).values()) == {"unchanged"}
    assert set(outcomes(accepted, splits(accepted, (2, 4))).values()) == {"unchanged"}


@pytest.mark.parametrize(("by", "outcome"), [(-0.01, "worse"), (0.01, "better")])
def test_a_planted_change_is_found_and_nothing_else(accepted: Tables, by: float, outcome: str) -> None:
    found = outcomes(accepted, moved(accepted, "ewc", by))
    assert found.pop(("ewc", "auroc")) == outcome
    assert set(found.values()) == {"unchanged"}


def test_twenty_reruns_of_other_splits_raise_no_more_alarms_than_stated(accepted: Tables) -> None:
    every = (1, 2, 3, 4, 5)
    drawn = [part for size in (2, 3) for part in combinations(every, size)]
    assert len(drawn) == 20
    alarms = [
        judgement.overall(
            judgement.judge(splits(accepted, part), splits(accepted, tuple(set(every) - set(part))))
        )
        for part in drawn
    ]  # fmt: skip
    assert as_stated(sum(outcome in ("better", "worse") for outcome in alarms), 20)


def test_noise_on_the_same_splits_raises_no_more_alarms_than_stated(accepted: Tables) -> None:
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(20):
        scores = accepted.scores.copy()
        scores["value"] += generator.normal(0, 0.005, len(scores))
        verdict = judgement.overall(judgement.judge(accepted, Tables(scores, accepted.cells, accepted.measures)))
        alarms += verdict in ("better", "worse")
    assert as_stated(alarms, 20)


def as_stated(alarms: int, reruns: int) -> bool:
    """Tell whether so many false alarms are what chance makes of the stated level."""
    return binomtest(alarms, reruns, inference.LEVEL, alternative="greater").pvalue > 0.01


def test_a_larger_network_is_worse(accepted: Tables) -> None:
    cells = accepted.cells.copy()
    cells.loc[cells["method"] == "den", "capacity"] += 0.5
    found = outcomes(accepted, Tables(accepted.scores, cells, accepted.measures))
    assert found[("den", "capacity")] == "worse"
    assert found[("den", "auroc")] == "unchanged"


def test_what_three_digits_do_not_show_is_noise(accepted: Tables) -> None:
    assert outcomes(accepted, moved(accepted, "l2", -1e-5))[("l2", "auroc")] == "within noise"


def test_an_exchange_between_tasks_is_not_unchanged(accepted: Tables) -> None:
    scores = accepted.scores.copy()
    rows = scores.index[(scores["method"] == "l2") & (scores["score"] == "auroc") & (scores["seed"] == 1)]
    first, last = rows[0], rows[-1]
    scores.loc[[first, last], "value"] = scores.loc[[last, first], "value"].to_numpy()
    assert outcomes(accepted, Tables(scores, accepted.cells, accepted.measures))[("l2", "auroc")] != "unchanged"


def test_one_split_that_differs_is_left_open() -> None:
    one = tables.collect(records("blobs", 1, METHODS, 3), "smoke")
    assert outcomes(one, moved(one, "den", -0.1))[("den", "auroc")] == "changed"


def test_what_nobody_has_accepted_is_new(accepted: Tables) -> None:
    found = outcomes(splits(accepted, (99,)), accepted)
    assert set(found.values()) == {"new"}
    assert judgement.overall([]) == "new"


def test_a_table_of_judgements_has_a_row_for_each_method_and_for_all_that_moved(accepted: Tables) -> None:
    judged = judgement.judge(accepted, moved(accepted, "ewc", -0.01))
    table = judgement.table(judged)
    assert set(table.rows["method"]) == set(accepted.cells["method"])
    assert list(table.rows.loc[table.rows["verdict"] == "worse", "method"]) == ["ewc"]
    assert table.note.startswith(f"Of {len(judged)} judgements 1 worse, {len(judged) - 1} unchanged.")


def test_a_contest_has_a_row_for_each_method_and_no_difference_of_the_rival(accepted: Tables) -> None:
    found = contest(accepted)
    assert found.rival == "den"
    assert set(found.numbers["method"]) == set(accepted.cells["method"])
    rival = found.numbers.set_index("method").loc["den"]
    assert rival.filter(like="difference").isna().all()
    assert "cannot go below p = .0625" in found.note
    for table in found.tables:
        assert (table[table["method"] != "den"]["p"] != "").all()


def test_a_contest_of_one_split_says_that_it_says_nothing() -> None:
    found = contest(tables.collect(records("blobs", 1, METHODS, 3), "smoke"))
    assert "too small to say anything" in found.note
    assert all((table["p"] == "").all() for table in found.tables)


def test_without_den_the_best_is_the_rival() -> None:
    found = contest(tables.collect(records("blobs", 2, ("finetune", "single_task"), 5), "smoke"))
    assert found.rival == "single_task"
    with pytest.raises(ValueError, match="ewc has no finished cell; there are"):
        contest(tables.collect(records("blobs", 2, ("finetune",), 5), "smoke"), "ewc")
