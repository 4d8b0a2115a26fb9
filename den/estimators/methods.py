"""The estimators: one class per method, with the method's own parameters and the numbers that work without a search.

`docs/reference/settings.md` has the meaning of a method's parameters, under `methods`.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from den.estimators.base import Estimator
from den.methods import METHODS
from den.methods.base import Method
from den.methods.quirks import QUIRKS


@dataclass(eq=False, repr=False, kw_only=True)
class FineTuning(Estimator):
    """Fine-tuning: one network is trained on task after task, with nothing that protects earlier tasks."""

    kind: ClassVar[type[Method]] = METHODS["finetune"]
    weight_decay: float = 0.0


@dataclass(eq=False, repr=False, kw_only=True)
class L2(FineTuning):
    """L2: fine-tuning near the network of the previous task."""

    kind: ClassVar[type[Method]] = METHODS["l2"]
    strength: float = 0.01


@dataclass(eq=False, repr=False, kw_only=True)
class EWC(FineTuning):
    """EWC: fine-tuning under a penalty weighted by the Fisher information (Kirkpatrick et al. 2017)."""

    kind: ClassVar[type[Method]] = METHODS["ewc"]
    strength: float = 10.0  # docs/decisions/0067: with 100, ten classes per task are not learned any more
    samples: int | None = None
    mode: Literal["separate", "online"] = "separate"
    decay: float = 1.0
    labels: Literal["sampled", "true", "predicted", "expected"] = "sampled"
    estimator: Literal["per_example", "batch_mean"] = "per_example"


@dataclass(eq=False, repr=False, kw_only=True)
class DNNL1(FineTuning):
    """DNN-L1: fine-tuning under an L1 penalty, which makes the network sparse in every task."""

    kind: ClassVar[type[Method]] = METHODS["dnn_l1"]
    sparsity: float = 3e-5


@dataclass(eq=False, repr=False, kw_only=True)
class Progressive(FineTuning):
    """Progressive networks (Rusu et al. 2016): one column per task, which also reads all earlier, frozen columns."""

    kind: ClassVar[type[Method]] = METHODS["progressive"]
    column_width: float = 0.5


@dataclass(eq=False, repr=False, kw_only=True)
class SingleTask(FineTuning):
    """Single-task: a network of its own per task."""

    kind: ClassVar[type[Method]] = METHODS["single_task"]


@dataclass(eq=False, repr=False, kw_only=True)
class Joint(FineTuning):
    """Joint training: with each task, a new network is trained on the data of all tasks so far.

    It keeps all data in memory. A saved one answers, and cannot learn a further task: a file holds no data.
    """

    kind: ClassVar[type[Method]] = METHODS["joint"]
    replays: ClassVar[bool] = True


@dataclass(eq=False, repr=False, kw_only=True)
class DEN(Estimator):
    """Dynamically Expandable Networks (Yoon et al., ICLR 2018).

    Retrain the units that a task needs, add units if that is not enough, and split units that moved too far.
    """

    kind: ClassVar[type[Method]] = METHODS["den"]
    sparsity: float = 6e-5
    head_sparsity: float = 1e-3
    weight_decay: float = 2e-5
    group_sparsity: float = 1e-4
    drift: float = 0.1
    loss_threshold: float = 0.0
    drift_threshold: float = 0.1
    units_per_expansion: int = 10
    channels_per_expansion: int | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class DENPlus(DEN):
    """DEN+: it starts with the units that the first task needs, and leaves the new units something to learn."""

    kind: ClassVar[type[Method]] = METHODS["den_plus"]
    anchor: float | None = None
    "How strongly selective retraining is held near the old network; None: as strongly as `drift` says."


@dataclass(eq=False, repr=False, kw_only=True)
class DENFinetune(DEN):
    """DEN-Finetune: DEN, whose network is trained on the data of all tasks after the last of them.

    It keeps all data in memory. A network that is saved earlier cannot learn the remaining tasks: a file holds no data.
    """

    kind: ClassVar[type[Method]] = METHODS["den_finetune"]
    replays: ClassVar[bool] = True
    tasks: int = 1
    "The number of tasks; after the last one all are trained together, and a further task is refused."
    joint_steps: int | None = None
    joint_weight_decay: float = 0.0
    joint_learning_rate: float | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class DNNSelective(DEN):
    """DNN-Selective: selective retraining of a network of fixed size under L2."""

    kind: ClassVar[type[Method]] = METHODS["dnn_selective"]


@dataclass(eq=False, repr=False, kw_only=True)
class DENConstant(DEN):
    """DEN-Constant: every task adds k units to each hidden layer, and keeps them all."""

    kind: ClassVar[type[Method]] = METHODS["den_constant"]


@dataclass(eq=False, repr=False, kw_only=True)
class DENDynamic(DEN):
    """DEN-Dynamic: selective retraining and dynamic expansion, without split and duplication."""

    kind: ClassVar[type[Method]] = METHODS["den_dynamic"]


@dataclass(eq=False, repr=False, kw_only=True)
class DENNoStamp(DEN):
    """DEN-No-Stamp: every task answers with the whole present network."""

    kind: ClassVar[type[Method]] = METHODS["den_no_stamp"]


@dataclass(eq=False, repr=False, kw_only=True)
class DENWithQuirks(DEN):
    """The paper's DEN with chosen departures of the released code."""

    kind: ClassVar[type[Method]] = METHODS["den_with_quirks"]
    quirks: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, kw_only=True)
class DENOfficial(DENWithQuirks):
    """The released code's DEN, with its values and all of its departures."""

    kind: ClassVar[type[Method]] = METHODS["den_official"]
    sparsity: float = 1e-5
    head_sparsity: float = 1e-5
    weight_decay: float = 5e-5
    group_sparsity: float = 1e-3
    drift: float = 0.25
    loss_threshold: float = 0.01
    drift_threshold: float = 0.05
    quirks: tuple[str, ...] = tuple(QUIRKS)


ESTIMATORS: dict[str, type[Estimator]] = {
    "finetune": FineTuning,
    "l2": L2,
    "ewc": EWC,
    "dnn_l1": DNNL1,
    "progressive": Progressive,
    "single_task": SingleTask,
    "joint": Joint,
    "den": DEN,
    "den_plus": DENPlus,
    "den_finetune": DENFinetune,
    "dnn_selective": DNNSelective,
    "den_constant": DENConstant,
    "den_dynamic": DENDynamic,
    "den_no_stamp": DENNoStamp,
    "den_official": DENOfficial,
    "den_with_quirks": DENWithQuirks,
}
