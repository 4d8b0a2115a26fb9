"""Allows one writer at a time in an MLflow server that several machines share.

MLflow has no locks, but its model registry rejects a second model of the same name. The process that creates the model
NAME may write, and deletes the model afterwards. A writer renews the model's description; one that stops has died.
"""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flows.runtime import processes

NAME = "den-writing"
RENEWAL, STALE, PAUSE = 10.0, 60.0, 0.5  # seconds: between renewals, until a writer counts as dead, between attempts


@contextmanager
def claimed(client: MlflowClient) -> Iterator[None]:
    """Exclude other writers while the context lasts; first wait until the present writer has finished."""
    mark = f"{processes.own_name()} {secrets.token_hex(4)}"
    _take(client, mark)
    ended = Event()
    renewing = Thread(target=_renew, args=(client, mark, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        _remove(client)


def _take(client: MlflowClient, mark: str) -> None:
    """Create the model, as soon as its owner deletes it or has died."""
    last_mark, since = "", time.monotonic()
    while not _created(client, mark):
        present = _mark(client)
        if present != last_mark:
            last_mark, since = present, time.monotonic()
        elif time.monotonic() - since > STALE or processes.is_dead(present.partition(" ")[0]):
            logging.getLogger("den").warning("MLflow: the writer %s has died; its claim is removed", present)
            _remove(client)
        time.sleep(PAUSE)


def _created(client: MlflowClient, mark: str) -> bool:
    try:
        client.create_registered_model(NAME, description=mark)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return False
    return True


def _mark(client: MlflowClient) -> str:
    """Return the description that the owner wrote last; empty if there is no owner any more."""
    try:
        return str(client.get_registered_model(NAME).description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _renew(client: MlflowClient, mark: str, ended: Event) -> None:
    count = 0
    while not ended.wait(RENEWAL):
        count += 1
        with suppress(MlflowException):  # the server may be back at the next renewal
            client.update_registered_model(NAME, description=f"{mark} {count}")


def _remove(client: MlflowClient) -> None:
    with suppress(MlflowException):  # another process was quicker
        client.delete_registered_model(NAME)
