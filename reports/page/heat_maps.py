"""Score matrices as heat maps: the text of each square, and the strength of its colour."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports import labels
from reports.estimates import Matrix, over_seeds
from reports.spacing import stride
from reports.stream_results import StreamResults

STRONGEST = 60
"Percent of colour in the square of the highest score; its text would be hard to read on more."
NEAR_ONE = 0.9
"If the median score is above this, scores have one digit more."


@dataclass(frozen=True)
class Square:
    """One square: mean and standard error as text, empty if nothing was measured, and percent of colour."""

    score: str
    error: str
    heat: float


@dataclass(frozen=True)
class HeatMaps:
    """One stream's heat maps: squares by method and task learned.

    score: the label of the score. low, high: the scores without colour and with the strongest colour. every: how many
    tasks share a number at the sides.
    """

    score: str
    low: str
    high: str
    every: int
    methods: dict[str, dict[int, list[Square]]]

    @property
    def detail(self) -> Literal["whole", "short", "none"]:
        """The text of a square: "whole" is score and standard error, "short" is the score, "none" is colour alone."""
        return "whole" if self.every == 1 else "short" if self.every == 2 else "none"


def draw(results: StreamResults) -> HeatMaps:
    """Return the matrices of a stream’s main score, means over seeds, coloured from its lowest to its highest."""
    estimates = {method: _over_seeds(list(seeds.values())) for method, seeds in results.matrices.items()}
    means = np.array([mean for mean, _ in estimates.values()])
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    digits = 3 if np.nanmedian(means) > NEAR_ONE else 2
    squares = {method: _rows(*pair, (low, high), digits) for method, pair in estimates.items()}
    ends = labels.score(low, digits), labels.score(high, digits)
    return HeatMaps(results.score_label, *ends, stride(results.tasks), squares)


def _over_seeds(matrices: list[Matrix]) -> tuple[Matrix, Matrix]:
    """Return the mean of matrices over seeds, and its standard error."""
    mean, error = over_seeds([R.ravel() for R in matrices])
    return mean.reshape(matrices[0].shape), error.reshape(matrices[0].shape)


def _rows(mean: Matrix, error: Matrix, span: tuple[float, float], digits: int) -> dict[int, list[Square]]:
    """Return the squares by task learned, without tasks after which nothing was measured."""
    return {
        after_task: [_square(*pair, span, digits) for pair in zip(*rows, strict=True)]
        for after_task, rows in enumerate(zip(mean, error, strict=True), start=1)
        if not np.isnan(rows[0]).all()
    }


def _square(mean: float, error: float, span: tuple[float, float], digits: int) -> Square:
    if math.isnan(mean):
        return Square("", "", 0)
    low, high = span
    share = (mean - low) / (high - low) if high > low else 1
    return Square(labels.score(mean, digits), labels.score(error), round(STRONGEST * share, 1))
