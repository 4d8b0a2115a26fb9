"""A secret in any variable that may hold one stands in no output, log, ledger, artifact, page or database."""

import gzip
import lzma
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from postgres import running
from projects import den
from sites import mlflow_server, opened, places_of

from den.ledger import Ledger

pytestmark = pytest.mark.long

SECRET = "hunter2Geheim"
NAMED = (
    "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_KEY", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCESS_KEY", "GITHUB_TOKEN",
    "DVC_STUDIO_TOKEN", "PGPASSWORD",
)  # fmt: skip
WORDS = ("run", "--suite", "smoke", "--method", "finetune", "--again")
COMMANDS = ("doctor", "sync", "prune --keep 90d")


@pytest.fixture(scope="module", autouse=True)
def nothing_accepted(project: Path) -> None:
    """Leave `den sync` only the runs of the project itself to show: through a server, all accepted suites take long."""
    shutil.rmtree(project / "reports/accepted")


def planted(**servers: str) -> dict[str, str]:
    """Return every variable that may hold a secret, with one."""
    proxies = {f"{kind}_PROXY": f"http://me:{SECRET}@127.0.0.1:9" for kind in ("HTTP", "HTTPS", "ALL")}
    proxies |= {name.lower(): value for name, value in proxies.items()} | {"NO_PROXY": "127.0.0.1,localhost"}
    return dict.fromkeys(NAMED, SECRET) | proxies | {"MLFLOW_TRACKING_USERNAME": "me"} | servers


def texts(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the content of every file below a folder, unpacked."""
    unpacked = {".gz": gzip.decompress, ".xz": lzma.decompress}
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, unpacked.get(path.suffix, bytes)(path.read_bytes())


def refuse_secret(folders: Iterable[Path], *others: str) -> None:
    assert not [str(path) for folder in folders for path, content in texts(folder) if SECRET.encode() in content]
    for text in others:
        assert SECRET not in text, text[max(0, text.index(SECRET) - 500) :][:1000]


def ran(folder: Path, environment: Mapping[str, str], *commands: str) -> subprocess.CompletedProcess[str]:
    """Run a suite, then other commands; return the run, with all that any of them printed."""
    run = den(folder, *WORDS, **environment)
    for command in commands:
        answer = den(folder, *command.split(), **environment)
        run.stderr += answer.stdout + answer.stderr
    return run


def test_servers_with_passwords_in_their_addresses(project: Path, tmp_path: Path) -> None:
    with (
        opened(project, tmp_path / "elsewhere") as site,
        mlflow_server(tmp_path, f"sqlite:///{tmp_path}/m.db") as place,
    ):
        servers = {
            "MLFLOW_TRACKING_URI": f"http://me:{SECRET}@{place}",
            "PREFECT_API_URL": site.api.replace("//", f"//me:{SECRET}@"),
        }
        run = ran(project, planted(**servers), *COMMANDS, "ui")
        assert run.returncode == 0, run.stderr
        client = MlflowClient(f"http://{place}")
        assert client.get_experiment_by_name("Blobs")
        artifacts = str(site.artifacts())
        assert f"http://{place}" in artifacts
        logs = httpx.post(f"{site.api}/logs/filter", json={}, timeout=30).text
    refuse_secret((project, tmp_path), run.stdout, run.stderr, artifacts, logs)


def test_servers_that_are_away(project: Path) -> None:
    environment = planted(MLFLOW_TRACKING_URI=f"http://me:{SECRET}@127.0.0.1:9?token={SECRET}")
    environment |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    run = ran(project, environment, *COMMANDS, "ui")
    assert run.returncode == 0, run.stderr
    assert "MLflow was not updated" in run.stderr
    refused = den(project, *WORDS, **environment, PREFECT_API_URL=f"http://me:{SECRET}@127.0.0.1:9/api")
    assert refused.returncode == 2
    assert "no Prefect server answers at http://127.0.0.1:9/api" in refused.stderr
    refuse_secret((project,), run.stdout, run.stderr, refused.stdout, refused.stderr)


def test_postgresql_behind_prefect_and_mlflow(project: Path, tmp_path: Path) -> None:
    with running(SECRET, "prefect", "mlflow") as server:
        behind = server.address("postgresql+asyncpg", "prefect")
        servers = {
            "MLFLOW_TRACKING_URI": server.address("postgresql", "mlflow"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": behind,
            "PREFECT_API_DATABASE_CONNECTION_URL": behind,
        }
        shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns(".mlflow", ".prefect"))
        run = ran(tmp_path / "project", planted(**servers), *COMMANDS)
        assert run.returncode == 0, run.stderr
        states = server.ask("prefect", "SELECT name, state_type FROM flow_run")
        assert states and {row["state_type"] for row in states} == {"COMPLETED"}
        shown = server.ask("mlflow", "SELECT value FROM tags WHERE key = 'measurement'")
        newest = Ledger.of(places_of(tmp_path / "project")).runs()[-1]
        assert set(newest.measured) <= {row["value"] for row in shown}
        assert "MLflow was not updated" not in run.stderr
        assert list((tmp_path / "project/.mlflow/artifacts/blobs").rglob("measurement.json"))
        dumps = [server.dumped(database) for database in ("prefect", "mlflow")]
    refuse_secret((tmp_path / "project",), run.stdout, run.stderr, *dumps)
