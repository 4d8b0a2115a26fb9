"""The learning library: methods, streams, networks and the harness, without orchestration, tracking or plots.

`from den import DEN, EWC` gives the methods as estimators, `from den import Stream` streams of arrays. They are loaded
when they are first used: the command line imports this package, too, and answers `--help` without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from den.config import Convolution
    from den.estimators import (
        DEN,
        DNNL1,
        EWC,
        L2,
        DENConstant,
        DENDynamic,
        DENFinetune,
        DENNoStamp,
        DENOfficial,
        DENPlus,
        DENWithQuirks,
        DNNSelective,
        Estimator,
        FineTuning,
        GrowthWarning,
        Joint,
        NotFittedError,
        Progressive,
        SingleTask,
        TaskReport,
    )
    from den.streams.arrays import Stream

__all__ = [
    "DEN",
    "DNNL1",
    "EWC",
    "L2",
    "Convolution",
    "DENConstant",
    "DENDynamic",
    "DENFinetune",
    "DENNoStamp",
    "DENOfficial",
    "DENPlus",
    "DENWithQuirks",
    "DNNSelective",
    "Estimator",
    "FineTuning",
    "GrowthWarning",
    "Joint",
    "NotFittedError",
    "Progressive",
    "SingleTask",
    "Stream",
    "TaskReport",
]


if not TYPE_CHECKING:  # mypy would take any name for an attribute

    def __getattr__(name: str) -> object:
        """Return a public name, and load its module."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("den.streams.arrays" if name == "Stream" else "den.estimators"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
