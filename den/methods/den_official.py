"""DEN with departures from its paper: a choice of them, or all departures of the authors' released code."""

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
    """Parameters of DEN, and its departures."""

    quirks: tuple[str, ...] = ()
    "Departures from the paper; without any, the method equals `den`."
    mended: tuple[str, ...] = ()
    "Departures left out of `quirks`."

    @field_validator("quirks", "mended")
    @classmethod
    def registered(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a name that is not a departure."""
        if unknown := set(names) - set(DEPARTURES):
            raise ValueError(f"{', '.join(sorted(unknown))}: no such quirk; there are {', '.join(DEPARTURES)}")
        return names

    def chosen(self) -> list[type[Den]]:
        """Return the classes of the chosen departures, in the order of the registry."""
        return [kind for name, kind in DEPARTURES.items() if name in self.quirks and name not in self.mended]


class OfficialParams(Params):
    """Parameters of DEN with the values of the released code, and by default all of its departures."""

    sparsity: NonNegativeFloat = 1e-5
    head_sparsity: NonNegativeFloat = 1e-5
    weight_decay: NonNegativeFloat = 5e-5
    group_sparsity: NonNegativeFloat = 1e-3
    drift: NonNegativeFloat = 0.25
    loss_threshold: float = 0.01
    drift_threshold: NonNegativeFloat = 0.05
    quirks: tuple[str, ...] = tuple(QUIRKS)


class DenWithQuirks(Den):
    """The paper's DEN with chosen departures."""

    accepts: ClassVar[type[config.Params]] = Params

    @classmethod
    def refuse(cls, network: config.Network) -> None:
        super().refuse(network)
        if network.convolutions:
            raise config.SettingsError(f"network.convolutions: the code that {cls.__name__} follows has none; use den")

    @classmethod
    def build(cls, params: den.Params, problem: Problem, generator: Generator) -> Self:
        chosen = cast(Params, params).chosen()
        applicable = chosen if problem.network.bias else [kind for kind in chosen if kind not in OF_BIASES]
        return cast(Self, with_quirks(applicable).build(params, problem, generator))


class DenOfficial(DenWithQuirks):
    """The released code's DEN."""

    accepts: ClassVar[type[config.Params]] = OfficialParams


def with_quirks(kinds: Iterable[type[Den]]) -> type[Den]:
    """Return a subclass of DEN in which the departures replace some steps."""
    return type("DenWithQuirks", (*kinds, Den), {})
