"""Damage to the database of Prefect's temporary server is seen before the server starts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.settings import PREFECT_HOME, temporary_settings

from den.config import SettingsError
from flows.runtime import server

PAGE = 4096


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a database with tables, an index and many pages."""
    path = tmp_path_factory.mktemp("sound") / "prefect.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE flow_run (id INTEGER PRIMARY KEY, name TEXT)")
        database.execute("CREATE INDEX by_name ON flow_run (name)")
        database.executemany("INSERT INTO flow_run (name) VALUES (?)", ((f"run {i}" * 20,) for i in range(300)))
    return path


def damage(folder: Path, content: bytes) -> str:
    (folder / "prefect.db").write_bytes(content)
    with temporary_settings({PREFECT_HOME: folder}):
        return server.damage()


def test_a_sound_database_and_none_at_all_are_fine(sound: Path, tmp_path: Path) -> None:
    with temporary_settings({PREFECT_HOME: tmp_path}):
        assert server.damage() == ""
    assert damage(tmp_path, sound.read_bytes()) == damage(tmp_path, b"") == ""


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_page_of_other_bytes_is_damage(
    data: st.DataObject, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = sound.read_bytes()
    start = data.draw(st.integers(0, len(whole) // PAGE - 1)) * PAGE
    other = data.draw(st.sampled_from([b"\xa5", b"\x5a", b"x"])) * PAGE
    content = whole[:start] + other + whole[start + PAGE :]
    assert "is damaged" in damage(tmp_path_factory.mktemp("damaged"), content)


@settings(max_examples=50, deadline=None)
@given(share=st.floats(0.1, 0.9))
def test_a_truncated_database_is_damage(share: float, sound: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = sound.read_bytes()
    assert "is damaged" in damage(tmp_path_factory.mktemp("damaged"), whole[: int(len(whole) * share)])


def test_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    assert damage(tmp_path, b"no database at all, " * 100)
    with temporary_settings({PREFECT_HOME: tmp_path}), pytest.raises(SettingsError, match="move it away, and the next"):
        server.refuse_damaged()
