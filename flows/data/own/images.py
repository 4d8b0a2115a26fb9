"""A folder of images, FOLDER/TASK/CLASS/IMAGE, or FOLDER/PART/TASK/CLASS/IMAGE; lists of classes replace TASK."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from den.streams.arrays import PARTS
from den.streams.own_data import Preparation
from den.streams.prepared import DataError
from flows.data.own.source import Divisions

GREY = ("1", "L", "LA")
ROWS = 256  # of a batch


@dataclass(frozen=True)
class Images:
    """A folder of images; all have one size, and either one channel or three."""

    path: Path
    settings: Preparation

    @cached_property
    def files(self) -> list[Path]:
        """The images, sorted by path. Raises DataError if there are none, or one lies elsewhere."""
        readable = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
        files = sorted(path for path in self.path.rglob("*") if path.suffix.lower() in readable)
        if not files:
            raise DataError(f"{self.path}: it holds no image; lay them out as {self._layout}")
        for file in files:
            if len(self._words(file)) != len(self._levels):
                raise DataError(f"{file}: it lies in the wrong place; lay images out as {self._layout}")
        return files

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image: (channels, height, width)."""
        return self._read(self.files[0]).shape

    dtype = np.dtype(np.uint8)

    def divisions(self) -> Divisions:
        """Return the classes, tasks and parts that the folders of the images name."""
        columns = zip(*(self._words(file) for file in self.files), strict=True)
        texts = {level: np.array(column) for level, column in zip(self._levels, columns, strict=True)}
        return Divisions(texts["class"], texts.get("task"), texts.get("part"))

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the images in batches: (rows, channels, height, width) uint8. Raises DataError for unequal shapes."""
        for start in range(0, len(self.files), ROWS):
            images = [self._read(file) for file in self.files[start : start + ROWS]]
            for file, image in zip(self.files[start : start + ROWS], images, strict=True):
                if image.shape != self.shape:
                    raise DataError(
                        f"{file}: its channels, height and width are {image.shape}, and those of {self.files[0]} "
                        f"{self.shape}; give all images one size and one mode"
                    )
            yield np.stack(images)

    def place(self, row: int) -> str:
        """Return the file of a row."""
        return str(self.files[row])

    @cached_property
    def _levels(self) -> list[str]:
        """What each folder between the root and an image names."""
        top = {folder.name for folder in self.path.iterdir() if folder.is_dir()}
        of_parts = ["part"] * (bool(top) and top <= set(PARTS))
        return [*of_parts, *["task"] * (self.settings.classes is None), "class"]

    @property
    def _layout(self) -> str:
        return "/".join(["FOLDER", *(level.upper() for level in self._levels), "IMAGE"])

    def _words(self, file: Path) -> tuple[str, ...]:
        return file.relative_to(self.path).parts[:-1]

    def _read(self, file: Path) -> np.ndarray:
        """Return an image as (channels, height, width) uint8. Raises DataError if it is none."""
        try:
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise DataError(f"{file}: its pixels are of mode {image.mode}; save it with eight bits per channel")
                pixels = np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise DataError(f"{file}: it cannot be read as an image: {error}") from None
        return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
