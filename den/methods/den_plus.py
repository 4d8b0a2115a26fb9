"""DEN with two departures of the released code that improve it."""

from den.methods.quirks.expansion import HeadLearnsInExpansion
from den.methods.quirks.selection import AnchoredRetraining


class DenPlus(AnchoredRetraining, HeadLearnsInExpansion):
    """DEN in which retraining leaves an error for the new units to reduce.

    In the paper, selective retraining solves the task on its own, by moving old units as far as necessary. Eq. 5 then
    has no error left for the new units, and Eq. 6 reverts the moves. Here, retraining stays near the old network (Eq. 4
    with the pull of Eq. 6), and new units and the head learn the rest. Eq. 6 then has little to revert: fewer units
    split, and the network forgets less.
    """
