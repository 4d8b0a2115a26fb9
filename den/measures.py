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
    SPLIT: "Algorithm 4: trains everything near the network before, and splits units that drifted too far",
    CLOSING: "records the widths and the head that the task will answer with",
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
    SECONDS: Definition("s", False, "wall-clock time of the stage without its certificate; no rerun repeats it"),
    STEPS: Definition("", False, "optimiser steps of the stage"),
    LOSS: Definition("nats", False, "mean training loss over the stage's last steps, penalties left out"),
    RESIDUAL: Definition("", False, "how far from optimal the stage ends, from 0 to 1; docs/algorithm.md defines it"),
    HEAD_RESIDUAL: Definition("", False, "the same of the sparse head, Eq. 3, with which a task begins"),
    FIRST_RESIDUAL: Definition("", False, "the same of the first Eq. 6, after which units split"),
    PROXIMAL_GRADIENT: Definition("", False, "norm of the proximal gradient, the numerator of the residual"),
    CERTIFICATE_SECONDS: Definition("s", False, "wall-clock time of the stage's certificates; no rerun repeats it"),
    DEAD_UNITS: Definition("", True, "units of the network trained last that no example of the task activates"),
    UNITS: Definition("", True, "units of a hidden layer after the task"),
    WEIGHTS: Definition("", False, "weights of the hidden layers and all heads, biases left out"),
    NONZERO: Definition("", False, "weights that are not exactly zero"),
    CAPACITY: Definition("", False, "weights relative to the base network: its hidden layers and one output layer"),
    FLOPS: Definition("", False, "operations that the answer to one example takes, averaged over tasks"),
    TO_ANSWER: Definition(
        "bytes",
        False,
        "what the method keeps to answer: 4 per weight, bias and width of a stamp, 1 bit per entry of a mask",
    ),
    TO_LEARN: Definition(
        "bytes",
        False,
        "what the method keeps besides, to go on learning: Fisher information and pulls, replayed examples and "
        "targets; neither the optimiser's state nor activations, nor what is computed again",
    ),
    PEAK_TO_ANSWER: Definition(
        "bytes",
        False,
        "most bytes to answer so far, also while a task is learned: new units count before unused ones are dropped",
    ),
    PEAK_TO_LEARN: Definition(
        "bytes",
        False,
        "most bytes to learn so far, also while a task is learned: the network of the task before counts if it is held",
    ),
    SELECTED_UNITS: Definition("", True, "units that selective retraining selects; layer 0 counts input features"),
    TRAINING_LOSS: Definition("nats", False, "mean loss over the task's training data, compared with tau"),
    EXPANSION_FIRED: Definition("", False, "1 if the task expands the network, else 0"),
    KEPT_UNITS: Definition("", True, "new units that remain after unused ones are dropped"),
    SPLIT_UNITS: Definition("", True, "units that are split"),
    DRIFT: Definition("", True, "largest rho of a layer: how far a unit's incoming weights moved during the task"),
    ANSWER_SHIFT: Definition("", False, "change of the task's answers by a split, relative to their root mean square"),
    SPLIT_FIRED: Definition("", False, "1 if the task splits any unit, else 0"),
    FISHER: Definition("", False, "sum of the task's Fisher information over the shared parameters"),
    SAMPLES: Definition("", False, "examples that the Fisher information is estimated on"),
}

TOTALS = (CAPACITY, WEIGHTS, NONZERO, FLOPS)
"Measures of the whole network; tables show their values after the last task."
