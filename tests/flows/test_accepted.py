"""Accepted results: what is published is whole, readable anywhere, true to the ledger, and small."""

import io
import json
import lzma
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small
import yaml
from projects import ROOT
from synthetic import result, results

from den import suites
from den.cells import Cell, cell_of, settings_of
from den.config import SettingsError
from den.execution import execute
from den.ledger import Answer, Begun, CellResult, Ended, Ledger, LedgerError, Measurement, Places, Planned, Run, sealed
from den.ledger.run import Asked
from den.ledger.settings import key_of
from den.ledger.store import archive, unarchived
from flows.commands.accept import accept_run
from reports import accepted_results, tables
from reports.accepted_results import ACCEPTED, MEASUREMENTS

FORMER = "77d068f628910ddf6b009da32142ff7a200e00c1"  # the last commit with the records of version 0.5.0 in results/
RECORDS = 463
BUDGET = 2_000_000  # bytes, of the measurements of all suites; everything else may take a quarter of it
HERE = sorted(path.parent.name for path in (ROOT / ACCEPTED).glob("*/cells.csv"))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the project's folder, where the accepted results lie."""
    monkeypatch.chdir(ROOT)


# What is published


@pytest.mark.parametrize(("of_former_version", "budget"), [(False, BUDGET), (True, BUDGET // 2)])
def test_the_accepted_results_are_small(of_former_version: bool, budget: int) -> None:
    """Results of 0.5.0 that stand beside new ones have a budget of their own (docs/decisions/0069)."""
    files = filter(Path.is_file, (ROOT / ACCEPTED).rglob("*"))
    chosen = [path for path in files if path.parent.name.endswith("-euclidean") == of_former_version]
    sizes = {path: path.stat().st_size for path in chosen}
    measurements = sum(size for path, size in sizes.items() if path.name == MEASUREMENTS)
    assert 0 < measurements <= budget
    assert 0 < sum(sizes.values()) - measurements <= budget // 4


@pytest.mark.parametrize("suite", HERE)
def test_later_settings_rename_no_accepted_cell(suite: str, published: None) -> None:
    for one in accepted_results.results(suite):
        settings = one.measurement.settings
        assert settings_of(cell_of(settings)) == settings
        assert key_of(settings, one.measurement.data) == one.measurement.key


@pytest.mark.parametrize("suite", [pytest.param(name, marks=[pytest.mark.slow] * (name != "quick")) for name in HERE])
def test_the_table_of_cells_is_that_of_the_accepted_measurements(suite: str, published: None) -> None:
    written, collected = tables.read_one(ACCEPTED / suite, "cells"), accepted_results.read_tables(suite).cells
    pd.testing.assert_frame_equal(written, collected, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("suite", HERE)
def test_an_accepted_folder_is_what_accepting_its_results_writes(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    known = accepted_results.results(suite)
    monkeypatch.chdir(tmp_path)
    files, again = contents(ROOT / ACCEPTED / suite), contents(accepted_results.write(known, suite))
    assert again.keys() == files.keys()
    assert {name: unpacked(name, again[name]) for name in again} == {
        name: unpacked(name, files[name]) for name in files
    }


@pytest.mark.slow
def test_every_record_of_version_050_is_found_again(published: None) -> None:
    records = former_records()
    known = {one.measurement.origin.record.identity: one.measurement for one in everything() if former(one)}
    assert known.keys() >= records.keys()
    assert len(records) == RECORDS
    for identity, record in records.items():
        assert parts_of_measurement(known[identity]) == parts_of_record(record)


def test_a_record_is_found_by_each_of_its_former_identities(published: None) -> None:
    measurement = accepted_results.results("mnist-variation-euclidean")[0].measurement
    record = measurement.origin.record
    assert record is not None
    for prefix in (measurement.id, record.identity[:7], record.carried[0].identity):
        assert ("mnist-variation-euclidean", measurement) in accepted_results.find(prefix)
    assert accepted_results.find("0" * 16) == accepted_results.find("no identity") == []


def test_an_accepted_folder_is_imported_into_a_ledger(places: Places) -> None:
    path = ROOT / ACCEPTED / "quick" / MEASUREMENTS
    imported = Ledger.of(places).take(path)
    assert (imported.added, imported.present, imported.faults) == (len(unarchived(path)), 0, ())
    assert {entry.id for entry in Ledger.of(places).entries()} == {line[:16] for line in unarchived(path)}


# Writing and reading


def test_what_is_written_comes_back(here: Path) -> None:
    grid = results("blobs", seeds=2, tasks=3)
    folder = accepted_results.write(grid, "quick")
    assert accepted_results.suites() == ["quick"]
    back = accepted_results.results("quick")
    assert {one.how for one in back} == {"accepted"}
    assert sorted((one.title, one.measurement.id) for one in back) == sorted(
        (one.title, one.measurement.id) for one in grid
    )
    accepted = [replace(one, how="accepted") for one in grid]
    assert_same(accepted_results.read_tables("quick"), tables.collect(accepted, "quick"))
    files = contents(folder)
    assert contents(accepted_results.write(reversed(grid), "quick")) == files


def test_two_names_of_one_measurement_share_its_line(here: Path) -> None:
    one = result("blobs", "den", 1, tasks=2)
    folder = accepted_results.write([one, replace(one, name="den_dynamic")], "tiny")
    assert len(unarchived(folder / MEASUREMENTS)) == 1
    assert [back.name for back in accepted_results.results("tiny")] == ["den", "den_dynamic"]


def test_a_failure_leaves_the_accepted_folder_as_it_was(here: Path) -> None:
    one = result("blobs", "den", 1, tasks=2)
    files = contents(accepted_results.write([one], "tiny"))
    twin = result("blobs", "den", 1, tasks=2, commit="f" * 16)
    with pytest.raises(ValueError, match="several cells of blobs, den, seed 1"):
        accepted_results.write([one, twin], "tiny")
    assert contents(ACCEPTED / "tiny") == files
    assert [path.name for path in ACCEPTED.iterdir()] == ["tiny"]


def test_what_is_gone_from_the_results_is_gone_from_the_folder(here: Path) -> None:
    both = [result(stream, "den", 1, tasks=2) for stream in ("blobs", "split_mnist")]
    assert (accepted_results.write(both, "tiny") / "split_mnist.csv").exists()
    assert not (accepted_results.write(both[:1], "tiny") / "split_mnist.csv").exists()


def cut(lines: list[str]) -> bytes:
    return archive(lines)[:-20]


def edited(lines: list[str]) -> bytes:
    return archive([lines[0].replace('"seed":1', '"seed":7'), *lines[1:]])


def shortened(lines: list[str]) -> bytes:
    return archive(lines[1:])


@pytest.mark.parametrize("damage", [cut, edited, shortened], ids=lambda damage: damage.__name__)
def test_a_damaged_archive_is_named(
    damage: Callable[[list[str]], bytes], here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = accepted_results.write(results("blobs", 1, ("den", "l2"), tasks=2), "tiny")
    path = folder / MEASUREMENTS
    lines = unarchived(path)
    path.write_bytes(damage(lines))
    with pytest.raises(LedgerError, match=str(path)):
        accepted_results.results("tiny")
    assert accepted_results.find(lines[0][:16]) == []
    assert damage is shortened or str(path) in caplog.text


def test_a_table_of_cells_without_one_of_them_is_refused(here: Path) -> None:
    path = accepted_results.write(results("blobs", 1, ("den", "l2"), tasks=2), "tiny") / "cells.csv"
    *lines, last = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines))
    with pytest.raises(LedgerError, match=f"differ in measurement {last.split(',')[4]}; restore .* from git"):
        accepted_results.results("tiny")


def test_a_damaged_table_is_named(here: Path) -> None:
    path = accepted_results.write([result("blobs", "den", 1, tasks=2)], "tiny") / "cells.csv"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        accepted_results.read_tables("tiny")


def test_a_suite_that_was_never_accepted_is_asked_for(here: Path) -> None:
    for read in (accepted_results.read_tables, accepted_results.results):
        with pytest.raises(SettingsError, match=r"'tiny' has no accepted results \(there are none\); `den accept`"):
            read("tiny")
    assert accepted_results.suites() == []


# Accepting a run


class Site:
    """A project with a suite of two methods, whose runs are put together from measurements of its cells."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.places = Places(data, folder / "ledger", folder / "index.sqlite", folder / "work")
        self.settings: dict[str, Any] = {
            "data": {"seeds": 2},
            "suites": {"tiny": {"streams": ["blobs"], "methods": ["finetune", "l2_strong"], "seeds": [0]}},
            "training": small.TRAINING.model_dump(mode="json") | {"epochs": 1},
            "network": small.NETWORK.model_dump(mode="json"),
            "streams": {"blobs": small.SIZES},
            "variants": {"l2_strong": {"method": "l2", "set": {"strength": 9.0}}},
        }
        self.write()
        self.measured: dict[str, Measurement] = {}
        self.begun = datetime(2026, 11, 29, 2, tzinfo=UTC)

    def write(self, **suite: Any) -> None:
        """Write params.yaml, the suite changed."""
        self.settings["suites"]["tiny"] |= suite
        Path("params.yaml").write_text(yaml.safe_dump(self.settings))

    def cells(self, *seeds: int) -> list[Cell]:
        return list(suites.load().cells("tiny", seeds=seeds or None))

    def run(self, id: str, cells: list[Cell], done: int | None = None, end: bool = True, **origin: Any) -> Run:
        """Write a run to the ledger that measured the first `done` of its cells; origin: of the last of them."""
        ledger = Ledger.of(self.places)
        self.begun += timedelta(hours=1)
        measured = [self.measurement(cell, run=id) for cell in cells[:done]]
        measured[-1] = with_origin(measured[-1], **origin)
        answers = [
            Answer(title=cell.title, measurement=ledger.add(measurement), how="measured")
            for cell, measurement in zip(cells, measured, strict=False)
        ]
        keys = [key_of(settings_of(cell), measured[0].data) for cell in cells]
        keys[: len(measured)] = [measurement.key for measurement in measured]
        planned = [
            Planned(key=key, stream=cell.stream, name=cell.name, seed=cell.seed, fingerprint="f" * 64)
            for cell, key in zip(cells, keys, strict=True)
        ]
        start = begun(id, "tiny", tuple(planned), self.begun)
        finish = Ended(id=id, ended=self.begun, answers=tuple(answers), verdict="first run") if end else None
        ledger.begin(start)
        if finish:
            ledger.end(finish)
        return Run(start, finish)

    def measurement(self, cell: Cell, **origin: Any) -> Measurement:
        """Return a measurement of a cell, measured once."""
        name = cell.model_dump_json()
        if name not in self.measured:
            self.measured[name] = execute(cell, self.places)
        return with_origin(self.measured[name], commit="c" * 40, dirty=False, **origin)

    def accept(self, run_id: str | None = None, partial: bool = False, add: bool = False) -> list[CellResult]:
        """Accept, and return what the folder then holds."""
        assert accept_run("tiny", run_id, partial, add, self.places) == ACCEPTED / "tiny"
        return accepted_results.results("tiny")


def begun(id: str, suite: str, cells: tuple[Planned, ...], started: datetime) -> Begun:
    about = {name: None for name in Begun.model_fields if name not in ("version", "id")}
    machine = result("blobs", "den", 1, tasks=2).measurement.origin.machine
    known = {"asked": Asked(suite=suite), "cells": cells, "started": started, "trigger": "hand", "process": "host/1/1"}
    return Begun(id=id, **about | known | {"machine": machine, "torch": "2.14.1"})


def with_origin(measurement: Measurement, **origin: Any) -> Measurement:
    return measurement.model_copy(update={"origin": measurement.origin.model_copy(update=origin)})


@pytest.fixture
def site(here: Path, blobs_folder: Path) -> Site:
    return Site(here, blobs_folder)


def test_the_newest_whole_run_that_has_every_cell_is_accepted(site: Site) -> None:
    whole = site.run("run-whole", site.cells())
    site.run("run-stopped", site.cells(), done=1)
    site.run("run-of-one-method", site.cells()[:1])
    site.settings["training"]["learning_rate"] = 0.02
    site.write()
    site.run("run-at-other-settings", site.cells())
    site.settings["training"]["learning_rate"] = small.TRAINING.learning_rate
    site.write()
    site.run("run-under-way", site.cells(), done=1, end=False)
    found = site.accept()
    assert [one.title for one in found] == ["blobs · finetune · seed 0", "blobs · l2_strong · seed 0"]
    assert {one.measurement.origin.run for one in found} == {"run-whole"}
    assert {one.measurement.id for one in found} == {answer.measurement for answer in whole.answers.values()}


def test_accepted_seeds_are_those_that_accepting_needs(site: Site) -> None:
    site.write(accepted_seeds=[0, 1])
    site.run("run-of-a-night", site.cells(0))
    with pytest.raises(SettingsError, match=r"no complete run of suite tiny.*--seeds 0,1"):
        site.accept()
    site.run("run-of-all-seeds", site.cells(0, 1))
    site.run("run-of-the-next-night", site.cells(0))
    assert [one.measurement.seed for one in site.accept()] == [0, 1, 0, 1]


def test_a_run_is_accepted_by_its_id_alone_if_it_fits(site: Site) -> None:
    site.run("run-whole", site.cells())
    site.run("run-stopped", site.cells(), done=1)
    site.run("run-newest", site.cells())
    assert {one.measurement.origin.run for one in site.accept("run-whole")} == {"run-whole"}
    with pytest.raises(SettingsError, match=r"run run-stopped lacks blobs · l2_strong · seed 0"):
        site.accept("run-stopped")
    with pytest.raises(SettingsError, match="is not in the ledger"):
        site.accept("run-unheard-of")
    assert {one.measurement.origin.run for one in site.accept("run-stopped", partial=True)} == {"run-stopped"}


def test_a_long_suite_is_accepted_in_part_while_it_is_under_way(site: Site) -> None:
    with pytest.raises(SettingsError, match="no run of suite tiny"):
        site.accept(partial=True)
    site.run("run-under-way", site.cells(), done=1, end=False)
    assert [one.title for one in site.accept(partial=True)] == ["blobs · finetune · seed 0"]


def test_a_suite_is_accepted_method_by_method(site: Site) -> None:
    first, second = site.cells()
    site.run("run-of-the-first", (first,))
    with pytest.raises(SettingsError, match="'tiny' has no accepted results"):
        site.accept(add=True)
    site.accept(partial=True)
    site.run("run-of-the-second", (second,))
    accepted = site.accept(add=True)
    assert [one.title for one in accepted] == [first.title, second.title]
    assert [one.measurement.origin.run for one in accepted] == ["run-of-the-first", "run-of-the-second"]
    site.run("run-of-the-second-again", (second,))
    assert [one.measurement.origin.run for one in site.accept(add=True)] == [
        "run-of-the-first",
        "run-of-the-second-again",
    ]


def test_accepted_results_of_other_settings_are_not_kept(site: Site) -> None:
    site.run("run-whole", site.cells())
    site.accept()
    site.settings["training"]["learning_rate"] = 0.02
    site.write()
    site.run("run-of-the-second", site.cells()[1:])
    with pytest.raises(SettingsError, match="run-of-the-second lacks blobs · finetune · seed 0"):
        site.accept(add=True)
    assert [one.title for one in site.accept(partial=True, add=True)] == ["blobs · l2_strong · seed 0"]


def test_results_of_two_fingerprints_are_refused_and_the_old_ones_stay(site: Site) -> None:
    site.run("run-whole", site.cells())
    site.accept()
    files = contents(ACCEPTED / "tiny")
    site.write(accepted_seeds=[0, 1])
    site.run("run-mixed", site.cells(0, 1), fingerprint="e" * 64)
    with pytest.raises(SettingsError, match=r"run-mixed mixes results of different code for l2 on blobs.*--again"):
        site.accept()
    assert contents(ACCEPTED / "tiny") == files


def test_repeated_cells_are_refused(site: Site) -> None:
    site.run("run-tripled", site.cells() * 3)
    with pytest.raises(SettingsError, match="run-tripled has .* more than once"):
        site.accept()
    assert not ACCEPTED.exists()


def test_uncommitted_code_is_accepted_and_named(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.run("run-dirty", site.cells(), dirty=True)
    site.accept()
    assert "uncommitted code, marked -dirty in cells.csv: blobs · l2_strong · seed 0" in caplog.text
    assert accepted_results.read_tables("tiny").cells["commit"].tolist() == ["c" * 40, f"{'c' * 40}-dirty"]


# Helpers


def assert_same(one: tables.Tables, other: tables.Tables) -> None:
    for name in tables.COLUMNS:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def unpacked(name: str, content: bytes) -> bytes:
    """Return a file's content as it was before compression, which another liblzma may do in other bytes."""
    return lzma.decompress(content) if name.endswith(".xz") else content


def everything() -> Iterator[CellResult]:
    return (one for suite in accepted_results.suites() for one in accepted_results.results(suite))


def former(one: CellResult) -> bool:
    return one.measurement.origin.record is not None


def former_records() -> dict[str, dict[str, Any]]:
    """Return the records of version 0.5.0 by identity, from the history."""
    words = ["git", "-C", str(ROOT), "archive", "--format=zip", FORMER, "results"]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"commit {FORMER} is not in this clone's history")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as history:
        names = [name for name in history.namelist() if name.endswith(".json") and "/studies/" not in name]
        return {Path(name).stem: json.loads(history.read(name)) for name in names}


def parts_of_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return everything that a record of version 0.5.0 holds, times as points in time."""
    about = record["provenance"]
    gpu = None if about["device"] == "cpu" else about["device"]
    return {
        "cell": record["cell"],
        "scores": record["scores"],
        "measures": [tuple(row.values()) for row in record["measures"]],
        "capacity": record["capacity"],
        "train_seconds": record["train_seconds"],
        "times": [datetime.fromisoformat(about[name]) for name in ("started", "finished")],
        "code": [about[name] for name in ("commit", "dirty", "lock_hash", "python", "torch", "cuda", "host")],
        "device": gpu,
        "data": [about["stream_hash"], about.get("flow_run"), about.get("data_version")],
        "carried": [(step["from"], step["commit"], step["compared"]) for step in about.get("carried", [])],
    }


def parts_of_measurement(measurement: Measurement) -> dict[str, Any]:
    """Return the same of a measurement."""
    origin, machine, record = measurement.origin, measurement.origin.machine, measurement.origin.record
    assert record is not None
    code = [origin.commit, origin.dirty, origin.lock, origin.python, origin.torch, machine.cuda, machine.system]
    content = json.loads(sealed.seal(measurement).partition(" ")[2])
    return {
        "cell": measurement.settings,
        "scores": content["scores"],
        "measures": [tuple(row) for row in measurement.measures.rows()],
        "capacity": measurement.totals,
        "train_seconds": measurement.train_seconds,
        "times": [origin.started, origin.ended],
        "code": code,
        "device": machine.gpu,
        "data": [record.stream_hash, origin.flow_run, origin.data_version],
        "carried": [(step.identity, step.commit, step.compared) for step in record.carried],
    }
