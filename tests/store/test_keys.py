"""Canonical JSON: equal meaning gives equal bytes, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from loc.artifacts import FrameTable, Ref
from loc.runner import Action, Site
from loc.store.keys import canonical_json, digest_bytes, digest_file, digest_value

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
"""Whatever JSON can say."""


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


def typed(value: Any) -> Any:
    """A value told apart from others as JSON does: True is no 1, but 1.0 is."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return isinstance(value, bool), value


@given(PLAIN)
def test_a_canonical_form_can_be_read_back(value: Any) -> None:
    """So two values that mean different things never have one form."""
    assert typed(json.loads(canonical_json(value))) == typed(value)


@given(st.dictionaries(st.text(), PLAIN, min_size=2), st.randoms())
def test_order_of_names_means_nothing(value: dict[str, Any], chance: Any) -> None:
    names = list(value)
    chance.shuffle(names)
    assert canonical_json({name: value[name] for name in names}) == canonical_json(value)


FIELDS = {
    "name": st.sampled_from(["a.b", "a.c"]),
    "version": st.integers(1, 3),
    "inputs": st.dictionaries(st.sampled_from("xy"), st.sampled_from("01")),
    "params": st.dictionaries(st.sampled_from("xy"), st.integers(0, 1)),
    "backend": st.none() | st.tuples(st.sampled_from(["s/a", "s/b"]), st.sampled_from("12")),
    "programs": st.dictionaries(st.sampled_from("xy"), st.sampled_from("01")),
    "weights": st.dictionaries(st.sampled_from("xy"), st.sampled_from("01")),
}


@given(st.fixed_dictionaries(FIELDS), st.fixed_dictionaries(FIELDS), st.text(), st.text())
def test_actions_have_one_key_if_all_but_their_site_is_the_same(
    one: dict[str, Any], other: dict[str, Any], unit: str, language: str
) -> None:
    first = Action(site=Site("a"), **one)
    second = Action(site=Site("b", unit, language), **other)
    assert (digest_value(first.fields()) == digest_value(second.fields())) == (one == other)


def test_references_count_by_their_digest_at_any_depth() -> None:
    def key(size: int) -> dict[str, Any]:
        ref = Ref(sha256="0" * 64, size=size)
        inputs = {"x": ref, "y": [{"z": ref}], "frames": FrameTable(count=1, table=ref, duration=1)}
        return Action("a.b", 1, Site("a"), inputs).fields()

    assert key(1) == key(2)


def test_names_that_become_one_are_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        canonical_json({1: "x", "1": "y"})


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
