"""Where a project may lie: at the end of a long path, and behind a link."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from projects import ROOT
from small import cell

from den.config import SettingsError
from den.execution import execute
from den.ledger import Ledger, Order, Places
from flows.commands import run
from flows.places import LONGEST, here


def folder_of(length: int, tmp_path: Path) -> Path:
    """Return a new folder whose path has so many bytes."""
    path = tmp_path
    while (missing := length - len(os.fsencode(path)) - 1) > 0:
        part = min(missing, 200)
        path /= "d" * (part - 2 if missing - part == 1 else part)  # no path ends in a slash
    path.mkdir(parents=True)
    assert len(os.fsencode(path)) == length
    return path


def test_databases_open_at_the_longest_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(LONGEST, tmp_path)
    monkeypatch.chdir(folder)
    here()
    for name in (".prefect/prefect.db", ".mlflow/mlflow.db", ".den/index.sqlite"):
        (folder / name).parent.mkdir()
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE one (two)")
            connection.commit()


@pytest.mark.parametrize("length", [LONGEST + 1, 1000, 3000])
def test_a_longer_path_is_refused(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of(length, tmp_path))
    with pytest.raises(SettingsError, match=f"the project's path has {length} bytes, and at most {LONGEST} work; move"):
        here()


def test_a_run_in_a_longer_path_is_refused_before_a_server_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder_of(LONGEST + 1, tmp_path))
    shutil.copy(ROOT / "params.yaml", ".")
    with pytest.raises(SettingsError, match="the project's path has"):
        run.run(run.Request("smoke", (), (), None, (), None, "here"))


def test_a_cell_behind_a_link_has_the_same_ledger_and_results(blobs_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    real, link = (
        Places(blobs_folder, tmp_path / name / "ledger", tmp_path / name / "index.sqlite", tmp_path / name / "work")
        for name in ("real", "link")
    )
    measured = execute(cell(), link)
    assert execute(cell(), real).id == measured.id
    again = execute(cell(), real, Order(again=True))
    assert again.id != measured.id
    assert again.digest == measured.digest
    assert {entry.id for entry in Ledger.of(link).entries()} == {measured.id, again.id}
