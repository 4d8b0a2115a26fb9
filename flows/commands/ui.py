"""`den ui`: MLflow's web interface for the runs of this project, on this machine only."""

import os
import socket
import sys

from den.config import SettingsError
from flows.places import of_project
from flows.runtime import addresses
from flows.tracking import remedies, tracker, views

HOST = "127.0.0.1"
QUIET = {"MLFLOW_LOGGING_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}  # so that the addresses stay in sight


def serve(port: int) -> None:
    """Print links to the runs of each stream, and replace this process by MLflow's server.

    Raises SettingsError outside of a project, if another server has the runs, or another process the port.
    """
    address = tracker.address()
    if address.startswith("http"):
        server = addresses.shown(address)
        raise SettingsError(f"MLFLOW_TRACKING_URI is {server}: browse the runs there, or unset it for those in .mlflow")
    of_project()
    refuse_taken(port)
    tracker.store()
    with remedies.explained(address):
        print("\n".join([*links(port), f"MLflow starts at {_base(port)} within seconds; Ctrl-C ends it"]), flush=True)
    hosts = f"{HOST}:{port},localhost:{port}"  # otherwise MLflow prints how to open it to other machines
    command = ["mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1", "--allowed-hosts", hosts]
    command += ["--uvicorn-opts", "--log-level warning"]
    os.environ.update(QUIET | os.environ)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # all users of the machine can read a command line
    os.execv(sys.executable, [sys.executable, "-m", *command])


def links(port: int) -> list[str]:
    """Return the addresses of the cells and runs of each stream; without runs, a line of advice."""
    from mlflow import MlflowClient

    base = _base(port)
    client = MlflowClient(tracker.address())
    experiments = client.search_experiments(order_by=["name ASC"])
    streams = [experiment for experiment in experiments if "stream" in experiment.tags]
    if not streams:
        return [f"{base} has no runs yet; `den run` adds a run, `den sync` adds those of the ledger"]
    return [
        f"{experiment.name}, {view}: {base}{views.path(experiment.experiment_id, view)}"
        for experiment in streams
        for view in (views.CELLS, views.RUNS)
    ]


def _base(port: int) -> str:
    return f"http://{HOST}:{port}"


def refuse_taken(port: int) -> None:
    """Raise SettingsError if this process cannot have the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # accept a port that was released a moment ago
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(
                f"port {port} is not available ({error.strerror}); choose another with --port"
            ) from None
