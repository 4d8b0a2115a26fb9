"""What only a GPU can show: it learns what the processor learns, and repeats itself."""

import numpy as np
import pytest
import torch
from small import (
    ON_GPU,
    TRAINING,
    Source,
    cell,
    every_method_on_either,
    learn,
    same_but_for_rounding,
    same_state,
    trained,
    with_gpu,
    without_times,
)

from den.ledger import Places
from den.training import set_up_torch
from den.worker import Worker

pytestmark = with_gpu


@pytest.fixture(autouse=True, scope="module")
def as_in_a_cell() -> None:
    """Set torch up as a cell's process does."""
    set_up_torch()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_gpu_trains_to_what_the_processor_trains_to(optimizer: str) -> None:
    same_but_for_rounding(trained(optimizer, "cuda"), trained(optimizer))


@every_method_on_either
def test_a_gpu_scores_what_the_processor_scores(kind: str, source: Source) -> None:
    scores = [learn(kind, source(), training=one)[1].scores["auroc"][-1] for one in (ON_GPU, TRAINING)]
    assert np.mean(scores[0]) == pytest.approx(np.mean(scores[1]), abs=0.05)


@every_method_on_either
def test_a_gpu_repeats_itself(kind: str, source: Source) -> None:
    (one, result), (other, again) = (learn(kind, source(), training=ON_GPU) for _ in range(2))
    assert same_state(one, other)
    assert without_times(result) == without_times(again)


def test_a_worker_trains_on_a_gpu(places: Places) -> None:
    with Worker(cell(training=ON_GPU), places) as worker:
        measurement = worker.finish()
    assert measurement.origin.machine.gpu == torch.cuda.get_device_name()
    assert measurement.device == measurement.origin.machine.gpu
