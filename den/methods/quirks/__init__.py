"""The departures of the released DEN code from its paper: one class each, which replaces one step of `Den`.

They follow from the code and from a log of a run of it. docs/algorithm.md numbers them, and gives the cost of each. A
class that adds to a step calls `super()`, so that departures can be combined.
"""

from den.methods.den import Den
from den.methods.quirks.everywhere import DecayEverywhere, PenalisedBiases, RandomBiases
from den.methods.quirks.expansion import BlockwiseGlorot, GroupsByBlock, HeadLearnsInExpansion, TopDownPruning
from den.methods.quirks.selection import (
    AllInputs,
    AnchoredRetraining,
    FirstOutputSelects,
    LastBatchLoss,
    OneRowHead,
    OneStepHead,
    SparseEverywhere,
)
from den.methods.quirks.split import (
    DoubledEdges,
    DriftMeasuredEarly,
    DriftWithoutBias,
    LeastDriftedSplit,
    NothingHeld,
    RandomCopyBiases,
    RandomCopyHeads,
    SharedWeightsReset,
    SplitOnlyAfterExpansion,
)
from den.methods.quirks.steps import EuclideanSteps, PenaltiesAsGradients, UnscaledThresholds

QUIRKS: dict[str, type[Den]] = {
    "one_step_head": OneStepHead,
    "first_output_selects": FirstOutputSelects,
    "all_inputs": AllInputs,
    "one_row_head": OneRowHead,
    "anchored_retraining": AnchoredRetraining,
    "sparse_everywhere": SparseEverywhere,
    "last_batch_loss": LastBatchLoss,
    "head_learns_in_expansion": HeadLearnsInExpansion,
    "blockwise_glorot": BlockwiseGlorot,
    "groups_by_block": GroupsByBlock,
    "top_down_pruning": TopDownPruning,
    "split_only_after_expansion": SplitOnlyAfterExpansion,
    "drift_measured_early": DriftMeasuredEarly,
    "drift_without_bias": DriftWithoutBias,
    "least_drifted_split": LeastDriftedSplit,
    "doubled_edges": DoubledEdges,
    "shared_weights_reset": SharedWeightsReset,
    "random_copy_biases": RandomCopyBiases,
    "random_copy_heads": RandomCopyHeads,
    "nothing_held": NothingHeld,
    "decay_everywhere": DecayEverywhere,
    "penalised_biases": PenalisedBiases,
    "penalties_as_gradients": PenaltiesAsGradients,
    "unscaled_thresholds": UnscaledThresholds,
    "random_biases": RandomBiases,
}
"The departures of the released code."

DEPARTURES = QUIRKS | {"euclidean_steps": EuclideanSteps}
"The departures of the released code, and the optimiser steps of this project up to version 0.5.0."

OF_BIASES = frozenset({RandomBiases, RandomCopyBiases})  # they do nothing in a network without biases
