"""A run whose process is gone is seen, and marked, by the next one."""

import os
import platform
import subprocess
import sys

import prefect
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Running
from prefect.testing.utilities import prefect_test_harness

from flows.runtime import dead_runs, processes, server


@prefect.flow
def nothing() -> None:
    """Do nothing."""


def name(process: psutil.Process) -> str:
    return f"{platform.node()}/{process.pid}/{process.create_time():.0f}"


def gone() -> str:
    """Return the name of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        return name(psutil.Process(process.pid))


def test_only_a_process_of_this_machine_can_be_dead_to_it() -> None:
    assert not processes.is_dead(name(psutil.Process()))
    assert processes.is_dead(gone())
    assert processes.is_dead(f"{platform.node()}/{os.getpid()}/1")  # its number, given to another
    assert not processes.is_dead("elsewhere/1/1")
    assert not processes.is_dead("nightly")


def test_a_server_left_behind_by_a_dead_run_is_ended() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    environments = [os.environ | {dead_runs.VARIABLE: of} for of in (gone(), name(psutil.Process()))]
    left, own = (subprocess.Popen(command, env=environment) for environment in environments)
    dead_runs.end_servers()
    assert left.wait(10) != 0
    assert own.poll() is None
    own.kill()
    own.wait()


@pytest.mark.slow
def test_runs_of_dead_processes_are_marked_and_those_of_living_ones_are_not() -> None:
    with prefect_test_harness(server_startup_timeout=120), get_client(sync_client=True) as client:
        runs = {
            of: client.create_flow_run(nothing, tags=[f"process:{of}"], state=Running())
            for of in (gone(), name(psutil.Process()))
        }
        dead_runs.mark()
        dead, living = (client.read_flow_run(run.id).state for run in runs.values())
    assert dead is not None
    assert living is not None
    assert dead.type == StateType.CRASHED
    assert living.type == StateType.RUNNING


@pytest.mark.parametrize(("address", "heard"), [(None, None), ("http://127.0.0.1:1/api", 30)])
def test_only_a_server_that_stays_hears_heartbeats(address: str | None, heard: int | None) -> None:
    configured = {PREFECT_API_URL: address, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}
    with temporary_settings(configured), server.sheltered():
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() == heard
