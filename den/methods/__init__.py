"""The methods: one file each, and one line here."""

from den.methods.base import Method
from den.methods.den import Den
from den.methods.ewc import Ewc
from den.methods.finetune import Finetune
from den.methods.joint import Joint
from den.methods.l2 import L2
from den.methods.single_task import SingleTask

METHODS: dict[str, type[Method]] = {
    "finetune": Finetune,
    "l2": L2,
    "ewc": Ewc,
    "single_task": SingleTask,
    "joint": Joint,
    "den": Den,
}
