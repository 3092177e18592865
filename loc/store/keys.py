"""Keys: SHA-256 over canonical JSON of everything that can change an action's result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HASH_BUFFER = 1 << 20


def canonical(value: Any) -> Any:
    """Reduce to JSON types, so that equal meaning gives equal bytes.

    Models become dicts, tuples lists, rationals "num/den"; a float that is whole becomes an int (1.0 and 1
    are the same parameter). NaN and infinities are refused.

    Raises:
        TypeError: a type that has no canonical form.
        ValueError: NaN or infinity; names of a mapping that are the same as text.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"cannot stand in a key: {value!r}")
        return int(value) if value.is_integer() else value
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, BaseModel):
        return canonical(value.model_dump())
    if isinstance(value, Mapping):
        named = {str(key): canonical(item) for key, item in value.items()}
        if len(named) < len(value):
            raise ValueError(f"cannot stand in a key: two names of {sorted(named)} are the same")
        return named
    if isinstance(value, Sequence):
        return [canonical(item) for item in value]
    raise TypeError(f"cannot stand in a key: {value!r}")


def canonical_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """SHA-256 in hex of a value's canonical JSON; how text enters a key without entering a log."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 in hex of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(HASH_BUFFER):
            digest.update(block)
    return digest.hexdigest()
