"""Finds a measurement by the beginning of its id."""

from dataclasses import dataclass

from den.config import SettingsError
from den.ledger import Ledger, Measurement, Places
from reports import accepted_results


@dataclass(frozen=True)
class Located:
    """A measurement and its source: the ledger, or the accepted results of a suite."""

    measurement: Measurement
    source: str


def newest(places: Places) -> Located:
    """Return the newest measurement of the ledger. Raises SettingsError if the ledger is empty."""
    ledger = Ledger.of(places)
    if not (entries := ledger.entries()):
        raise SettingsError("the ledger has no measurement yet; `den run` measures, `den ledger import` adds others'")
    return Located(ledger.load(entries[-1].id), "ledger")


def locate(prefix: str, places: Places) -> Located:
    """Return the measurement whose id, or whose identity of version 0.5.0, begins with `prefix`.

    Raises SettingsError if no measurement matches, or more than one.
    """
    ledger = Ledger.of(places)
    matches = {entry.id: Located(ledger.load(entry.id), "ledger") for entry in ledger.entries(prefix=prefix)}
    for suite, measurement in accepted_results.find(prefix):
        matches.setdefault(measurement.id, Located(measurement, f"accepted results of {suite}"))
    if len(matches) == 1:
        return next(iter(matches.values()))
    problem = f"{len(matches)} ids begin with it; give more characters" if matches else "no measurement has this id"
    raise SettingsError(f"{prefix}: {problem}; reports and MLflow show ids, `den why` alone takes the newest")
