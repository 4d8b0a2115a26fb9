"""Cells at a time: what the machine has room for."""

import pytest
import torch
from small import TRAINING, cell

from flows.runtime import concurrency

GIGABYTE = 2**30


def test_a_slot_for_every_core() -> None:
    assert concurrency.slots([cell()]) == concurrency.cores() >= 1


@pytest.mark.parametrize(("free", "slots"), [(80, 16), (9, 4), (1, 1)])
def test_on_a_gpu_as_many_as_its_memory_has_room_for(free: int, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "cores", lambda: 16)
    monkeypatch.setattr(concurrency, "device_of", lambda training: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free * GIGABYTE, 80 * GIGABYTE))
    assert concurrency.slots([cell(training=TRAINING.model_copy(update={"device": "cuda"}))]) == slots
