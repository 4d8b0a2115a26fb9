"""Orchestration: the benchmark as a Prefect flow, its data under DVC, its results in MLflow.

Importing the package switches telemetry off and keeps Prefect's files in the project;
what the environment says already holds.
"""

import os

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "PREFECT_HOME": os.path.abspath(".prefect"),  # noqa: PTH100  pathlib would cost the start of every command
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}

for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
