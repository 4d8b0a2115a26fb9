"""One writer at a time in an MLflow that several machines share.

MLflow has no locks, but its registry of models holds a name only once, whoever asks: who creates the model NAME writes,
and deletes it afterwards. A writer renews the model's description while it lives; one that does not is gone.
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
RENEWAL, STALE, PAUSE = 10.0, 60.0, 0.5  # seconds: between renewals, until a writer counts as gone, between attempts


@contextmanager
def held(client: MlflowClient) -> Iterator[None]:
    """Keep other writers out of what is inside, and wait for one that is at work."""
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
    """Create the name, waiting for its present owner; take it from one that is gone."""
    seen, since = "", time.monotonic()
    while not _created(client, mark):
        present = _mark(client)
        if present != seen:
            seen, since = present, time.monotonic()
        elif time.monotonic() - since > STALE or processes.is_dead(present.partition(" ")[0]):
            logging.getLogger("den").warning("MLflow: a writer that is gone held it (%s); going on", present)
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
    """Return what the owner has written last; empty if there is none by now."""
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
