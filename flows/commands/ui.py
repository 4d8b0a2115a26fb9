"""MLflow's page over the project's own runs, on this machine only."""

import os
import socket
import sys

from den.config import SettingsError
from flows.runtime import addresses
from flows.tracking import remedies, tracker, views

HOST = "127.0.0.1"


def serve(port: int) -> None:
    """Print links to the runs of every stream, and become MLflow's server.

    Raises SettingsError if the runs lie elsewhere, or the port is taken.
    """
    address = tracker.address()
    if address.startswith("http"):
        where = addresses.shown(address)
        raise SettingsError(f"MLFLOW_TRACKING_URI is {where}: browse the runs there, or unset it for the project's own")
    refuse_taken(port)
    tracker.store()
    with remedies.explained(address):
        print("\n".join(links(port)), flush=True)
    hosts = f"{HOST}:{port},localhost:{port}"  # named, or MLflow prints advice on opening itself to other machines
    command = ["mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1", "--allowed-hosts", hosts]
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # a command line, everybody on the machine can read
    os.execv(sys.executable, [sys.executable, "-m", *command])


def links(port: int) -> list[str]:
    """Return, per stream, the addresses of its cells and of its runs; or what to do if there is nothing to browse."""
    from mlflow import MlflowClient

    base = f"http://{HOST}:{port}"
    client = MlflowClient(tracker.address())
    streams = [one for one in client.search_experiments(order_by=["name ASC"]) if "stream" in one.tags]
    if not streams:
        return [f"{base} has no runs yet; `den run` adds its own, `den sync` those of the ledger"]
    return [
        f"{experiment.name}, {view}: {base}{views.path(experiment.experiment_id, view)}"
        for experiment in streams
        for view in (views.CELLS, views.RUNS)
    ]


def refuse_taken(port: int) -> None:
    """Raise SettingsError for a port that this process cannot have."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left may be had
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(f"port {port} cannot be had ({error.strerror}); choose another with --port") from None
