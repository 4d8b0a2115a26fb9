"""A PostgreSQL of a test's own, with a password, where Debian's or another one is installed."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sites import until

USER = "postgres"  # whom the server runs as where the tests run as root, whom it refuses


@dataclass(frozen=True)
class Server:
    """A running server: its port, and the password of its user `den`."""

    port: int
    password: str

    def address(self, scheme: str, database: str) -> str:
        return f"{scheme}://den:{self.password}@127.0.0.1:{self.port}/{database}"

    def ask(self, database: str, question: str) -> list[Any]:
        """Return the rows of an answer."""
        return asyncio.run(self._ask(database, question))

    async def _ask(self, database: str, question: str) -> list[Any]:
        import asyncpg

        about = {"user": "den", "password": self.password, "host": "127.0.0.1", "port": self.port}
        connection = await asyncpg.connect(database=database, **about)
        try:
            return await connection.fetch(question)
        finally:
            await connection.close()

    def dumped(self, database: str) -> str:
        """Return all that a database holds, as text."""
        known = os.environ | {"PGPASSWORD": self.password}
        command = ["pg_dump", "-h", "127.0.0.1", "-p", str(self.port), "-U", "den", database]
        return subprocess.run(command, env=known, capture_output=True, text=True, check=True).stdout


@contextmanager
def running(password: str, *databases: str) -> Iterator[Server]:
    """Run a server with these databases; skip the test where PostgreSQL or a driver is missing."""
    for program in ("postgres", "initdb", "pg_dump"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}: Debian's package postgresql has it")
    for driver in ("asyncpg", "psycopg2"):
        if find_spec(driver) is None:
            pytest.skip(f"there is no {driver}: pip install {driver}{'-binary' * (driver == 'psycopg2')}")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    own: dict[str, Any] = {"user": USER} if os.getuid() == 0 else {}
    secret = folder / "password"
    secret.write_text(password)
    if own:
        for path in (folder, secret):
            shutil.chown(path, USER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(free.getsockname()[1], password)
    data = str(folder / "data")
    made = ["initdb", "-D", data, "-U", "den", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True, **own)
    command = ["postgres", "-D", data, "-h", "127.0.0.1", "-p", str(server.port), "-k", data]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **own)
    try:
        until(lambda: _answers(server), 120)
        for database in databases:
            server.ask("postgres", f"CREATE DATABASE {database}")
        yield server
    finally:
        process.send_signal(2)  # ends its connections too
        process.wait(60)
        shutil.rmtree(folder)


def _answers(server: Server) -> bool:
    try:
        return bool(server.ask("postgres", "SELECT 1"))
    except OSError:
        return False
    except Exception as error:  # asyncpg's own, while the server starts
        return "starting up" in str(error) and False
