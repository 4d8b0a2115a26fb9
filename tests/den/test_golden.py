"""Golden scores: what every method came to on tiny problems, to three decimals.

A change of code that moves one is a change of the algorithm: say so in the CHANGELOG, and write the new score here.
"""

from typing import Any

import numpy as np
import pytest
from small import CONVOLUTIONAL, PARAMS, SPLITTING, Source, images, learn, rarely, stream

from den.methods import METHODS
from den.methods.base import Method
from den.methods.quirks import QUIRKS
from den.methods.quirks.steps import EuclideanSteps

DENSE = {
    "finetune": 0.837, "l2": 0.829, "ewc": 0.710, "dnn_l1": 0.848, "progressive": 0.828, "single_task": 0.823,
    "joint": 0.915, "den": 0.944, "den_plus": 0.940, "den_finetune": 0.984, "dnn_selective": 0.850,
    "den_constant": 0.836, "den_dynamic": 0.870, "den_no_stamp": 0.960, "den_official": 0.852, "den_with_quirks": 0.944,
}  # fmt: skip
CONVOLUTIONS = {
    "finetune": 0.630, "l2": 0.630, "ewc": 0.672, "dnn_l1": 0.515, "progressive": 0.867, "single_task": 0.869,
    "joint": 0.774, "den": 0.922, "den_plus": 0.927, "den_finetune": 0.946, "dnn_selective": 0.817,
    "den_constant": 0.901, "den_dynamic": 0.875, "den_no_stamp": 0.922,
}  # fmt: skip

EUCLIDEAN_DENSE = {
    "den": 0.937, "den_plus": 0.948, "den_finetune": 0.978, "dnn_selective": 0.851, "den_constant": 0.943,
    "den_dynamic": 0.946, "den_no_stamp": 0.949,
}  # fmt: skip
EUCLIDEAN_CONVOLUTIONS = {
    "den": 0.928, "den_plus": 0.937, "den_finetune": 0.955, "dnn_selective": 0.784, "den_constant": 0.890,
    "den_dynamic": 0.880, "den_no_stamp": 0.910,
}  # fmt: skip
DEFAULTS = {
    "sparsity": 0.01, "head_sparsity": 0.1, "weight_decay": 1e-4, "group_sparsity": 0.1, "drift": 0.01,
    "loss_threshold": 0.0, "drift_threshold": 0.5, "units_per_expansion": 10,
}  # fmt: skip
WITH_QUIRKS = {"den_with_quirks": (0.951, {}), "den_official": (0.878, PARAMS["den_official"] | {"quirks": (*QUIRKS,)})}
"The scores of version 0.5.0, whose steps are Euclidean, and the strengths that it was given."
BETWEEN_PROCESSORS = {"den_finetune": 2e-2, "den_no_stamp": 5e-3}
"How far two scores lie apart with AVX2 and AVX512: the order of sums in a convolution depends on the processor."


@pytest.mark.parametrize(
    ("kind", "golden"), [pytest.param(*item, id=item[0], marks=rarely(item[0])) for item in DENSE.items()]
)
def test_a_fully_connected_network_comes_to_its_golden_score(kind: str, golden: float) -> None:
    comes_to(golden, kind, stream)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "golden"), CONVOLUTIONS.items())
def test_a_convolutional_network_comes_to_its_golden_score(kind: str, golden: float) -> None:
    comes_to(golden, kind, images, network=CONVOLUTIONAL)


@pytest.mark.parametrize(("kind", "golden"), EUCLIDEAN_DENSE.items())
def test_euclidean_steps_come_to_the_scores_of_0_5_0(kind: str, golden: float) -> None:
    comes_to(golden, euclidean(kind), stream, params=DEFAULTS | (SPLITTING if kind == "den" else {}))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "golden"), EUCLIDEAN_CONVOLUTIONS.items())
def test_euclidean_steps_of_convolutions_come_to_the_scores_of_0_5_0(kind: str, golden: float) -> None:
    params = DEFAULTS | (SPLITTING if kind == "den" else {})
    within = BETWEEN_PROCESSORS.get(kind, 1e-3)
    comes_to(golden, euclidean(kind), images, within, network=CONVOLUTIONAL, params=params)


@pytest.mark.parametrize("kind", WITH_QUIRKS)
def test_the_departure_for_euclidean_steps_comes_to_the_scores_of_0_5_0(kind: str) -> None:
    golden, params = WITH_QUIRKS[kind]
    quirks = (*params.get("quirks", ()), "euclidean_steps")
    comes_to(golden, kind, stream, params=DEFAULTS | params | {"quirks": quirks})


def comes_to(golden: float, kind: str | type[Method], source: Source, within: float = 1e-3, **about: Any) -> None:
    """Assert that a method comes to a score."""
    _, result = learn(kind, source(), **about)
    assert np.mean(result.scores["auroc"][-1]) == pytest.approx(golden, abs=within)


def euclidean(kind: str) -> type[Method]:
    """Return a kind of DEN with Euclidean steps."""
    return type(kind, (EuclideanSteps, METHODS[kind]), {})
