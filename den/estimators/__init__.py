"""The methods as estimators for arrays of one's own, with the habits of scikit-learn.

`base` has what all estimators do, `methods` the classes and their parameters, `inputs` and `checks` the data,
`learned` the network between tasks, `reports` what is reported of a task, `files` saved networks, `torch_state`
its threads, and `sklearn_tags` the only imports of scikit-learn.
"""

from den.config import Convolution
from den.estimators.base import Estimator
from den.estimators.methods import (
    DEN,
    DNNL1,
    ESTIMATORS,
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
    FineTuning,
    Joint,
    Progressive,
    SingleTask,
)
from den.estimators.reports import GrowthWarning, TaskReport
from den.estimators.sklearn_tags import NotFittedError

__all__ = [
    "DEN",
    "DNNL1",
    "ESTIMATORS",
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
    "TaskReport",
]
