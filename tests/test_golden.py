"""Golden scores: what every method came to on tiny problems, to three decimals.

A change of code that moves one is a change of the algorithm: say so in the CHANGELOG, and write the new score here.
"""

import numpy as np
import pytest
from small import CONVOLUTIONAL, images, learn, stream

DENSE = {
    "finetune": 0.837, "l2": 0.835, "ewc": 0.710, "dnn_l1": 0.836, "progressive": 0.578, "single_task": 0.823,
    "joint": 0.915, "den": 0.937, "den_plus": 0.948, "den_finetune": 0.978, "dnn_selective": 0.851,
    "den_constant": 0.943, "den_dynamic": 0.946, "den_no_stamp": 0.949, "den_official": 0.878, "den_with_quirks": 0.951,
}  # fmt: skip
CONVOLUTIONS = {
    "finetune": 0.630, "l2": 0.637, "ewc": 0.672, "dnn_l1": 0.646, "progressive": 0.583, "single_task": 0.869,
    "joint": 0.774, "den": 0.928, "den_plus": 0.937, "den_finetune": 0.955, "dnn_selective": 0.784,
    "den_constant": 0.890, "den_dynamic": 0.880, "den_no_stamp": 0.910,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "golden"), DENSE.items())
def test_a_fully_connected_network_comes_to_its_golden_score(kind: str, golden: float) -> None:
    _, result = learn(kind, stream())
    assert np.mean(result.scores["auroc"][-1]) == pytest.approx(golden, abs=1e-3)


@pytest.mark.parametrize(("kind", "golden"), CONVOLUTIONS.items())
def test_a_convolutional_network_comes_to_its_golden_score(kind: str, golden: float) -> None:
    _, result = learn(kind, images(), network=CONVOLUTIONAL)
    assert np.mean(result.scores["auroc"][-1]) == pytest.approx(golden, abs=1e-3)
