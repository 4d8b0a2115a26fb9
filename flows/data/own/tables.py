"""CSV and Parquet files, read by pyarrow in batches of rows."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from den.streams.own_data import Preparation
from den.streams.prepared import DataError
from flows.data.own.source import TOKENS, Divisions, columns_of, divided, finite, place_of

ROWS = 1 << 14  # of a batch
BLOCK = 1 << 22  # bytes of a CSV file that are read at a time
BUFFER = 1 << 16  # bytes of each column of a Parquet file


@dataclass(frozen=True)
class Table:
    """A table in a file; its kinds differ in how they read batches of columns and name the place of a row."""

    path: Path
    settings: Preparation

    dtype = np.dtype(np.float32)

    @cached_property
    def columns(self) -> tuple[list[str], list[str]]:
        """The columns that divide rows, and the features."""
        return columns_of(str(self.path), self._names(), self.settings)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row: its number of features."""
        return (len(self.columns[1]),)

    def divisions(self) -> Divisions:
        """Return the columns that divide rows. Raises DataError for a missing value."""
        names, chunks = self.columns[0], list(self._read(self.columns[0], text=True))
        if not chunks:
            raise DataError(f"{self.path}: it has no row")
        texts = {name: _texts([chunk.column(name) for chunk in chunks]) for name in names}
        for name, column in texts.items():
            if (missing := np.isin(column, TOKENS)).any():
                row = int(np.argmax(missing))
                raise DataError(f"{self.place(row)}, column {name}: the value is missing; fill it in, or drop the row")
        return divided(texts, self.settings)

    def batches(self) -> Iterator[np.ndarray]:
        """Yield the features of one batch of rows after the other: (rows, features) float32."""
        start, features = 0, self.columns[1]
        for batch in self._read(features, text=False):
            numbers = np.empty((batch.num_rows, len(features)), np.float64)
            for place, column in enumerate(batch.columns):
                numbers[:, place] = column.to_numpy(zero_copy_only=False)
            try:
                yield finite(numbers)
            except ValueError as error:
                row, feature = error.args[0]
                raise self._bad(start + row, features[feature], numbers[row, feature]) from None
            start += batch.num_rows

    def place(self, row: int) -> str:
        """Return file and row."""
        return place_of(self.path, row)

    def _bad(self, row: int, column: str, value: float) -> DataError:
        shown = "is missing or NaN" if math.isnan(value) else f"{value:g} is too large for float32"
        return DataError(f"{self.place(row)}, column {column}: the number {shown}; fill it in, or drop row or column")

    def _names(self) -> list[str]:
        raise NotImplementedError

    def _read(self, columns: list[str], text: bool) -> Iterator[pa.RecordBatch]:
        """Yield batches of these columns; text: all as strings, else as numbers."""
        raise NotImplementedError


class Parquet(Table):
    """A Parquet file; its row groups are read in parts, so that large ones do not fill the memory."""

    def _names(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    @property
    def _file(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.path}: it cannot be read as Parquet: {_first_line(error)}") from None

    def _read(self, columns: list[str], text: bool) -> Iterator[pa.RecordBatch]:
        file = self._file
        for name in columns:
            kind = _plain(file.schema_arrow.field(name).type)
            if text and not (pa.types.is_integer(kind) or _is_text(kind) or pa.types.is_boolean(kind)):
                raise DataError(f"{self.path}, column {name}: it is {kind}; make integers or text of it")
            if not text and not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise DataError(f"{self.path}, column {name}: it is {kind}, not numbers; leave it out with leave_out")
        for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
            yield batch.select(columns)


class Csv(Table):
    """A CSV file with a header. Faults are looked up with Python's reader, which knows their lines."""

    def _names(self) -> list[str]:
        with self._open() as file:
            names = next(csv.reader(file), [])
        if not names:
            raise DataError(f"{self.path}, line 1: the header with the names of the columns is missing")
        if not all(map(_is_utf8, names)):
            raise DataError(f"{self.path}, line 1: the header is not UTF-8; save the file as UTF-8")
        return [name.strip() for name in names]

    def _read(self, columns: list[str], text: bool) -> Iterator[pa.RecordBatch]:
        names = self._names()
        kinds = dict.fromkeys(columns, pa.string() if text else pa.float64())
        convert = pa_csv.ConvertOptions(column_types=kinds, include_columns=columns, strings_can_be_null=False)
        read = pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1)
        try:
            with pa_csv.open_csv(self.path, read_options=read, convert_options=convert) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            raise self._fault(error) from None

    def _fault(self, error: pa.ArrowInvalid) -> DataError:
        """Return the first fault of the file with its line and column."""
        names, features = self._names(), set(self.columns[1])
        columns = features.union(self.columns[0])
        for line, row in self._rows():
            if len(row) != len(names):
                return DataError(f"{self.path}, line {line}: it has {len(row)} values, and the header {len(names)}")
            for name, value in zip(names, row, strict=True):
                if name in columns and not _is_utf8(value):
                    return DataError(
                        f"{self.path}, line {line}, column {name}: the text is not UTF-8; save the file as UTF-8"
                    )
                if name in features and not _is_number(value):
                    shown = f"{value!r} is not a number" if value not in TOKENS else "the number is missing"
                    return DataError(
                        f"{self.path}, line {line}, column {name}: {shown}; mend it, drop the row, or leave the column "
                        "out with leave_out"
                    )
        return DataError(f"{self.path}: it cannot be read: {_first_line(error)}")

    def place(self, row: int) -> str:
        """Return file and line of a row."""
        line = next((line for number, (line, _) in enumerate(self._rows()) if number == row), 0)
        return f"{self.path}, line {line:,}"

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with the number of its last line."""
        with self._open() as file:
            reader = csv.reader(file)
            next(reader, None)
            yield from ((reader.line_num, row) for row in reader if row)

    def _open(self) -> TextIO:
        """Open the file as UTF-8, with or without Excel's mark at its start; `_is_utf8` detects what is not."""
        return self.path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")


def _is_utf8(text: str) -> bool:
    """Return whether a text was UTF-8; each other byte was read as a surrogate, which UTF-8 never has."""
    return not any("\udc80" <= character <= "\udcff" for character in text)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _texts(chunks: list[pa.Array]) -> np.ndarray:
    """Return chunks of a column as one array of text, with a missing value as an empty one."""
    whole = pa.chunked_array([pc.cast(_decoded(chunk), pa.string()) for chunk in chunks])
    texts = pc.fill_null(pc.utf8_trim_whitespace(whole), "").combine_chunks().dictionary_encode()
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    return np.array(texts.dictionary.to_pylist(), str)[texts.indices.to_numpy()]


def _decoded(chunk: pa.Array) -> pa.Array:
    return chunk.dictionary_decode() if isinstance(chunk, pa.DictionaryArray) else chunk


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
