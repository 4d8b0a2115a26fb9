"""Score matrices as heat maps: what stands in each square, and how strong its colour is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports import labels
from reports.spacing import stride
from reports.summaries import matrices, over_seeds, plain, score_name
from reports.tables import Tables

STRONGEST = 60
"Percent of colour in the square of the highest score; more would make its text hard to read."
NEAR_ONE = 0.9
"Where half of the scores are above it, they are shown with one digit more."


@dataclass(frozen=True)
class Square:
    """One square: mean and standard error as text, empty where nothing was measured, and percent of colour."""

    score: str
    error: str
    heat: float


@dataclass(frozen=True)
class HeatMaps:
    """One stream's heat maps: squares by method and task learned, and the scores without colour and of full colour.

    every: how many tasks go to a number along the sides; score: what the squares are of.
    """

    score: str
    low: str
    high: str
    every: int
    methods: dict[str, dict[int, list[Square]]]

    @property
    def told(self) -> str:
        """What stands in a square: "whole" with its error, "short" without it, "none" is colour alone."""
        return "whole" if self.every == 1 else "short" if self.every == 2 else "none"


def heat_maps(tables: Tables) -> HeatMaps:
    """Return the matrices of a stream’s main score, means over seeds, coloured from its lowest to its highest."""
    found = {method: _estimates(list(seeds.values())) for method, seeds in matrices(plain(tables)).items()}
    means = np.array([mean for mean, _ in found.values()])
    low, high = float(np.nanmin(means)), float(np.nanmax(means))
    digits = 3 if np.nanmedian(means) > NEAR_ONE else 2
    squares = {method: _rows(*pair, (low, high), digits) for method, pair in found.items()}
    lowest, highest = labels.score(low, digits), labels.score(high, digits)
    return HeatMaps(score_name(tables), lowest, highest, stride(int(tables.scores["task"].max())), squares)


def _estimates(seeds: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, error = over_seeds([R.ravel() for R in seeds])
    return mean.reshape(seeds[0].shape), error.reshape(seeds[0].shape)


def _rows(
    mean: NDArray[np.float64], error: NDArray[np.float64], span: tuple[float, float], digits: int
) -> dict[int, list[Square]]:
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
