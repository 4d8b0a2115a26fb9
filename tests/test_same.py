"""Two commits are compared to the last bit, and records carried from one to the other only where all is the same."""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT
from records import record as synthetic
from small import cell

from den import runs
from den.ledger import Places, Record, identities, read_record, write_record
from den.methods import METHODS
from den.suites import load
from flows import tracing
from reports import tables

sys.path.insert(0, str(ROOT / "benchmarks"))
import carrying
import same
import same_side

NOTE = {"commit": "c" * 40, "compared": 2}


@pytest.fixture(scope="module")
def answer(blobs_folder: Path) -> dict[str, Any]:
    """Return what one side says of a small cell, as it comes over the line."""
    return told(blobs_folder)


def told(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(same_side.run(cell("den").model_dump(mode="json"), str(data))))
    return found


def test_a_cell_comes_to_the_same_twice(answer: dict[str, Any], blobs_folder: Path) -> None:
    again = told(blobs_folder)
    assert again["measures"] != answer["measures"], "the clock is among them"
    assert list(same.differences(answer, again)) == []


def score(found: dict[str, Any]) -> None:
    found["scores"]["auroc"][2][0] = math.nextafter(found["scores"]["auroc"][2][0], 2)


def measure(found: dict[str, Any]) -> None:
    next(row for row in found["measures"] if row["measure"] == "drift")["value"] += 0.25


def absent(found: dict[str, Any]) -> None:
    found["measures"] = [row for row in found["measures"] if row["measure"] != "capacity"]


def reordered(found: dict[str, Any]) -> None:
    found["measures"].reverse()


def tensor(found: dict[str, Any]) -> None:
    found["tensors"]["heads.0.weight"] = same_side.digest(torch.zeros(1))


def value(found: dict[str, Any]) -> None:
    found["values"]["stamps"][0][0] += 1


PLANTED = {
    score: "scores: 1 of 18 differ, by up to ",
    measure: "differ, by up to 0.25 (2 split and duplication 1 drift)",
    absent: "(1 capacity, 2 capacity, 3 capacity)",
    reordered: "measures: in another order",
    tensor: "differ (heads.0.weight)",
    value: "differ (values)",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_difference_is_found_and_named(plant: Callable[..., None], answer: dict[str, Any]) -> None:
    other = deepcopy(answer)
    plant(other)
    (found,) = same.differences(answer, other)
    assert PLANTED[plant] in found


def test_one_bit_of_a_tensor_gives_another_digest() -> None:
    weight = torch.randn(3, 4)
    other = weight.clone()
    other.view(torch.int32)[1, 2] ^= 1
    assert same_side.digest(weight) == same_side.digest(weight.t().contiguous().t()) != same_side.digest(other)
    assert same_side.digest(weight) != same_side.digest(weight.reshape(4, 3))


def test_nan_is_nan_and_zero_has_a_sign() -> None:
    assert not list(same.apart("scores", {"a": float("nan")}, {"a": float("nan")}))
    assert list(same.apart("scores", {"a": 0.0}, {"a": -0.0})) == ["scores: 1 of 1 differ, by up to 0 (a)"]
    assert list(same.apart("scores", {"a": float("nan")}, {"a": 1.0})) == ["scores: 1 of 1 differ (a)"]


def test_a_cell_that_fails_is_never_the_same(answer: dict[str, Any]) -> None:
    broken = {"failed": "abc fails: ValueError"}
    assert list(same.differences(broken, answer)) == ["abc fails: ValueError"]
    assert list(same.differences(broken, broken)) == ["abc fails: ValueError"] * 2


def test_every_method_and_variant_is_compared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(ROOT)
    here = SimpleNamespace(name="here", ask=lambda what, **about: same_side.cells(**about))
    found = same.planned(here)
    assert {one["method"] for one in found.values()} == set(METHODS)
    assert {one["variant"] for one in found.values()} == {"", *load().file.variants}
    assert {one["stream"] for one in found.values()} >= {"mnist_variation", "permuted_mnist", "split_mnist"}
    assert capsys.readouterr().out == "", "every group is understood"


def settings_of(one: Record) -> Mapping[str, Any]:
    """Return what new code makes of a record's settings: a key more, at its default."""
    return {**one["cell"], "network": {"widths": [8, 6], "convolutions": []}}


def before(cell: Mapping[str, Any], data: str = "") -> Mapping[str, Any]:
    """Answer as the old code: the identities that synthetic records have; it knows no convolutions."""
    if "convolutions" in cell["network"]:
        return {"failed": "SettingsError: network.convolutions: unknown key"}
    return {"identity": synthetic(cell["stream"], cell["method"], cell["seed"])["identity"], "cell": cell}


def after(cell: Mapping[str, Any], data: str = "") -> Mapping[str, Any]:
    """Answer as the new code, which has no l2 any more and reads the widths of EWC otherwise."""
    if cell["method"] == "l2":
        return {"failed": "SettingsError: method: 'l2' is unknown"}
    own = {"identity": before({**cell, "network": {}})["identity"][::-1], "cell": settings_of({"cell": cell})}
    return own | ({"cell": {**cell, "network": {"widths": [9]}}} if cell["method"] == "ewc" else {})


CELLS = [{"stream": "blobs", "method": method} for method in ("den", "finetune", "joint", "ewc", "l2")]


def recorded(method: str, seed: int = 1, **about: Any) -> Record:
    found = synthetic("blobs", method, seed, tasks=2)
    own = found["cell"] | {"network": {"widths": [8, 6]}}
    return found | {"cell": own, "provenance": found["provenance"] | {"device": "cpu"}} | about


def file_of(project: Path, one: Record) -> Path:
    return project / "results/blobs" / one["cell"]["method"] / f"{one['identity']}.json"


@pytest.fixture
def ledger(tmp_path: Path) -> dict[str, Record]:
    """Return the records of a project: those of the old code, and one of each kind that must be left alone."""
    gpu = recorded("joint")
    gpu["provenance"]["device"] = "NVIDIA H100"
    found = {
        "carried": recorded("den"),
        "carried too": recorded("finetune"),
        "of code, data or versions other than the old ones": recorded("den", 2, identity="0" * 16),
        "no cell under the new code: SettingsError: method: 'l2' is unknown": recorded("l2"),
        "not measured on the cpu, where the cells were compared": gpu,
        "of a stream or method of which no cell was compared": recorded("single_task"),
        "of settings that the new code reads otherwise": recorded("ewc"),
        "measured anew by the new code": recorded("finetune", 2),
    }
    for one in found.values():
        write_record(file_of(tmp_path, one), one)
    anew = recorded("finetune", 2, identity=found["measured anew by the new code"]["identity"][::-1])
    write_record(file_of(tmp_path, anew), anew | {"cell": settings_of(anew)})
    tables.write(tables.collect(list(found.values()), "smoke"), tmp_path / "reports/accepted/smoke")
    (tmp_path / ".den" / found["carried"]["identity"]).mkdir(parents=True)
    return found


def everything(project: Path) -> dict[str, str]:
    return {str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file()}


def test_exactly_the_records_of_the_old_code_are_carried(ledger: dict[str, Record], tmp_path: Path) -> None:
    files = everything(tmp_path)
    lines = list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    assert lines[0] == "2 records carried"
    assert lines[-1] == "1 accepted tables name carried records, and follow"
    moved = [one for name, one in ledger.items() if name.startswith("carried")]
    for reason, one in ledger.items():
        path = file_of(tmp_path, one)
        if one in moved:
            assert not path.exists()
        else:
            assert f"1 left: {reason}" in lines
            assert path.read_text() == files[str(path.relative_to(tmp_path))]
    assert not (tmp_path / ".den" / moved[0]["identity"]).exists()
    assert len(everything(tmp_path)) == len(files)


def test_a_carried_record_keeps_all_but_its_identity(ledger: dict[str, Record], tmp_path: Path) -> None:
    old = ledger["carried"]
    list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    new = read_record(file_of(tmp_path, old | {"identity": old["identity"][::-1]}))
    assert new.pop("identity") == old["identity"][::-1]
    assert new.pop("cell") == settings_of(old)
    assert new["provenance"].pop("carried") == [{"from": old["identity"], **NOTE}]
    assert new == {key: one for key, one in json.loads(json.dumps(old)).items() if key not in ("identity", "cell")}


def test_accepted_tables_follow_their_records(ledger: dict[str, Record], tmp_path: Path) -> None:
    folder = tmp_path / "reports/accepted/smoke"
    known = tables.read(folder).cells
    list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    moved = {one["identity"]: one["identity"][::-1] for name, one in ledger.items() if name.startswith("carried")}
    assert tables.read(folder).cells.equals(known.assign(identity=known["identity"].replace(moved)))


def test_carrying_twice_changes_nothing(ledger: dict[str, Record], tmp_path: Path) -> None:
    list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    files = everything(tmp_path)
    lines = list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    assert lines[0] == "0 records carried"
    assert "3 left: of the new code already" in lines
    assert everything(tmp_path) == files


def test_carrying_that_was_killed_is_finished(ledger: dict[str, Record], tmp_path: Path) -> None:
    list(carrying.carry(tmp_path, before, after, CELLS, NOTE))
    files = everything(tmp_path)
    write_record(file_of(tmp_path, ledger["carried"]), ledger["carried"])  # its copy was there before it was removed
    assert next(carrying.carry(tmp_path, before, after, CELLS, NOTE)) == "1 records carried"
    assert everything(tmp_path) == files


def test_a_record_is_carried_again_by_later_code(ledger: dict[str, Record], tmp_path: Path) -> None:
    one = carrying.carried(ledger["carried"], {"identity": "b" * 16, "cell": {}}, NOTE)
    two = carrying.carried(one, {"identity": "a" * 16, "cell": {}}, {**NOTE, "commit": "d" * 40})
    assert identities(two) == [ledger["carried"]["identity"], "b" * 16, "a" * 16]
    assert tracing.commit_of(two) == "d" * 40


class Fake:
    """A side that answers with what a test gives it."""

    name = "abc"

    def __init__(self, identify: Callable[..., Any], found: Any) -> None:
        self.identify, self.found = identify, found

    def ask(self, what: str, **about: Any) -> Any:
        if what == "cells":
            mine = [one for one in CELLS if about["suite"] == "smoke"]
            return {"cells": [{**one, "variant": ""} for one in mine]}
        return {"prepare": lambda: {}, "run": lambda: self.found, "identify": lambda: self.identify(**about)}[what]()

    need = ask


def invoke(words: list[str], project: Path, found: Any, monkeypatch: pytest.MonkeyPatch, changed: bytes = b"") -> Any:
    """Run the command in a project where the second side finds `found`."""
    empty = {"scores": {}, "measures": [], "tensors": {}, "values": {}, "done": []}
    pair = Fake(before, empty), Fake(after, empty | found)
    monkeypatch.setattr(same, "ROOT", project)
    monkeypatch.setattr(same, "sides", lambda *about: nullcontext(pair))
    monkeypatch.setattr(same, "git", lambda *words: changed if words[0] == "status" else b"c" * 40)
    return CliRunner().invoke(same.main, words)


def test_records_are_carried_where_all_cells_are_the_same(
    ledger: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = invoke(["old", "--carry"], tmp_path, {}, monkeypatch)
    assert done.exit_code == 0, done.output
    assert "2 records carried" in done.output
    one = ledger["carried"]
    path = file_of(tmp_path, one | {"identity": one["identity"][::-1]})
    assert read_record(path)["provenance"]["carried"][0]["commit"] == "c" * 40


@pytest.mark.parametrize("found", [{"values": {"loss": 1}}, {"failed": "ValueError"}])
def test_nothing_is_carried_where_a_cell_differs(
    found: Any, ledger: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = everything(tmp_path)
    done = invoke(["old", "--carry"], tmp_path, found, monkeypatch)
    assert done.exit_code == 1
    assert "carried" not in done.output
    assert everything(tmp_path) == files


@pytest.mark.parametrize(
    ("words", "changed", "reason"), [(["--only", "x"], b"", "all cells"), ([], b" M den/runs.py", "commit den/")]
)
def test_carrying_wants_all_cells_compared_and_all_code_committed(
    words: list[str], changed: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = invoke(["old", "--carry", *words], tmp_path, {}, monkeypatch, changed)
    assert done.exit_code == 2
    assert reason in done.output


def test_a_carried_record_is_found_by_both_names_explained_and_run_again(places: Places) -> None:
    found = runs.execute(cell("den"), places)
    old = found | {"identity": "0" * 16}  # as if other code had measured it
    new = {"identity": found["identity"], "cell": found["cell"]}
    carrying.move(write_old(old, places), runs.record_path(cell("den"), places), carrying.carried(old, new, NOTE))
    carried = tracing.find("000000", places)
    assert carried["identity"] == found["identity"] == tracing.find(found["identity"][:6], places)["identity"]
    said = tracing.why(carried, places)
    assert f"measured at commit {found['provenance']['commit']}; carried to the code of commit {'c' * 40}" in said
    assert "2 cells compared bit for bit; its identity was 0000000000000000" in said
    assert "since then  nothing" in said
    assert tracing.rerun(carried, places, lambda title: None).same
    assert runs.execute(cell("den"), places)["provenance"]["carried"], "it counts as finished"


def write_old(one: Record, places: Places) -> Path:
    path = places.results / "blobs/den" / f"{one['identity']}.json"
    write_record(path, one)
    return path


@pytest.mark.slow
def test_a_commit_is_the_same_as_itself() -> None:
    script = [sys.executable, str(ROOT / "benchmarks/same.py"), "HEAD", "HEAD", "--only", "one head*[2c]"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 cells are the same" in done.stdout
