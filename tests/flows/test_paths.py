"""No name leads out of its folder, whatever command is given it or whatever file holds it; files follow the umask."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import synthetic
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from projects import ROOT
from pydantic import ValidationError

from den import files, paths
from den.cells import Cell
from den.config import SettingsError
from den.ledger import Asked, Begun, Ledger, Machine, Measurement, Places, sealed
from den.ledger.settings import key_of
from den.ledger.store import archive
from flows.cli import main
from flows.pipeline import reporting
from reports import accepted_results, tables
from reports.page import report

HOSTILE = ("../results/blobs", "../../outside", "/tmp/outside", "a/b", "..", ".hidden", "a b", "a\x00b", "~", "x" * 65)
COMMANDS = (
    ("run", "--suite"), ("run", "--suite", "smoke", "--stream"), ("run", "--suite", "smoke", "--method"),
    ("search", "--stream"), ("search", "--stream", "blobs", "--method"), ("prepare", "--stream"),
    ("results", "--suite"), ("results", "--accepted", "--suite"), ("report", "--suite"), ("report", "--run"),
    ("report", "--accepted", "--suite"), ("compare", "--suite"), ("compare", "--accepted", "--suite"),
    ("history", "--suite"), ("history", "--stream"), ("history", "--method"), ("history", "--metric"),
    ("accept", "--suite"), ("accept", "--suite", "smoke", "--run"), ("status", "--suite"), ("why",), ("rerun",),
)  # fmt: skip


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Return what params.yaml has of one suite: reading all of it for every name would take most of the time."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    smoke = {"suites": {"smoke": params["suites"]["smoke"]}, "data": {"seeds": 2}}
    search = {"search": {"blobs": {"trials": 1, "spaces": {"l2": {"strength": {"low": 0.1, "high": 1.0}}}}}}
    return {name: params[name] for name in ("training", "network", "methods")} | smoke | search


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_follows_a_name_out_of_its_folder(
    words: tuple[str, ...], settings: dict[str, Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "project").mkdir()
    monkeypatch.chdir(here / "project")
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    for name in HOSTILE:
        answer = CliRunner().invoke(main, [*words, name], prog_name="den")
        assert answer.exit_code == 2, (name, answer.output, answer.exception)
        assert answer.stderr.startswith("den: ")
        shown = repr(name)[1:41].rstrip("'")  # the beginning of a long name
        assert shown in answer.stderr or name in answer.stderr, answer.stderr
    assert {path.name for path in here.iterdir()} == {"project"}


@given(st.text(max_size=80))
def test_a_part_of_a_path_stays_in_its_folder(name: str) -> None:
    try:
        path = Path("folder", paths.part(name))
    except SettingsError:
        return
    assert path.parent == Path("folder") and path.name == name


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_written_under_such_a_name(name: str, here: Path) -> None:
    result = synthetic.result("blobs", "den", 1, 3)
    collected = tables.collect([result], "smoke")
    frames = {kind: getattr(collected, kind).assign(stream=name) for kind in ("scores", "cells", "measures")}
    with pytest.raises(SettingsError, match="file's name"):
        accepted_results.write([result], name)
    with pytest.raises(SettingsError, match="file's name"):
        reporting._draw(name, collected, {})
    with pytest.raises(SettingsError, match="file's name"):
        report.write(tables.Tables(**frames), here / "report")
    with pytest.raises(ValidationError, match="variant"):
        Cell(stream="blobs", method="den", seed=0, variant=name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_ledger_takes_in_no_such_name(name: str, here: Path) -> None:
    about = {"machine": Machine(system="Linux"), "started": datetime(2026, 11, 29, tzinfo=UTC), "trigger": "hand"}
    about |= {"process": "host/1/1", "load": None, "slots": 1, "torch": "2", "commit": None, "dirty": None}
    begun = Begun(id="20261129-0200", asked=Asked(suite="smoke"), cells=(), **about).model_dump(mode="json")
    begun["asked"]["suite"] = name
    measurement = synthetic.result("blobs", "den", 1, 3).measurement.model_dump(mode="json")
    measurement["settings"]["stream"] = name
    measurement["key"] = key_of(measurement["settings"], measurement["data"])
    with pytest.raises(ValidationError, match="file's name"):
        Measurement.model_validate_json(json.dumps(measurement))
    Path("hostile.xz").write_bytes(archive([sealed.seal(begun), sealed.seal(measurement)]))
    taken = Ledger.of(Places()).take(Path("hostile.xz"))
    assert (taken.added, len(taken.faults)) == (0, 2)
    assert {path.name for path in here.iterdir()} == {"hostile.xz", ".den"}


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_files_follow_the_umask(umask: int, here: Path) -> None:
    before = os.umask(umask)
    try:
        files.write(Path("folder/file"), "content")
        Ledger.of(Places()).add(synthetic.result("blobs", "den", 1, 3).measurement)
    finally:
        os.umask(before)
    written = [path for path in here.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert {path.suffix for path in written} == {"", ".gz", ".sqlite"}
    for path in written:
        assert not path.stat().st_mode & umask, path
    assert Path("folder/file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_write_that_fails_leaves_nothing_behind(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(here / "file", "before")
    monkeypatch.setattr(os, "fsync", lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write(here / "file", "after")
    assert [path.name for path in here.iterdir()] == ["file"]
    assert (here / "file").read_text() == "before"
