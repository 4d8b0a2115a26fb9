"""NumPy's .npz files: an array of features, and one per column that divides rows."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from den.streams.own_data import Preparation
from den.streams.prepared import DataError
from flows.data.own.source import TOKENS, Divisions, divided, divisions_of, finite, listed, place_of

ROWS = 1 << 14  # of a batch


@dataclass(frozen=True)
class Npz:
    """An .npz file."""

    path: Path
    settings: Preparation

    @cached_property
    def features(self) -> np.ndarray:
        """The array of features. Raises DataError if it is no table of numbers, and no images."""
        x = self._array(self.settings.features)
        if x.ndim not in (2, 4) or x.size == 0 or x.dtype.kind not in "biuf":
            raise DataError(
                f"{self.path}, array {self.settings.features}: it is {x.dtype} {x.shape}; give numbers, "
                "(rows, features) or (rows, channels, height, width)"
            )
        return x

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.features.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """uint8 for images of bytes, else float32."""
        return np.dtype(np.uint8 if self.features.ndim == 4 and self.features.dtype == np.uint8 else np.float32)

    def divisions(self) -> Divisions:
        """Return the arrays that divide rows. Raises DataError for one of another length, or a missing value."""
        names = self._names()
        if self.settings.features not in names:
            raise DataError(
                f"{self.path}: array {self.settings.features} with the features is missing; it has {listed(names)}; "
                "the setting features of data.streams.NAME names another"
            )
        texts = {name: self._texts(name) for name in divisions_of(str(self.path), names, self.settings, "array")}
        return divided(texts, self.settings)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the features in batches of rows."""
        for start in range(0, len(self.features), ROWS):
            batch = self.features[start : start + ROWS]
            try:
                yield batch if self.dtype == np.uint8 else finite(batch)
            except ValueError as error:
                row, *feature = error.args[0]
                place = f"{self.place(start + row)}, feature {', '.join(str(index + 1) for index in feature)}"
                raise DataError(f"{place}: {batch[error.args[0]]} is not finite as float32; fill it in") from None

    def place(self, row: int) -> str:
        """Return file and row."""
        return place_of(self.path, row)

    def _texts(self, name: str) -> np.ndarray:
        column = self._array(name)
        if column.shape != self.features.shape[:1] or column.dtype.kind not in "biuU":
            raise DataError(
                f"{self.path}, array {name}: it is {column.dtype} {column.shape}; give integers or text, one per row: "
                f"({len(self.features)},)"
            )
        texts = np.char.strip(column.astype(str))
        if (missing := np.isin(texts, TOKENS)).any():
            raise DataError(f"{self.place(int(np.argmax(missing)))}, array {name}: the value is missing; fill it in")
        return texts

    def _names(self) -> list[str]:
        return list(self._open().files)

    def _open(self) -> np.lib.npyio.NpzFile:
        try:
            file = np.load(self.path, allow_pickle=False)
        except (ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: it cannot be read as .npz: {error}") from None
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{self.path}: it holds a single array; save several with numpy.savez")
        return file

    def _array(self, name: str) -> np.ndarray:
        try:
            with self._open() as file:
                return np.asarray(file[name])
        except ValueError as error:
            raise DataError(f"{self.path}, array {name}: {error}; give numbers or text") from None
