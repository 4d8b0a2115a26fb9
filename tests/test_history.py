"""A metric over all runs: which cells are one run, what was accepted, and what is shown of it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import record

from den.ledger import write_record
from flows.cli import main
from reports import drawings, history, tables

NOTHING = pd.DataFrame(columns=list(tables.CELLS))


def ran(method: str, seed: int, day: int, **settings: Any) -> dict[str, Any]:
    """Return a record that was finished on a day of June, under other settings than usual."""
    one = record("blobs", method, seed, tasks=3)
    finished = {"finished": f"2026-06-{day:02}T12:00:00+00:00"}
    identity = f"{day:02}{one['identity'][2:]}"
    return one | {
        "identity": identity,
        "cell": one["cell"] | settings,
        "provenance": one["provenance"] | finished,
    }


LEDGER = [
    ran("l2", 1, 1), ran("l2", 2, 2), ran("den", 1, 3),
    ran("l2", 1, 3), ran("l2", 2, 4),
    ran("l2", 1, 5, training={"epochs": 9, "device": "cpu"}), ran("l2", 1, 6, evaluation="validation"),
]  # fmt: skip


def accepted(*records: dict[str, Any], name: str) -> pd.DataFrame:
    cells = tables.collect([one | {"cell": one["cell"] | {"variant": name}} for one in records], "smoke").cells
    return pd.concat([NOTHING, cells])


def test_splits_under_the_same_settings_are_one_run_and_run_again_another() -> None:
    found = history.runs(LEDGER, "auroc", NOTHING)
    assert list(found["method"]) == ["l2", "den", "l2", "l2"]
    assert list(found["splits"]) == [2, 1, 2, 1]
    assert list(found["when"].dt.day) == [2, 3, 4, 5]
    assert (found["accepted"] == "").all()


def test_a_gpu_makes_another_run_under_the_same_name() -> None:
    here = LEDGER[:2]
    there = [ran("l2", seed, 7, training={"epochs": 8, "device": "cuda"}) for seed in (1, 2)]
    there = [one | {"provenance": one["provenance"] | {"device": "NVIDIA H200"}} for one in there]
    found = history.runs([*here, *there], "auroc", accepted(here[0], name="l2_published"))
    assert list(found["device"]) == ["cpu", "NVIDIA H200"]
    assert list(found["splits"]) == [2, 2]
    assert list(found["method"]) == ["l2_published"] * 2
    assert list(found["accepted"]) == ["smoke", ""]


def test_validation_scores_have_no_history() -> None:
    assert history.runs(LEDGER[-1:], "auroc", NOTHING).empty


def test_a_run_goes_by_the_name_under_which_it_was_accepted() -> None:
    found = history.runs(LEDGER, "auroc", accepted(LEDGER[3], name="l2_published"))
    assert list(found["method"]) == ["l2_published", "den", "l2_published", "l2"]
    assert list(found["accepted"]) == ["", "", "smoke", ""]


@pytest.mark.parametrize("metric", history.METRICS)
def test_every_metric_is_a_number_and_can_be_drawn(metric: str) -> None:
    found = history.runs(LEDGER, metric, accepted(LEDGER[0], name="l2"))
    assert found["mean"].notna().all()
    assert drawings.png(history.draw(found, metric)).startswith(b"\x89PNG")


def test_a_sparkline_goes_from_the_lowest_to_the_highest() -> None:
    assert history.sparkline([0.5, 0.75, 1.0]) == "▁▅█"
    assert history.sparkline([0.5, 0.5]) == "▄▄"
    assert history.sparkline([]) == ""


def test_the_command_shows_methods_or_the_runs_of_one(here: Path) -> None:
    for one in LEDGER:
        write_record(here / f"results/blobs/{one['cell']['method']}/{one['identity']}.json", one)
    every = CliRunner().invoke(main, ["history", "--stream", "blobs"])
    assert every.exit_code == 0, every.output
    assert "AUROC over 4 runs" in every.output
    one = CliRunner().invoke(main, ["history", "--stream", "blobs", "--method", "l2"])
    assert one.output.count("2026-06-") == 3
    assert (here / "reports/out/history/blobs-l2-auroc.svg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stream", "other"], "stream 'other' has no results here; there are those of blobs"),
        (["--stream", "blobs", "--method", "ewc"], "ewc: no results on blobs; there are those of l2"),
        (["--stream", "blobs", "--metric", "speed"], "metric 'speed' is unknown; there are auroc"),
    ],
)
def test_what_is_not_there_is_said_so(here: Path, words: list[str], said: str) -> None:
    write_record(here / "results/blobs/l2/1.json", LEDGER[0])
    refused = CliRunner().invoke(main, ["history", *words])
    assert refused.exit_code == 2
    assert said in refused.output
