"""All names of stages and measures, with units and meanings.

Methods report under these names, and tables and figures read them. If your own method adds a name, define it here.
`python -m docs.reference` writes the list to docs/reference/measures.md.
"""

from typing import NamedTuple

TRAIN = "train"
SELECTIVE = "selective retraining"
EXPANSION = "dynamic expansion"
CONSTANT = "constant expansion"
SPLIT = "split and duplication"
CLOSING = "closing"
FISHER_STAGE = "fisher"
FINE_TUNING = "fine-tuning"
EVALUATION = "evaluation"

STAGES = {
    TRAIN: "trains the whole network, or a task's own network, on the task",
    SELECTIVE: "Algorithm 2: trains a sparse head, selects the units it depends on, and trains those",
    EXPANSION: "Algorithm 3: adds units, trains them alone, and drops those that stay unused",
    CONSTANT: "adds a fixed number of units in every task and trains them",
    SPLIT: "Algorithm 4: trains everything near the network of the previous task, and splits units that moved too far",
    CLOSING: "stores the widths and the head with which the task answers",
    FISHER_STAGE: "estimates the Fisher information of the shared parameters on the task",
    FINE_TUNING: "trains the grown network on all tasks together",
    EVALUATION: "scores the network on the test data of all tasks so far",
}

SECONDS = "seconds"
STEPS = "steps"
LOSS = "loss"
UNITS = "units"
WEIGHTS = "weights"
NONZERO = "nonzero"
CAPACITY = "capacity"
FLOPS = "flops"
TO_ANSWER = "bytes to answer"
TO_LEARN = "bytes to learn"
PEAK_TO_ANSWER = "peak bytes to answer"
PEAK_TO_LEARN = "peak bytes to learn"
SELECTED_UNITS = "selected units"
TRAINING_LOSS = "training loss"
EXPANSION_FIRED = "expansion fired"
KEPT_UNITS = "kept units"
SPLIT_UNITS = "split units"
DRIFT = "drift"
ANSWER_SHIFT = "answer shift"
SPLIT_FIRED = "split fired"
FISHER = "fisher"
SAMPLES = "samples"
RESIDUAL = "residual"
HEAD_RESIDUAL = "residual of the head"
FIRST_RESIDUAL = "residual before splits"
PROXIMAL_GRADIENT = "proximal gradient"
CERTIFICATE_SECONDS = "certificate seconds"
DEAD_UNITS = "dead units"
FIRED = " fired"

TIMES = (SECONDS, CERTIFICATE_SECONDS)
"Measures that differ from one rerun to the next."


class Definition(NamedTuple):
    """A measure's unit ("" for a plain number), whether it is measured per layer, and its meaning."""

    unit: str
    per_layer: bool
    meaning: str


MEASURES = {
    SECONDS: Definition("s", False, "wall-clock time of the stage without its certificate; reruns differ"),
    STEPS: Definition("", False, "optimiser steps of the stage"),
    LOSS: Definition("nats", False, "mean training loss over the stage's last steps, without penalties"),
    RESIDUAL: Definition("", False, "how far from optimal the stage ends, from 0 to 1; docs/algorithm.md defines it"),
    HEAD_RESIDUAL: Definition("", False, "residual of the sparse head (Eq. 3) at the start of a task"),
    FIRST_RESIDUAL: Definition("", False, "residual of the first Eq. 6, before units split"),
    PROXIMAL_GRADIENT: Definition("", False, "norm of the proximal gradient, the numerator of the residual"),
    CERTIFICATE_SECONDS: Definition("s", False, "wall-clock time of the stage's certificates; reruns differ"),
    DEAD_UNITS: Definition("", True, "units of the last trained network that no example of the task activates"),
    UNITS: Definition("", True, "units of a hidden layer after the task"),
    WEIGHTS: Definition("", False, "weights of the hidden layers and all heads, without biases"),
    NONZERO: Definition("", False, "weights that are not exactly zero"),
    CAPACITY: Definition("", False, "weights relative to the base network: its hidden layers and one output layer"),
    FLOPS: Definition("", False, "operations for the answer to one example, averaged over tasks"),
    TO_ANSWER: Definition(
        "bytes",
        False,
        "memory that the method keeps to answer: 4 per weight, bias and width of a stamp, 1 bit per entry of a mask",
    ),
    TO_LEARN: Definition(
        "bytes",
        False,
        "memory that the method keeps in addition to learn further tasks: Fisher information and pulls, replayed "
        "examples and targets, optimiser state if tasks hand it on; no activations, nothing that is recomputed",
    ),
    PEAK_TO_ANSWER: Definition(
        "bytes",
        False,
        "largest number of bytes to answer so far, also during a task: new units count until unused ones are dropped",
    ),
    PEAK_TO_LEARN: Definition(
        "bytes",
        False,
        "largest number of bytes to learn so far, also during a task: the previous network counts while it is kept",
    ),
    SELECTED_UNITS: Definition("", True, "units that selective retraining selects; layer 0 counts input features"),
    TRAINING_LOSS: Definition("nats", False, "mean loss over the task's training data, compared with tau"),
    EXPANSION_FIRED: Definition("", False, "1 if the task expands the network, else 0"),
    KEPT_UNITS: Definition("", True, "new units that remain after unused ones are dropped"),
    SPLIT_UNITS: Definition("", True, "units that are split"),
    DRIFT: Definition("", True, "largest rho of a layer: how far a unit's incoming weights and bias moved"),
    ANSWER_SHIFT: Definition("", False, "change of the task's answers by splits, relative to their root mean square"),
    SPLIT_FIRED: Definition("", False, "1 if the task splits any unit, else 0"),
    FISHER: Definition("", False, "sum of the task's Fisher information over the shared parameters"),
    SAMPLES: Definition("", False, "examples that the Fisher information is estimated on"),
}

TOTALS = (CAPACITY, WEIGHTS, NONZERO, FLOPS)
"Measures of the whole network; tables show their values after the last task."
