"""MLflow's page over the project's own runs, on this machine only."""

import os
import socket
import sys

from den.config import SettingsError
from flows import tracking

HOST = "127.0.0.1"


def serve(port: int) -> None:
    """Become MLflow's server. Raises SettingsError where the runs lie elsewhere, or the port cannot be had."""
    address = tracking.address()
    if address.startswith("http"):
        raise SettingsError(
            f"MLFLOW_TRACKING_URI is {address}: browse the runs there, or unset it for the project's own"
        )
    refuse_taken(port)
    tracking.store()
    command = ["mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1", "--backend-store-uri", address]
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.execv(sys.executable, [sys.executable, "-m", *command])


def refuse_taken(port: int) -> None:
    """Raise SettingsError for a port that this process cannot have."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one just left may be had
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SettingsError(f"port {port} cannot be had ({error.strerror}); choose another with --port") from None
