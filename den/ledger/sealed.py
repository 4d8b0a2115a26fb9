"""Sealed lines: a checksum and a JSON object on one line; the checksum reveals damage and edits.

Each file of a ledger is one compressed sealed line. An export contains many of them.
"""

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from den.config import Params, reduced

Model = TypeVar("Model", bound=BaseModel)


class LedgerError(RuntimeError):
    """A file of the ledger cannot be used; the message names it and the remedy."""


class Damaged(ValueError):
    """A line differs from what was written; the message gives the reason."""


def seal(content: Mapping[str, Any] | Params) -> str:
    """Return a JSON object as a sealed line. Raises ValueError for NaN or infinity.

    A field that is added to the content of the ledger declares its "as before" value (`AsBefore`), and is left out at
    that value. So content that was sealed earlier keeps its bytes and its id.
    """
    values = reduced(content) if isinstance(content, Params) else content
    body = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"{checksum(body)} {body}\n"


def unseal(line: str) -> dict[str, Any]:
    """Return the JSON object of a sealed line. Raises Damaged."""
    written, _, body = line.rstrip("\n").partition(" ")
    if checksum(body) != written:
        raise Damaged("its checksum does not match its content")
    try:
        content = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise Damaged("it is not a JSON object")
    return content


def read_as(kind: type[Model], line: str) -> Model:
    """Return the sealed line as an object of `kind`. Raises Damaged."""
    unseal(line)
    try:
        return kind.model_validate_json(line.rstrip("\n").partition(" ")[2])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] in ("extra_forbidden", "literal_error"):
            raise Damaged(f"{key}: unknown here; a newer version of the code has written it") from None
        raise Damaged(f"{key}: {first['msg']}" if key else first["msg"]) from None


def identifier(line: str) -> str:
    """Return the id of a sealed line: the first 16 hex digits of its checksum."""
    return line[:16]


def checksum(body: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(body.encode()).hexdigest()


def pack(line: str) -> bytes:
    """Return a compressed line, the same bytes each time."""
    return gzip.compress(line.encode(), 9, mtime=0)


def unpack(data: bytes) -> str:
    """Return a compressed line. Raises Damaged."""
    try:
        return gzip.decompress(data).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Damaged(f"it cannot be decompressed: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is repeated")
    return content


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
