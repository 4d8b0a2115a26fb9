"""Metrics of continual learning: pure functions of a score matrix R.

R: (tasks, tasks) float64; R[t, i] is the score on task i after learning task t, nan where it was not measured.
A metric is nan if it needs a score that was not measured. Each raises ValueError if R is not square or is empty.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def averages(R: Matrix) -> Matrix:
    """Return the average score over the tasks seen so far, after each task: mean_{i <= t} R[t, i].

    Returns (tasks,).
    Source: Yoon et al. 2018, Figure 3.
    """
    _check(R)
    return np.array([R[t, : t + 1].mean() for t in range(len(R))])


def average(R: Matrix) -> float:
    """Return the average score over all T tasks after the last one: mean_i R[T-1, i].

    Source: Lopez-Paz & Ranzato 2017, "average accuracy".
    """
    return float(averages(R)[-1])


def backward_transfer(R: Matrix) -> float:
    """Return how much later learning changed the scores of earlier tasks: mean_{i < T-1} R[T-1, i] - R[i, i].

    It is negative if tasks are forgotten, and nan for a single task.
    Source: Lopez-Paz & Ranzato 2017.
    """
    _check(R)
    return _mean(R[-1, :-1] - R.diagonal()[:-1])


def forgetting(R: Matrix) -> float:
    """Return how far scores fell below their best: mean_{i < T-1} max_{i <= t < T-1} R[t, i] - R[T-1, i].

    It is negative if the last task improves the earlier ones, and nan for a single task.
    Source: Chaudhry et al. 2018; the maximum leaves out scores of a task before it is learned.
    """
    _check(R)
    best = np.array([R[i:-1, i].max() for i in range(len(R) - 1)])
    return _mean(best - R[-1, :-1])


def plasticity(R: Matrix) -> float:
    """Return the average score on each task right after learning it: mean_i R[i, i].

    Source: Riemer et al. 2019, "learning accuracy".
    """
    _check(R)
    return float(R.diagonal().mean())


def disparities(scores: Matrix) -> Matrix:
    """Return how much each task's score depends on the order of tasks: its largest over orders minus its smallest.

    scores: (orders, tasks); scores[o, i] is the score of task i after the last task of order o, wherever the order
    has the task; nan where it was not measured. Returns (tasks,), nan for a task that some order lacks.
    Source: Yoon et al. 2020 (APD), the order-normalised performance disparity: its mean over tasks is their average
    disparity, AOPD, and its maximum their maximum disparity, MOPD.
    """
    if scores.ndim != 2 or len(scores) < 2:
        raise ValueError(f"disparity needs the scores of at least two orders, (orders, tasks), not {scores.shape}")
    return scores.max(axis=0) - scores.min(axis=0)


METRICS = {
    "average": average,
    "forgetting": forgetting,
    "backward_transfer": backward_transfer,
    "plasticity": plasticity,
}


def _mean(values: Matrix) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _check(R: Matrix) -> None:
    if R.ndim != 2 or R.shape[0] != R.shape[1] or not len(R):
        raise ValueError(f"a score matrix is (tasks, tasks) with at least one task, not {R.shape}")
