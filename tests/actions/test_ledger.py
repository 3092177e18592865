"""The ledger of code: what it demands, and that it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.actions.code import Definition
from tests.actions.ledger import COMMAND, Ledger, State, complaint, read_code

ONE, TWO = Definition("m", "one"), Definition("m", "two")


def state(version: int | str, one: str = "1", two: str = "1") -> State:
    """An action that rests on `one` and `two`, and another that rests on `two`."""
    return State(
        versions={
            "a.b": {"version": version, "code": one + two},
            "a.c": {"version": 1, "code": two},
        },
        definitions={"m:one": one, "m:two": two},
        closures={"a.b": (ONE, TWO), "a.c": (TWO,)},
    )


EMPTY = Ledger({}, {})
FIRST = EMPTY.updated(state(1), None)


def test_new_actions_need_no_word() -> None:
    assert not EMPTY.unaccounted(state(1))
    assert FIRST.is_current(state(1))


def test_changed_code_is_unaccounted_for_until_its_version_rises() -> None:
    changed = state(1, one="2")
    assert not FIRST.is_current(changed)
    assert FIRST.unaccounted(changed) == {"a.b": ["m:one"]}
    assert not FIRST.unaccounted(state(2, one="2"))
    assert FIRST.updated(state(2, one="2"), None).versions["a.b"] == {"version": 2, "code": "21"}


@pytest.mark.parametrize(("before", "now"), [(2, 1), (2, 2), ("1", "1")])
def test_a_version_under_which_results_may_lie_is_no_new_one(before: int | str, now: int | str) -> None:
    ledger = EMPTY.updated(state(before), None)
    assert ledger.unaccounted(state(now, one="2")) == {"a.b": ["m:one"]}


def test_a_reason_is_kept_as_long_as_the_version() -> None:
    vouched = FIRST.updated(state(1, one="2"), "renamed")
    assert vouched.versions["a.b"]["unchanged"] == "renamed"
    assert "unchanged" not in vouched.versions["a.c"]
    assert vouched.is_current(state(1, one="2"))
    assert vouched.updated(state(1, one="2"), None).versions["a.b"]["unchanged"] == "renamed"
    assert "unchanged" not in vouched.updated(state(2, one="3"), None).versions["a.b"]


def test_each_that_differs_can_have_a_reason_of_its_own() -> None:
    changed = state(1, two="2")
    one = FIRST.accounted(changed, "renamed", ["a.c", "a.d"])
    assert one.unaccounted(changed).keys() == {"a.b"}
    both = one.accounted(changed, "moved", ["a.b", "a.c"]).updated(changed, None)
    assert both.is_current(changed)
    assert {name: entry["unchanged"] for name, entry in both.versions.items()} == {
        "a.b": "moved", "a.c": "renamed",
    }  # fmt: skip


def test_written_and_read_back(tmp_path: Path) -> None:
    vouched = FIRST.updated(state(1, one="2"), "because")
    vouched.write(tmp_path / "ledger.json")
    assert Ledger.read(tmp_path / "ledger.json") == replace(vouched)


def test_the_complaint_says_what_and_what_to_do() -> None:
    changed = state(1, one="2")
    words = complaint(FIRST.unaccounted(changed), changed.versions)
    assert "a.b (version 1):\n    m:one" in words
    assert f'{COMMAND} --output-unchanged "why"' in words


def test_every_change_of_code_is_accounted_for() -> None:
    """The ledger of this tree."""
    now, ledger = read_code(), Ledger.read()
    if unaccounted := ledger.unaccounted(now):
        pytest.fail(complaint(unaccounted, now.versions), pytrace=False)
    if not ledger.is_current(now):
        pytest.fail(f"The ledger of code is not current: run `{COMMAND}` and commit it.", pytrace=False)
