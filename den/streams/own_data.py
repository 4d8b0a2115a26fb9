"""Own data: a stream of any other name than the registered ones, prepared from a file of the user's.

`flows/data/own` reads the file. Its rows are stored in the order of their tasks, so that a task is one block of a
memory-mapped array; the seed draws training, validation and test data when the stream is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from den import config
from den.config import SettingsError
from den.streams import arrays, limits
from den.tasks import Stream

ENDS = "ends"
MARK = {"validation", "test", "standardise"}  # settings that every cell of own data has: its name is no typing error


class Preparation(config.Params):
    """Settings of the prepared files."""

    file: str
    "A .csv, .parquet or .npz file, or a folder of images."
    label: str = "label"
    "The column or array of labels."
    task: str = "task"
    "The column or array of task numbers."
    part: str = "part"
    "The column or array that says training, validation or test."
    features: str = "x"
    "The array of features of an .npz file; in tables every other column is a feature."
    classes: PositiveInt | tuple[tuple[int | str, ...], ...] | None = None
    "Instead of a column of tasks: how many classes a task has, or the classes of each task."
    exclusive: bool = False
    "Refuse a class that is in two tasks."
    leave_out: tuple[str, ...] = ()
    "Columns that are no features."


class Params(config.Params):
    """Settings for opening the stream."""

    tasks: PositiveInt | None = None
    "Number of tasks, the first ones; null: all."
    validation: float = Field(0.2, gt=0, lt=1)
    "Share of each class that the seed draws for validation if the file does not name it."
    test: float = Field(0.2, gt=0, lt=1)
    "Share of each class that the seed draws for testing if the file does not name it."
    standardise: bool = True
    """Shift and scale each feature to mean 0 and deviation 1 on the training data of the first task; images keep their
    scale."""

    @model_validator(mode="after")
    def leave_some(self) -> Self:
        """Refuse shares that leave nothing to learn from."""
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave no training data; their sum must be below 1")
        return self


def build(params: Params, stored: Mapping[str, np.ndarray], seed: int, name: str) -> Stream:
    """Return the stream of `seed`. stored: the fields of `arrays.Blocks` by name.

    Raises SettingsError if the settings ask for more than is prepared.
    """
    blocks = arrays.Blocks(**stored)
    limits.at_most(f"streams.{name}.tasks", params.tasks or 0, len(blocks.ends), "ask for fewer")
    shares = arrays.Shares(params.validation, params.test)
    return arrays.Stream.from_blocks(name, blocks, seed, shares, params.standardise, params.tasks)


def tasks_in(folder: Path) -> int:
    """Return the number of tasks of the stream that is prepared in `folder`. Raises SettingsError if none is."""
    path = folder / f"{ENDS}.npy"
    if not path.exists():
        raise SettingsError(f"{folder} holds no prepared stream; `den prepare --stream {folder.name}` makes it")
    return len(np.load(path, mmap_mode="r", allow_pickle=False))
