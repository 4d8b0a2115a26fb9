"""Refusals of settings that ask for more than is prepared."""

import numpy as np

from den.config import SettingsError


def at_most(key: str, requested: int, available: int, remedy: str) -> None:
    """Raise SettingsError if more is requested than available; the message names the key and the remedy."""
    if requested > available:
        raise SettingsError(f"{key}: {requested} requested, {available} prepared; {remedy}")


def of_seed(name: str, table: np.ndarray, seed: int) -> np.ndarray:
    """Return the row of a table of draws for `seed`. Raises SettingsError if the seed is not prepared."""
    if not 0 <= seed < len(table):
        raise SettingsError(
            f"seeds: {seed} requested, {name} is prepared for seeds 0 to {len(table) - 1}; "
            "add `--set data.seeds=NUMBER` to prepare more, or raise data.seeds in params.yaml"
        )
    return np.asarray(table[seed])


def tasks(name: str, requested: int, available: int) -> None:
    """Raise SettingsError if more tasks are requested than prepared."""
    remedy = f"ask for fewer, or prepare more (data.streams.{name}, by `--set` or in params.yaml)"
    at_most(f"streams.{name}.tasks", requested, available, remedy)
