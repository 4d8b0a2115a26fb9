"""Orchestration: the benchmark as a Prefect flow, its data under DVC, its results in MLflow.

Importing the package turns telemetry off, keeps Prefect's files in the project, exempts this machine from proxies and
silences messages that contain addresses with secrets. Settings that the environment already has take precedence.
"""

import logging
import os

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the message contains the password of a server's address
    "PREFECT_HOME": ".prefect",  # relative: a `?` in the project's path would end the address of the database
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}

LOOPBACK = ("127.0.0.1", "localhost", "::1")

for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)

exempt = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""  # libraries read one or the other
if exempt != "*":
    names = [name for name in exempt.split(",") if name]
    exempt = ",".join([*names, *(host for host in LOOPBACK if host not in names)])
os.environ.update(no_proxy=exempt, NO_PROXY=exempt)

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warning of a retry contains the whole address
