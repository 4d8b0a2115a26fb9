"""What makes an address and a text fit to show: no user, no password, no query, and no secret of the environment."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from string import ascii_letters, digits

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import main
from flows.runtime import addresses
from flows.tracking import tracker

SECRET = "hunter2-Geheim"
SCHEMES = st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg2", "mysql", "tcp", "tls"])
PASSWORDS = st.text(ascii_letters + digits + "!$%&/?#@:;=+~.-_", max_size=12).map(lambda rest: f"Q{rest}Qq")
HOSTS = st.sampled_from(["tracking.example.org", "127.0.0.1", "[::1]"])


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        (f"https://me:{SECRET}@tracking.example.org:5000/sub?token={SECRET}", "https://tracking.example.org:5000/sub"),
        (f"http://me:{SECRET}@[::1]:5000/", "http://[::1]:5000"),
        (f"postgresql+psycopg2://me:{SECRET}@db/mlflow?sslmode=require", "postgresql+psycopg2://db/mlflow"),
        (f"postgresql://db/mlflow?password={SECRET}", "postgresql://db/mlflow"),
        (f"http://me:p/{SECRET}@host", "http://…"),
        (f"http://me:p?{SECRET}@host", "http://…"),
        (f"http://me:p#{SECRET}@host", "http://…"),
        (f"http://{SECRET}@host", "http://host"),
        (f"Server=db;Password={SECRET}", "…"),
        ("sqlite:////home/me@work/.mlflow/mlflow.db", "sqlite:////home/me@work/.mlflow/mlflow.db"),
        ("file:///home/me/mlruns", "file:///home/me/mlruns"),
        ("tls://192.0.2.1:8786", "tls://192.0.2.1:8786"),
        ("./mlruns", "./mlruns"),
        ("databricks", "databricks"),
    ],
)
def test_an_address_is_shown_without_user_password_and_query(address: str, plain: str) -> None:
    assert addresses.shown(address) == plain
    if "://" in address:
        assert SECRET not in addresses.without_secrets(f"no answer from {address}: connection refused", {})


@given(SCHEMES, PASSWORDS, HOSTS, st.sampled_from(["", "/api", "?timeout=3"]))
def test_no_password_whatever_its_characters_is_shown(scheme: str, password: str, host: str, rest: str) -> None:
    address = f"{scheme}://me:{password}@{host}:5000{rest}"
    assert password not in addresses.shown(address)
    assert password not in addresses.without_secrets(f"'{address}' failed ({address}).", {"ANY": address})


@pytest.mark.parametrize(
    ("address", "link"),
    [
        (f"https://me:{SECRET}@host:5000/sub?token={SECRET}", "https://host:5000/sub"),
        (f"http://me:p/{SECRET}@host", None),
        ("sqlite:////home/me/.mlflow/mlflow.db", None),
        ("file:///home/me/mlruns", None),
        ("databricks", None),
    ],
)
def test_a_link_leads_to_a_server(address: str, link: str | None) -> None:
    assert addresses.link(address) == link


def test_secrets_of_the_environment_are_hidden_in_texts_and_numbers_are_not() -> None:
    environment = {"MLFLOW_TRACKING_TOKEN": SECRET, "MAX_TOKENS": "1000", "DATABASE_URL": "postgresql://a:s%2Fcr@b/c"}
    text = f"token {SECRET}, also s%2Fcr and s/cr, after 1000 steps"
    assert addresses.without_secrets(text, environment) == "token …, also … and …, after 1000 steps"


@pytest.fixture
def planted(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Plant a secret in the addresses of servers that are not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"me:{SECRET}@127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{place}?token={SECRET}")
        monkeypatch.setenv("PREFECT_API_URL", f"http://{place}/api")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield SECRET


@pytest.mark.parametrize("words", ["ui", "doctor", "sync", "prune --keep 90d"])
def test_no_command_shows_a_secret_of_an_address(
    words: str, planted: str, caplog: pytest.LogCaptureFixture, here: Path
) -> None:
    (here / "params.yaml").touch()
    answer = CliRunner().invoke(main, words.split(), prog_name="den")
    shown = answer.output + answer.stderr + caplog.text + repr(answer.exception)
    assert planted not in shown
    assert "127.0.0.1" in shown or "nothing" in shown
    assert not [path for path in here.rglob("*") if path.is_file() and planted.encode() in path.read_bytes()]
    assert planted in os.environ["MLFLOW_TRACKING_URI"] and planted in tracker.address()
