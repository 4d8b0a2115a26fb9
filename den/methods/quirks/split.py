"""Departures of the released code in split and duplication (Algorithm 4)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from den import measures
from den.certificates import Solution
from den.methods.base import Stage
from den.methods.den import Den
from den.penalties import Penalty
from den.tasks import Task
from den.training import Fit


class SplitOnlyAfterExpansion(Den):
    """A task that does not expand the network does not split units either."""

    def stages(self, task: Task) -> Iterator[Stage]:
        for stage in super().stages(task):
            if stage.run == self.split_and_duplication and not self.expands:
                stage = Stage(measures.CLOSING, self.close)
            yield stage


class DriftMeasuredEarly(Den):
    """Drift is measured before Eq. 6: it is the drift of selective retraining."""

    def settle(self, task: Task, generator: Generator) -> Solution:
        return Solution(Fit(0, math.nan))


class DriftWithoutBias(Den):
    """A unit's drift does not include its bias."""

    def drifts(self) -> list[Tensor]:
        pairs = zip(self.network.hidden, self.before, strict=True)
        return [(layer.weight[: old.units, : old.inputs] - old.weight).norm(dim=1) for layer, old in pairs]


class LeastDriftedSplit(Den):
    """At most k units of a layer split: of those beyond the threshold, the ones that moved least."""

    def to_split(self, rho: Sequence[Tensor]) -> list[Tensor]:
        beyond = zip(super().to_split(rho), rho, self.new_units(), strict=True)
        return [units[moved[units].argsort()[:most]].sort().values for units, moved, most in beyond]


class DoubledEdges(Den):
    """A unit that is not split reads the copy with its present weight, and the original with its old weight."""

    def copy_units(self, split: Sequence[Tensor], generator: Generator) -> None:
        present = [layer.copy() for layer in self.network.hidden]
        super().copy_units(split, generator)
        above = zip(self.network.hidden[1:], present[1:], self.before[1:], split[:-1], split[1:], strict=True)
        for layer, unsplit, old, below, units in above:
            stay = torch.ones(old.units, dtype=torch.bool, device=units.device)
            stay[units] = False
            copies = slice(unsplit.inputs, unsplit.inputs + len(below))
            layer.weight[: old.units, copies][stay] = unsplit.weight[: old.units, below][stay]


class SharedWeightsReset(Den):
    """Before the second Eq. 6, all parameters older than the task are reset to their former values."""

    def copy_units(self, split: Sequence[Tensor], generator: Generator) -> None:
        super().copy_units(split, generator)
        for layer, old in zip(self.network.hidden, self.before, strict=True):
            layer.weight[: old.units, : old.inputs] = old.weight
            layer.bias[: old.units] = old.bias


class RandomCopyBiases(Den):
    """A copy's bias is random, uniform from 0 to 1."""

    def copy_units(self, split: Sequence[Tensor], generator: Generator) -> None:
        super().copy_units(split, generator)
        for layer, units in zip(self.network.hidden, split, strict=True):
            if count := len(units):
                layer.bias[-count:] = torch.rand(count, generator=generator).to(layer.bias.device)


class RandomCopyHeads(Den):
    """The head keeps its weights from split units, and reads their copies with random weights."""

    def copy_units(self, split: Sequence[Tensor], generator: Generator) -> None:
        old = self.head
        super().copy_units(split, generator)
        if added := self.head.inputs - old.inputs:
            limit = math.sqrt(6 / (self.head.inputs + self.head.units))
            random = torch.empty(self.head.units, added).uniform_(-limit, limit, generator=generator)
            self.head = replace(old, weight=torch.cat([old.weight, random.to(old.weight.device)], dim=1))


class NothingHeld(Den):
    """The second Eq. 6 may move restored units, and move others beyond the threshold."""

    def hold(self, split: Sequence[Tensor]) -> list[Penalty]:
        return []
