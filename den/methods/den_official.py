"""DEN with departures from its paper: some of them, or all of the released code, which is DEN as that code has it."""

from collections.abc import Iterable
from typing import ClassVar, Self, cast

from pydantic import NonNegativeFloat, field_validator
from torch import Generator

from den import config
from den.methods import den
from den.methods.base import Problem
from den.methods.den import Den
from den.methods.quirks import DEPARTURES, OF_BIASES, QUIRKS


class Params(den.Params):
    """Parameters of DEN, and which departures it has."""

    quirks: tuple[str, ...] = ()
    "Departures from the paper; without any it is `den`."
    mended: tuple[str, ...] = ()
    "Departures left out of `quirks`."

    @field_validator("quirks", "mended")
    @classmethod
    def known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a name that is none of a departure."""
        if unknown := set(names) - set(DEPARTURES):
            raise ValueError(f"{', '.join(sorted(unknown))}: no such quirk; there are {', '.join(DEPARTURES)}")
        return names

    def chosen(self) -> list[type[Den]]:
        """Return the departures there are, in the order of the registry."""
        return [kind for name, kind in DEPARTURES.items() if name in self.quirks and name not in self.mended]


class OfficialParams(Params):
    """Parameters of DEN as the released code has them, by default with every departure."""

    sparsity: NonNegativeFloat = 1e-5
    head_sparsity: NonNegativeFloat = 1e-5
    weight_decay: NonNegativeFloat = 5e-5
    group_sparsity: NonNegativeFloat = 1e-3
    drift: NonNegativeFloat = 0.25
    loss_threshold: float = 0.01
    drift_threshold: NonNegativeFloat = 0.05
    quirks: tuple[str, ...] = tuple(QUIRKS)


class DenWithQuirks(Den):
    """The paper's DEN with the departures that are asked for."""

    accepts: ClassVar[type[config.Params]] = Params

    @classmethod
    def refuse(cls, network: config.Network) -> None:
        super().refuse(network)
        if network.convolutions:
            raise config.SettingsError(f"network.convolutions: the code that {cls.__name__} follows has none; use den")

    @classmethod
    def build(cls, params: den.Params, problem: Problem, generator: Generator) -> Self:
        chosen = cast(Params, params).chosen()
        there = chosen if problem.network.bias else [kind for kind in chosen if kind not in OF_BIASES]
        return cast(Self, with_quirks(there).build(params, problem, generator))


class DenOfficial(DenWithQuirks):
    """The released code's DEN."""

    accepts: ClassVar[type[config.Params]] = OfficialParams


def with_quirks(kinds: Iterable[type[Den]]) -> type[Den]:
    """Return DEN with some of its steps replaced."""
    return type("DenWithQuirks", (*kinds, Den), {})
