"""The methods by name. To add one, write its file, and add its line here."""

from den.methods.ablations import DenConstant, DenDynamic, DenNoStamp, DnnSelective
from den.methods.base import Method
from den.methods.den import Den
from den.methods.den_finetune import DenFinetune
from den.methods.den_official import DenOfficial, DenWithQuirks
from den.methods.den_plus import DenPlus
from den.methods.dnn_l1 import DnnL1
from den.methods.ewc import Ewc
from den.methods.finetune import Finetune
from den.methods.joint import Joint
from den.methods.l2 import L2
from den.methods.progressive import Progressive
from den.methods.single_task import SingleTask

METHODS: dict[str, type[Method]] = {
    "finetune": Finetune,
    "l2": L2,
    "ewc": Ewc,
    "dnn_l1": DnnL1,
    "progressive": Progressive,
    "single_task": SingleTask,
    "joint": Joint,
    "den": Den,
    "den_plus": DenPlus,
    "den_finetune": DenFinetune,
    "dnn_selective": DnnSelective,
    "den_constant": DenConstant,
    "den_dynamic": DenDynamic,
    "den_no_stamp": DenNoStamp,
    "den_official": DenOfficial,
    "den_with_quirks": DenWithQuirks,
}
