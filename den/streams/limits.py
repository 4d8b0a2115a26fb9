"""Refusals: what was asked of a prepared stream is more than was prepared."""

import numpy as np

from den.config import SettingsError


def at_most(key: str, asked: int, available: int, mend: str) -> None:
    """Refuse more than there is, naming the key and what to do."""
    if asked > available:
        raise SettingsError(f"{key}: {asked} asked, {available} prepared; {mend}")


def of_seed(name: str, table: np.ndarray, seed: int) -> np.ndarray:
    """Return the row of a table of draws that belongs to `seed`, or refuse a seed that is not prepared."""
    if not 0 <= seed < len(table):
        raise SettingsError(
            f"seeds: {seed} asked, the splits of {name} are prepared for 0 to {len(table) - 1}; "
            "raise data.seeds in params.yaml and run `den prepare`"
        )
    return np.asarray(table[seed])


def tasks(name: str, asked: int, available: int) -> None:
    """Refuse more tasks than are prepared."""
    mend = f"ask for fewer, or prepare more (data.streams.{name} in params.yaml, then `den prepare`)"
    at_most(f"streams.{name}.tasks", asked, available, mend)
