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

NAME = "own_data"
ENDS = "ends"
MARK = {"validation", "test", "standardise"}  # settings that every cell of own data has: its name is no typing error


class Preparation(config.Params):
    """Settings of the prepared files.

    file: .csv, .parquet, .npz, or a folder of images. label, task, part: the names of columns or arrays; every other
    column is a feature. features: the array of features of an .npz file. classes: how many classes a task has, or the
    classes of each task, instead of a column with tasks. exclusive: refuse a class that is in two tasks.
    leave_out: columns that are no features.
    """

    file: str
    label: str = "label"
    task: str = "task"
    part: str = "part"
    features: str = "x"
    classes: PositiveInt | tuple[tuple[int | str, ...], ...] | None = None
    exclusive: bool = False
    leave_out: tuple[str, ...] = ()


class Params(config.Params):
    """Settings for opening the stream.

    tasks: the number of tasks, the first ones; null: all. validation, test: shares of each class that the seed draws if
    the file does not say which examples are for validation and test. standardise: shift and scale each feature to mean
    0 and deviation 1 on the training data of the first task; images keep their scale.
    """

    tasks: PositiveInt | None = None
    validation: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.2, gt=0, lt=1)
    standardise: bool = True

    @model_validator(mode="after")
    def leave_some(self) -> Self:
        """Refuse shares that leave nothing to learn from."""
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together leave no training data; their sum must be below 1")
        return self


def build(params: Params, stored: Mapping[str, np.ndarray], seed: int, name: str = NAME) -> Stream:
    """Return the stream of `seed`. stored: the fields of `arrays.Blocks` by name.

    Raises SettingsError if the settings ask for more than is prepared.
    """
    blocks = arrays.Blocks(**stored)
    limits.at_most(f"streams.{name}.tasks", params.tasks or 0, len(blocks.ends), "ask for fewer")
    shares = arrays.Shares(params.validation, params.test)
    return arrays.build(name, blocks, seed, shares, params.standardise, params.tasks or 0)


def tasks_in(folder: Path) -> int:
    """Return the number of tasks of the stream that is prepared in `folder`. Raises SettingsError if none is."""
    path = folder / f"{ENDS}.npy"
    if not path.exists():
        raise SettingsError(f"{folder} holds no prepared stream; `den prepare --stream {folder.name}` makes it")
    return len(np.load(path, mmap_mode="r", allow_pickle=False))
