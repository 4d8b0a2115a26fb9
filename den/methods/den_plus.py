"""DEN with two departures of the released code that turn out to be improvements."""

from den.methods.quirks.expansion import HeadLearnsInExpansion
from den.methods.quirks.selection import AnchoredRetraining


class DenPlus(AnchoredRetraining, HeadLearnsInExpansion):
    """DEN whose new units are left something to learn.

    Selective retraining as the paper has it solves the task alone, by moving old units as far as it takes. Eq. 5 then
    finds no error for the new units to mend, and Eq. 6 undoes the moves. Held near the old network (Eq. 4 with the pull
    of Eq. 6), retraining takes what is there, new units and the head that reads them learn the rest, and Eq. 6 has
    little to undo: fewer units split, and less is forgotten.
    """
