"""The time that a cell took, judged against earlier measurements of it on a like machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

FEWEST, RECENT = 5, 30  # earlier measurements that are needed, and the newest that count
LEVEL = 0.99
SMALLEST = 1.1  # a ratio that is worth a word

Word = Literal["slower", "faster", "as before"]


@dataclass(frozen=True)
class Pace:
    """Seconds of training, the geometric mean of `earlier` measurements, and what is made of it."""

    seconds: float
    usual: float
    earlier: int
    word: Word

    @property
    def telling(self) -> bool:
        """Whether it is slower or faster."""
        return self.word != "as before"


def pace(seconds: float, earlier: Sequence[float]) -> Pace | None:
    """Return how a time compares with earlier ones, the oldest first; None for fewer than FEWEST.

    `slower` and `faster` lie outside the 99 % prediction interval of the logarithm, and by SMALLEST at least.
    """
    known = [value for value in earlier if value > 0][-RECENT:]
    if len(known) < FEWEST or seconds <= 0:
        return None
    logarithms = np.log(known)
    usual = math.exp(float(logarithms.mean()))
    quantile = float(scipy.special.stdtrit(len(known) - 1, (1 + LEVEL) / 2))
    reach = quantile * float(logarithms.std(ddof=1)) * math.sqrt(1 + 1 / len(known))
    far = abs(math.log(seconds / usual)) > max(reach, math.log(SMALLEST))
    return Pace(seconds, usual, len(known), "as before" if not far else "slower" if seconds > usual else "faster")


def overloaded(load: float | None, cores: int | None, slots: int | None) -> bool:
    """Return whether a machine's load before a run exceeded its free cores: those that the run's cells leave.

    A run that takes every core leaves one to the system; without that, a load of .01 would silence every verdict.
    False if load, cores or slots are not known.
    """
    if load is None or cores is None or slots is None:
        return False
    return load > max(cores - slots, 1)
