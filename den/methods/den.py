"""Dynamically Expandable Networks (Yoon et al., ICLR 2018), after the paper's Algorithms 1 to 4.

Equation and algorithm numbers are the paper's. docs/algorithm.md holds what was decided where the paper is silent.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, NonNegativeFloat
from torch import Generator, Tensor

from den import config, measures
from den.certificates import Scale, Solution, scale_of, solve
from den.memory import WORD, Kept, of_layers
from den.methods.base import Measure, Measures, Method, Problem, Stage, State, pack, sizes_and_costs, unpack
from den.methods.reporting import by_layer, relative_change, report, residual
from den.networks.expandable import Expandable, Grown, drop_unused
from den.networks.forms import Convolution
from den.networks.layers import Chain, Layer, fresh, newer, to, unit_drift
from den.networks.reach import select, widen
from den.penalties import L1, L2, Drift, GroupLasso, Penalty, Within
from den.tasks import Examples, Task
from den.training import Fit, blocks, mean_loss


class Params(config.Params):
    """Parameters of DEN; the Greek letters are the paper's."""

    sparsity: NonNegativeFloat = 6e-5
    "mu of Eqs. 2 and 5: L1 on weights."
    head_sparsity: NonNegativeFloat = 1e-3
    "mu of Eq. 3: L1 on the new task's head."
    weight_decay: NonNegativeFloat = 2e-5
    "mu of Eq. 4, and of Eq. 6 for copies and new units: squared L2 on weights."
    group_sparsity: NonNegativeFloat = 1e-4
    "gamma of Eq. 5: group lasso on the incoming weights of each new unit."
    drift: NonNegativeFloat = 0.1
    "lambda of Eq. 6: squared distance from the network of the previous task."
    loss_threshold: float = 0.0
    "tau: expand if the task's mean training loss, in nats, is above it."
    drift_threshold: NonNegativeFloat = 0.1
    "sigma: split each old unit that moved further."
    units_per_expansion: int = Field(10, gt=0, le=10_000)
    "k: new units per hidden layer."
    channels_per_expansion: Annotated[int | None, Field(gt=0, le=10_000), config.AsBefore(None)] = None
    "k of convolutions; null: as of the other layers."


class Den(Method):
    """Retrain the units that a task needs, add units if that is not enough, and split units that moved too far."""

    accepts: ClassVar[type[config.Params]] = Params
    heads: ClassVar[tuple[str, ...]] = ("per_task",)

    def __init__(self, params: Params, problem: Problem, network: Expandable) -> None:
        self.params, self.problem, self.network = params, problem, network
        self.head = network.hidden[-1]
        self.before: list[Layer] = []
        self.loss = 0.0
        self.scale = Scale(0.0)

    @classmethod
    def build(cls, params: Params, problem: Problem, generator: Generator) -> Self:
        return cls(params, problem, Expandable(problem.hidden(generator)))

    def stages(self, task: Task) -> Iterator[Stage]:
        """Algorithm 1."""
        if task.id == 0:
            yield Stage(measures.TRAIN, self.first_task)
            return
        yield Stage(measures.SELECTIVE, self.selective_retraining)
        if self.expands:
            yield Stage(measures.EXPANSION, self.dynamic_expansion)
        yield Stage(measures.SPLIT, self.split_and_duplication)

    @property
    def expands(self) -> bool:
        """Whether the loss after selective retraining is above the threshold."""
        return self.loss > self.params.loss_threshold

    def first_task(self, task: Task, generator: Generator) -> Measures:
        """Train a sparse network (Eq. 2), and close the task."""
        self.head = self.new_head(task, generator)
        whole = self.network.whole(self.head)
        self.scale = scale_of(whole, task.train, self.problem.loss)
        solution = self.fit(whole, task.train, generator, *self.sparse(whole))
        return [*report(self.scale, solution), *self.close(task, generator)]

    def selective_retraining(self, task: Task, generator: Generator) -> Measures:
        """Train a sparse head, select the units it depends on, and train those (Algorithm 2)."""
        self.before = [layer.copy() for layer in self.network.hidden]
        self.note(Kept(learn=self.kept().learn + of_layers(self.before)))
        sparse, solved = self.sparse_head(task, generator)  # Eq. 3
        head = sparse.head
        self.scale = scale_of(self.network.whole(head), task.train, self.problem.loss)
        selected = self.select(head)
        part = self.subnetwork(selected, head)
        examples = task.train.features(selected[0])
        solution = self.fit(part, examples, generator, *self.retraining(part))  # Eq. 4
        self.network.put_back(selected, part)
        self.head = self.whole_head(part, selected, head)
        self.loss = self.task_loss(task, solution.fit)
        return [
            *report(self.scale, solution, aside=[solved]),
            *residual(measures.HEAD_RESIDUAL, self.scale, solved),
            *by_layer(measures.SELECTED_UNITS, map(len, selected), first=0),
            Measure(measures.TRAINING_LOSS, self.loss),
            Measure(measures.EXPANSION_FIRED, self.expands),
        ]

    def dynamic_expansion(self, task: Task, generator: Generator) -> Measures:
        """Add units, train them alone, and drop those that stay unused (Algorithm 3)."""
        grown = self.extension(generator)
        self.note(self.answering(layer.whole() for layer in grown.layers))
        solution = self.fit(grown, task.train, generator, *self.expansion(grown))  # Eq. 5
        useful = self.drop_unused(grown)
        self.head = self.network.grow(useful)
        kept_units = by_layer(measures.KEPT_UNITS, (len(layer.incoming) for layer in useful.hidden))
        return [*report(self.scale.earlier, solution), *kept_units]

    def split_and_duplication(self, task: Task, generator: Generator) -> Measures:
        """Train everything near the network at t-1, split units that moved too far, close the task (Algorithm 4)."""
        first = self.settle(task, generator)  # Eq. 6
        rho = self.drifts()
        split = self.to_split(rho)
        shift = Measure(measures.ANSWER_SHIFT, self.duplicate(split, task, generator))
        again = self.settle_again(task, generator, split)  # Eq. 6
        self.close(task, generator)
        return [
            *report(self.scale.earlier, first, again),
            *residual(measures.FIRST_RESIDUAL, self.scale, first),
            *by_layer(measures.SPLIT_UNITS, map(len, split)),
            *by_layer(measures.DRIFT, (moved.max().item() for moved in rho)),
            shift,
            Measure(measures.SPLIT_FIRED, any(map(len, split))),
        ]

    def close(self, task: Task, generator: Generator) -> Measures:
        """Close a task: store the widths and the head with which it answers from now on."""
        self.network.stamp(self.head)
        return []

    def sparse_head(self, task: Task, generator: Generator) -> tuple[Chain[Layer], Solution]:
        """Train a sparse head over frozen features (Eq. 3), starting at zero, since the problem is convex."""
        zeros = torch.zeros(task.outputs, self.network.widths[-1]), torch.zeros(task.outputs)
        chain = Chain([], *to([Layer(*zeros, biased=self.problem.network.bias)], self.problem.device))
        sparsity = L1([chain.head.weight], self.params.head_sparsity)
        return chain, self.fit(chain, self.features(task.train), generator, sparsity)

    def select(self, head: Layer) -> list[Tensor]:
        """Return the units that the head depends on, input features first (Algorithm 2, lines 2-5)."""
        return select(self.network.hidden, head)

    def subnetwork(self, selected: Sequence[Tensor], head: Layer) -> Chain[Layer]:
        """Return a copy of the selected units under their part of the head."""
        return self.network.subnetwork(selected, head)

    def retraining(self, part: Chain[Layer]) -> list[Penalty]:
        """Return the penalties of Eq. 4."""
        return [self.decay(part)]

    def whole_head(self, part: Chain[Layer], selected: Sequence[Tensor], head: Layer) -> Layer:
        """Return the trained head of the sub-network over all units. head: the head before training."""
        return widen(part.head, selected[-1], self.network.widths[-1])

    def task_loss(self, task: Task, fitted: Fit) -> float:
        """Return the loss that is compared with tau."""
        return mean_loss(self.network.whole(self.head), task.train, self.problem.loss)

    def extension(self, generator: Generator) -> Chain[Grown]:
        """Return the network with k new units per hidden layer; only the new parameters learn."""
        return self.network.extension(self.head, self.new_units(), self.problem.network, generator)

    def new_units(self) -> list[int]:
        """Return k of each hidden layer."""
        k, channels = self.params.units_per_expansion, self.params.channels_per_expansion
        return [(channels or k) if isinstance(layer.form, Convolution) else k for layer in self.network.hidden]

    def expansion(self, grown: Chain[Grown]) -> list[Penalty]:
        """Return the penalties of Eq. 5."""
        incoming = [layer.incoming for layer in grown.hidden]
        new = [*incoming, *(layer.across for layer in grown.layers)]
        return [L1(new, self.params.sparsity), GroupLasso(incoming, self.params.group_sparsity)]

    def drop_unused(self, grown: Chain[Grown]) -> Chain[Grown]:
        """Return the trained extension without unused units (the last loop of Algorithm 3)."""
        return drop_unused(grown)

    def settle(self, task: Task, generator: Generator) -> Solution:
        """Train everything near the network of the previous task (Eq. 6)."""
        return self.fit(self.network.whole(self.head), task.train, generator, *self.stay())

    def drifts(self) -> list[Tensor]:
        """Return rho of each old unit, one tensor (units,) per hidden layer."""
        return [unit_drift(layer, old) for layer, old in zip(self.network.hidden, self.before, strict=True)]

    def to_split(self, rho: Sequence[Tensor]) -> list[Tensor]:
        """Return the units that moved further than sigma, one index tensor per hidden layer."""
        return [(moved > self.params.drift_threshold).nonzero().squeeze(1) for moved in rho]

    def duplicate(self, split: Sequence[Tensor], task: Task, generator: Generator) -> float:
        """Split units; return the change of the task's answers, relative to their root mean square."""
        answers = self.answers(task)
        self.copy_units(split, generator)
        return relative_change(answers, self.answers(task))

    def copy_units(self, split: Sequence[Tensor], generator: Generator) -> None:
        """Restore the former weights of split units, and append copies with their present ones."""
        self.head = self.network.duplicate(split, self.before, self.head)

    def settle_again(self, task: Task, generator: Generator, split: Sequence[Tensor]) -> Solution:
        """Train everything again, with restored units frozen (Eq. 6)."""
        return self.fit(self.network.whole(self.head), task.train, generator, *self.stay(), *self.hold(split))

    def stay(self) -> list[Penalty]:
        """Return the penalties of Eq. 6: a pull of old parameters to their values at t-1, and decay of new weights."""
        parameters = [tensor for layer in self.network.hidden for tensor in layer.parameters()]
        before = [tensor for layer in self.before for tensor in layer.parameters()]
        new = [part for layers in zip(self.network.hidden, self.before, strict=True) for part in newer(*layers)]
        return [Drift(parameters, before, self.params.drift), L2([*new, self.head.weight], self.params.weight_decay)]

    def hold(self, split: Sequence[Tensor]) -> list[Penalty]:
        """Return the constraints that freeze restored units, and keep the other old units within the threshold."""
        layers = zip(self.network.hidden, self.before, split, strict=True)
        radius = self.params.drift_threshold
        return [Within((new.weight, new.bias), (old.weight, old.bias), units, radius) for new, old, units in layers]

    def sparse(self, chain: Chain[Layer]) -> list[Penalty]:
        """Return the penalties of Eq. 2: L1 on weights, but on convolutions the (2,1)-norm over whole filters."""
        filters = [layer.weight for layer in chain.layers if isinstance(layer.form, Convolution)]
        others = [layer.weight for layer in chain.layers if not isinstance(layer.form, Convolution)]
        return [L1(others, self.params.sparsity), GroupLasso(filters, self.params.sparsity)]

    def anchor(self, part: Chain[Layer]) -> Drift:
        """Return a pull of the hidden layers towards their present parameters."""
        parameters = [tensor for layer in part.hidden for tensor in layer.parameters()]
        return Drift(parameters, [tensor.clone() for tensor in parameters], self.params.drift)

    def decay(self, chain: Chain[Layer]) -> L2:
        """Return the decay of all weights, biases left out."""
        return L2([layer.weight for layer in chain.layers], self.params.weight_decay)

    def fit(self, chain: Chain, examples: Examples, generator: Generator, *penalties: Penalty) -> Solution:
        """Train the chain in place; return the outcome with its certificate. Raises Diverged."""
        return solve(chain, examples, self.problem.training, generator, penalties, self.problem.loss)

    def new_head(self, task: Task, generator: Generator) -> Layer:
        """Return an untrained head for the task, over all units of the last hidden layer."""
        head = fresh(task.outputs, self.network.widths[-1], self.problem.network, generator)
        return to([head], self.problem.device)[0]

    def features(self, examples: Examples) -> Examples:
        """Return the examples with the activations of the last hidden layer as inputs: (examples, units) float32."""
        chain = self.network.whole(self.network.heads[-1])
        x = torch.cat([chain.features(examples.inputs(rows)) for rows in blocks(len(examples))])
        return replace(examples, x=x, mean=0.0, deviation=1.0)

    def answers(self, task: Task) -> Tensor:
        """Return the present answers to the task's training examples: (examples, outputs)."""
        chain = self.network.whole(self.head)
        return torch.cat([chain(task.train.inputs(rows)) for rows in blocks(len(task.train))])

    @torch.no_grad()
    def predict(self, x: Tensor, task_id: int) -> Tensor:
        return self.network.slice(task_id)(x)

    def measure(self) -> Measures:
        heads, hidden = self.network.heads, self.network.hidden
        slices = [self.network.slice(task) for task in range(len(heads))]
        multiplications = sum(layer.multiplications for chain in slices for layer in chain.layers) / len(slices)
        return [*sizes_and_costs(self.problem, hidden, heads, multiplications), *self.bytes_kept(self.kept())]

    def kept(self) -> Kept:
        """Return the bytes that the method keeps between tasks: those of the network."""
        return self.answering(self.network.hidden)

    def answering(self, layers: Iterable[Layer]) -> Kept:
        """Return the bytes that answers need: of these layers, of all heads so far, and of their stamps."""
        return Kept(answer=of_layers([*layers, *self.network.heads]) + WORD * sum(map(len, self.network.stamps)))

    def state(self) -> State:
        groups = {
            "hidden": self.network.hidden,
            "heads": self.network.heads,
            "before": self.before,
            "head": [self.head],
        }
        tensors = {name: tensor for prefix, layers in groups.items() for name, tensor in pack(prefix, layers).items()}
        values = {"loss": self.loss, "scale": self.scale.norm, "peak": astuple(self.peak)}
        return State(tensors, {**values, "stamps": self.network.stamps})

    def restore(self, state: State) -> None:
        self.network = Expandable(unpack("hidden", state.tensors))
        self.network.heads = unpack("heads", state.tensors)
        self.network.stamps = [tuple(stamp) for stamp in state.values["stamps"]]
        self.before, self.head = unpack("before", state.tensors), unpack("head", state.tensors)[0]
        self.loss, self.scale = state.values["loss"], Scale(state.values.get("scale", 0.0))
        self.peak = Kept(*state.values.get("peak", ()))
