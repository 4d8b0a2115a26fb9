"""The training time of a cell, judged against earlier measurements of it on the same kind of machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

FEWEST, RECENT = 5, 30  # how many earlier measurements are needed, and how many of the newest count
LEVEL = 0.99
SMALLEST = 1.1  # the smallest ratio that is reported

Word = Literal["slower", "faster", "as before"]


@dataclass(frozen=True)
class Pace:
    """Seconds of training, the geometric mean of `earlier` measurements, and the judgement."""

    seconds: float
    usual: float
    earlier: int
    word: Word

    @property
    def telling(self) -> bool:
        """Whether the cell was slower or faster."""
        return self.word != "as before"


def pace(seconds: float, earlier: Sequence[float]) -> Pace | None:
    """Return how a time compares with earlier ones, the oldest first; None for fewer than FEWEST.

    `slower` and `faster` lie outside the 99 % prediction interval of the logarithm, and differ by SMALLEST at least.
    """
    usable = [value for value in earlier if value > 0][-RECENT:]
    if len(usable) < FEWEST or seconds <= 0:
        return None
    logarithms = np.log(usable)
    usual = math.exp(float(logarithms.mean()))
    quantile = float(scipy.special.stdtrit(len(usable) - 1, (1 + LEVEL) / 2))
    reach = quantile * float(logarithms.std(ddof=1)) * math.sqrt(1 + 1 / len(usable))
    far = abs(math.log(seconds / usual)) > max(reach, math.log(SMALLEST))
    return Pace(seconds, usual, len(usable), "as before" if not far else "slower" if seconds > usual else "faster")


def overloaded(load: float | None, cores: int | None, slots: int | None) -> bool:
    """Return whether a machine's load before a run exceeded the cores that the run's cells leave free.

    One core counts as free even if the run takes all of them; otherwise a load of .01 would mute every verdict on time.
    Return False if load, cores or slots are unknown.
    """
    if load is None or cores is None or slots is None:
        return False
    return load > max(cores - slots, 1)
