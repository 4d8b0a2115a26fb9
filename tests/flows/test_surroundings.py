"""What a machine may have around the project: proxies, long temporary folders, odd characters in paths."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest
from projects import ROOT, den
from sites import measurements
from sqlalchemy.engine import make_url

from den import worker
from flows.tracking import tracker

ODD = "a?b #c %d%20e"
DEAD = "http://127.0.0.1:9"  # a proxy that does not answer
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), DEAD)


def exempt(environment: dict[str, str]) -> str:
    """Return both variables of exemptions after flows was imported in an environment."""
    inherited = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    code = "import os, flows; print(os.environ['no_proxy'], os.environ['NO_PROXY'])"
    command = [sys.executable, "-c", code]
    known = inherited | environment | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=known, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "intra.example"}, "intra.example,127.0.0.1,localhost,::1"),
        ({"no_proxy": "localhost"}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_this_machine_is_exempt_from_proxies(given: dict[str, str], kept: str) -> None:
    assert exempt(given) == f"{kept} {kept}"


def test_a_client_asks_this_machine_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL("http://127.0.0.1:4200")) is client._transport
        assert client._transport_for_url(httpx.URL("http://example.org")) is not client._transport


@pytest.mark.parametrize("name", ["plain", ODD, "?", "%3F", "a#b"])
def test_the_address_of_mlflow_s_database_leads_to_the_project(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Path(str(make_url(tracker.address()).database)).resolve() == tmp_path / name / ".mlflow/mlflow.db"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sockets")
@pytest.mark.parametrize("length", [40, 60, 61, 105, 200])
def test_a_socket_has_a_short_address_wherever_temporary_files_lie(
    length: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * (length - 1))
    with worker._short_temporary_folder():
        assert len(tempfile.gettempdir()) + len("/pymp-12345678/listener-12345678") < 104
    assert len(tempfile.gettempdir()) == length


@pytest.mark.slow
def test_a_run_ends_well_in_an_odd_path_behind_a_proxy_with_a_long_temporary_folder(
    project: Path, tmp_path: Path
) -> None:
    odd, temporary = project.parent / ODD, tmp_path / ("t" * max(1, 104 - len(str(tmp_path))))
    temporary.mkdir()
    project.rename(odd)
    before = sorted(path.name for path in odd.parent.iterdir())
    words = ("run", "--suite", "smoke", "--method", "finetune")
    done = den(odd, *words, TMPDIR=str(temporary), **PROXIES)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    assert len(measurements(odd)) == 1
    assert (odd / ".prefect/prefect.db").stat().st_size
    assert (odd / ".mlflow/mlflow.db").stat().st_size
    assert list((odd / ".mlflow/artifacts").rglob("index.html"))
    assert sorted(path.name for path in odd.parent.iterdir()) == before
    for more in (("sync",), ("status",), ("history",), ("prune", "--keep", "90d", "--dry-run")):
        shown = den(odd, *more)
        assert shown.returncode == 0, shown.stderr
