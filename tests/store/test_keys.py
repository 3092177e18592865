"""Canonical JSON: equal meaning gives equal bytes, and nothing else does."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import BaseModel

from loc.store.keys import canonical_json, digest_bytes, digest_file, digest_value


class Model(BaseModel):
    rate: float
    name: str


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1.0}, {"a": 1}),
        ((1, 2), [1, 2]),
        (Fraction(2, 4), "1/2"),
        (Model(rate=1.0, name="x"), {"name": "x", "rate": 1}),
        ({1: "x"}, {"1": "x"}),
    ],
)
def test_equal_meaning(one: object, other: object) -> None:
    assert canonical_json(one) == canonical_json(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", 1), (True, 1), (None, ""), ([1, 2], [2, 1]), ({"a": None}, {}), (0.1, 0.10000001)],
)
def test_other_meaning(one: object, other: object) -> None:
    assert canonical_json(one) != canonical_json(other)


def test_form() -> None:
    assert canonical_json({"b": "é", "a": [1.5, None]}) == '{"a":[1.5,null],"b":"é"}'.encode()
    assert digest_value("x") == hashlib.sha256(b'"x"').hexdigest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="key"):
        canonical_json({"x": value})


@pytest.mark.parametrize("value", [object(), {1, 2}])
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="key"):
        canonical_json(value)


def test_file_digest(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == digest_bytes(data) == hashlib.sha256(data).hexdigest()
