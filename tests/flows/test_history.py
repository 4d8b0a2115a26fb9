"""A metric over the runs of a ledger: which points are one series, which of them are whole, and what is shown."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import synthetic
from click.testing import CliRunner

from den.config import SettingsError
from den.ledger import Answer, Asked, Begun, CellResult, Ended, Ledger, Measurement, Places, Planned
from den.ledger.settings import key_of
from flows.cli import main
from flows.commands import history as command
from reports.analysis import history
from reports.figures import export, metric_history

FIRST = datetime(2026, 6, 1, 2, tzinfo=UTC)
FINGERPRINT = "f" * 64


def measured(method: str, seed: int, settings: dict[str, Any] | None = None, **origin: Any) -> CellResult:
    """Return a result on blobs, under other settings than usual."""
    result = synthetic.result("blobs", method, seed, tasks=3, **origin)
    if not settings:
        return result
    content = result.measurement.model_dump(mode="json")
    content["settings"] |= settings
    content["key"] = key_of(content["settings"], content["data"])
    return replace(result, measurement=Measurement.model_validate_json(json.dumps(content)))


@pytest.fixture(autouse=True)
def project(here: Path) -> None:
    """Make the working folder a project."""
    (here / "params.yaml").touch()


class Nights:
    """A ledger to which runs are added, one a day."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger.of(Places(ledger=folder / ".den/ledger", index=folder / ".den/index.sqlite"))
        self.count = 0

    def run(
        self,
        cells: Sequence[CellResult],
        suite: str = "smoke",
        reused: Sequence[str] = (),
        missing: Sequence[CellResult] = (),
        ended: bool = True,
    ) -> str:
        """Add a run that measures these cells, but for those whose titles are reused; return its id."""
        started = FIRST + timedelta(days=self.count)
        id = f"{started:%Y%m%d}-{self.count:06x}"
        self.count += 1
        answers = [
            Answer(
                title=cell.title,
                measurement=self.ledger.add(cell.measurement),
                how="reused" if cell.title in reused else "measured",
            )
            for cell in cells
        ]
        planned = [
            Planned(
                key=cell.measurement.key,
                stream=cell.measurement.stream,
                name=cell.name,
                seed=cell.measurement.seed,
                fingerprint=FINGERPRINT,
            )
            for cell in (*cells, *missing)
        ]
        machine = cells[0].measurement.origin.machine
        begun = {"id": id, "asked": Asked(suite=suite), "cells": tuple(planned), "started": started, "trigger": "hand"}
        about = {"process": "host 1 1", "machine": machine, "load": None, "slots": 2, "torch": "2.14.1"}
        self.ledger.begin(Begun(**begun, **about, commit=None, dirty=None))
        if ended:
            self.ledger.end(
                Ended(id=id, ended=started + timedelta(hours=1), answers=tuple(answers), verdict="unchanged")
            )
        return id


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def both(method: str, day: int, **about: Any) -> list[CellResult]:
    """Return seeds 1 and 2 of a method, measured on a day."""
    started = FIRST + timedelta(days=day)
    times = {"started": started.isoformat(), "ended": (started + timedelta(minutes=5)).isoformat()}
    return [measured(method, seed, **times | about) for seed in (1, 2)]


def series_of(points: pd.DataFrame) -> list[list[str]]:
    """Return the runs of each series."""
    return [list(rows["run"]) for rows in history.series(points)]


def test_a_point_is_the_mean_over_the_seeds_of_a_run(nights: Nights) -> None:
    cells = both("l2", 0)
    id = nights.run(cells)
    (point,) = history.points(nights.ledger).itertuples(index=False)
    values = [cell.measurement.values()["auroc"]["average"] for cell in cells]
    assert (point.run, point.seeds, point.measured, point.number) == (id, "1,2", True, 1)
    assert point.value == pytest.approx(sum(values) / 2, abs=1e-15)
    assert point.error == pytest.approx(abs(values[0] - values[1]) / 2)


def test_two_settings_are_never_one_series(nights: Nights) -> None:
    first = nights.run(both("l2", 0))
    second = nights.run(both("l2", 1, settings={"method_params": {"strength": 3.0}}))
    third = nights.run(both("l2", 2))
    points = history.points(nights.ledger)
    assert series_of(points) == [[first, third], [second]]
    assert list(points["settings"]) == ["", "strength=3.0", ""]


def test_other_seeds_or_another_machine_make_another_series(nights: Nights) -> None:
    machine = synthetic.ORIGIN["machine"]
    first = nights.run(both("l2", 0))
    second = nights.run(both("l2", 1)[:1])
    third = nights.run(both("l2", 2, machine=machine | {"processor": "Intel Xeon"}))
    fourth = nights.run(both("l2", 3, machine=machine | {"gpu": "NVIDIA H200"}))
    fifth = nights.run(both("l2", 4, torch="2.15.0"))
    points = history.points(nights.ledger)
    assert series_of(points) == [[first, fifth], [second], [third], [fourth]]
    assert list(points["machine"])[2:4] == ["Intel Xeon, AVX512", "NVIDIA H200"]


def test_times_are_a_series_only_on_as_many_cores(nights: Nights) -> None:
    machine = synthetic.ORIGIN["machine"]
    nights.run(both("l2", 0))
    nights.run(both("l2", 1, machine=machine | {"cores": 16}))
    assert len(series_of(history.points(nights.ledger))) == 1
    assert len(series_of(history.points(nights.ledger, metric="seconds"))) == 2


def test_the_device_that_was_asked_for_is_no_setting(nights: Nights) -> None:
    nights.run(both("l2", 0))
    nights.run(both("l2", 1, settings={"training": {"epochs": 8, "device": "auto"}}))
    assert len(series_of(history.points(nights.ledger))) == 1


def test_settings_are_those_that_differ_from_the_accepted_ones(nights: Nights) -> None:
    usual = measured("l2", 1).measurement.settings
    nights.run(both("l2", 0, settings={"training": {"epochs": 9}}))
    nights.run(both("l2", 1))
    nights.run(both("l2", 2, settings={"network": {"widths": [312, 128], "init": "he"}}))
    accepted = {("smoke", "blobs", "l2"): usual}
    points = history.points(nights.ledger, accepted=accepted)
    assert list(points["settings"]) == ["training.epochs=9", "", "network.init=he"]
    assert history.difference({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}) == "a.c=as before"


def test_a_run_that_did_not_measure_every_seed_is_hollow(nights: Nights) -> None:
    cells = both("l2", 0)
    nights.run(cells)
    nights.run(cells, reused=[cells[0].title])
    nights.run(cells, reused=[cell.title for cell in cells])
    nights.run(cells[:1], missing=cells[1:])
    points = history.points(nights.ledger)
    assert list(points["measured"]) == [True, False, False, False]
    assert set(points["seeds"]) == {"1,2"}


def test_runs_that_have_not_ended_or_have_nothing_are_no_points(nights: Nights) -> None:
    nights.run(both("l2", 0), ended=False)
    assert history.points(nights.ledger).empty


def test_a_measurement_that_was_damaged_makes_its_run_hollow(nights: Nights, tmp_path: Path) -> None:
    cells = both("l2", 0)
    nights.run(cells)
    (path,) = (tmp_path / ".den/ledger").rglob(f"{cells[0].measurement.id}.*")
    path.write_bytes(b"damaged")
    nights.ledger.refresh()
    (point,) = history.points(nights.ledger).itertuples(index=False)
    assert not point.measured
    assert point.value == cells[1].measurement.values()["auroc"]["average"]


def test_runs_are_numbered_within_their_suite_whatever_is_asked_for(nights: Nights) -> None:
    nights.run(both("l2", 0))
    nights.run(both("l2", 1), suite="quick")
    nights.run([*both("l2", 2), *both("den", 2)])
    points = history.points(nights.ledger, "smoke", methods=["den"], since=FIRST + timedelta(days=1))
    assert list(points["number"]) == [2]
    assert list(history.points(nights.ledger)["number"]) == [1, 1, 2, 2]


def test_a_variant_goes_by_its_name(nights: Nights) -> None:
    nights.run([replace(cell, name="l2_published") for cell in both("l2", 0)] + both("l2", 0))
    assert set(history.points(nights.ledger)["method"]) == {"l2", "l2_published"}
    assert set(history.points(nights.ledger, methods=["l2_published"])["method"]) == {"l2_published"}


@pytest.mark.parametrize("metric", history.METRICS)
def test_every_metric_is_that_of_the_measurements_and_can_be_drawn(nights: Nights, metric: str) -> None:
    for day in range(3):
        nights.run(both("den", day)[:1])
    measurement = both("den", 0)[0].measurement
    values = measurement.values()
    expected = {
        "auroc": values["auroc"]["average"],
        "accuracy": values["accuracy"]["average"],
        "capacity": measurement.totals["capacity"],
        "seconds": measurement.train_seconds,
    }
    points = history.points(nights.ledger, metric=metric)
    value = expected.get(metric, values["auroc"].get(metric, math.nan))
    assert list(points["value"]) == pytest.approx([value] * 3, abs=0, nan_ok=True)
    assert export.png(metric_history.draw(list(history.series(points)), [[]])).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_score_that_came_later_has_a_history_from_then_on(nights: Nights, here: Path) -> None:
    chosen = ("--metric", synthetic.LATER_SCORE)
    nights.run(both("den", 0)[:1])
    assert "average precision over 1 run" in invoked(*chosen)
    later = synthetic.with_more(both("den", 1)[0])
    nights.run([later])
    value = later.measurement.values()["auroc"]["average"]
    assert [row["value"] for row in json.loads(invoked(*chosen, "--format", "json"))] == [None, value]
    assert f"smoke-blobs-{synthetic.LATER_SCORE}.png" in invoked(*chosen, "--suite", "smoke")


def test_a_step_is_found_in_whole_runs_and_shown(nights: Nights, here: Path) -> None:
    def moved(day: int) -> list[CellResult]:
        down = 0.05 if day >= 8 else 0.0
        return [synthetic.with_scores(cell, lambda value: max(0.0, value - down)) for cell in both("l2", day)]

    ids = [nights.run(moved(day)) for day in range(16)]
    groups = list(history.series(history.points(nights.ledger)))
    ((step,),) = history.steps(groups)
    assert (step.last["run"], step.first["run"]) == (ids[7], ids[8])
    change = step.change
    assert change.after - change.before == pytest.approx(-0.05, abs=1e-9)
    shown = invoked("--stream", "blobs")
    assert f"Changed 2026-06-09, run {ids[8]}: L2" in shown
    assert "2026-06-09" in shown.split("Changed")[0]
    hollow = groups[0].assign(measured=[True] * 8 + [False] * 8)
    assert history.steps([hollow]) == [[]]


def test_a_sparkline_goes_from_the_lowest_to_the_highest() -> None:
    assert metric_history.sparkline([0.5, 0.75, 1.0]) == "▁▅█"
    assert metric_history.sparkline([0.5, 0.5]) == "▄▄"
    assert metric_history.sparkline([]) == ""
    assert len(metric_history.sparkline(list(range(1000)))) == metric_history.WIDEST


def invoked(*words: str, code: int = 0) -> str:
    """Return what `den history` prints."""
    result = CliRunner().invoke(main, ["history", *words], env={"COLUMNS": "160"})
    assert result.exit_code == code, result.output
    return result.output


def test_with_one_run_the_command_says_so_and_draws_nothing(nights: Nights, here: Path) -> None:
    nights.run(both("l2", 0))
    assert "There is only one run so far" in invoked()
    assert not (here / "reports").exists()


@pytest.mark.slow
def test_the_command_draws_series_and_lists_the_runs_of_a_method(nights: Nights, here: Path) -> None:
    ids = [nights.run([*both("l2", day), *both("ewc", day)]) for day in range(3)]
    shown = invoked("--suite", "smoke")
    assert "AUROC over 3 runs" in shown
    assert "reports/out/history/smoke-blobs-auroc.png" in shown
    listed = invoked("--method", "l2")
    assert all(id in listed for id in ids)
    assert "EWC" not in listed
    assert (here / "reports/out/history/all-blobs-l2-auroc.png").exists()


def test_rows_for_other_programs_hold_every_number_to_the_bit(nights: Nights, here: Path) -> None:
    for day in range(2):
        nights.run([*both("l2", day), *both("ewc", day)])
    points = history.points(nights.ledger)
    rows = json.loads(invoked("--format", "json"))
    assert [list(row) for row in rows] == [history.ROWS] * 4
    assert [row["value"] for row in rows] == list(points["value"])
    assert rows[0]["started"] == "2026-06-01T02:00:00+00:00"
    read = list(csv.DictReader(io.StringIO(invoked("--format", "csv"))))
    assert [float(row["value"]) for row in read] == list(points["value"])
    assert {"run", "started", "suite", "stream", "method", "seeds", "machine", "metric", "value", "measured"} <= {
        *read[0]
    }
    assert not (here / "reports").exists()


def test_a_metric_that_a_method_has_not_is_null(nights: Nights, here: Path) -> None:
    nights.run(both("joint", 0))
    (row,) = json.loads(invoked("--metric", "forgetting", "--format", "json"))
    assert row["value"] is None
    assert math.isnan(history.points(nights.ledger, metric="forgetting")["value"].iloc[0])
    nights.run(both("joint", 1))
    assert "Figure" in invoked("--metric", "forgetting")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "other"], "suite 'other' has no history here; there are smoke"),
        (["--stream", "other"], "stream 'other' has no history here; there are blobs"),
        (["--stream", "../blobs"], "stream '../blobs' has no history here"),
        (["--method", "ewc"], "method 'ewc' has no history here; there are l2"),
        (["--metric", "speed"], "metric 'speed' has no history here; there are auroc"),
        (["--since", "yesterday"], "--since yesterday: not a date; write one such as 2026-11-29"),
    ],
)
def test_what_is_not_there_is_refused(nights: Nights, here: Path, words: list[str], message: str) -> None:
    nights.run(both("l2", 0))
    assert message in " ".join(invoked(*words, code=2).split())


def test_an_empty_ledger_says_what_to_do(here: Path) -> None:
    assert "`den run` makes them" in invoked()


def test_since_leaves_out_earlier_runs(nights: Nights, here: Path) -> None:
    ids = [nights.run(both("l2", day)) for day in range(3)]
    rows = json.loads(invoked("--since", "2026-06-02", "--format", "json"))
    assert [row["run"] for row in rows] == ids[1:]
    assert "No ended run has measurements since 2027-01-01" in invoked("--since", "2027-01-01")


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_a_figure_is_never_written_where_a_name_points(name: str) -> None:
    for words in ((name or "..", "blobs", ()), ("smoke", name, ()), ("smoke", "blobs", (name,))):
        with pytest.raises(SettingsError, match="file's name"):
            command.figure_path(*words, "auroc")


def test_many_methods_make_a_short_name() -> None:
    names = [f"method_{number}" for number in range(60)]
    assert len(command.figure_path("smoke", "blobs", names, "auroc").name) < 60
