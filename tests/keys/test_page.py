"""The page of actions says what stands in keys."""

from __future__ import annotations

import pytest

from tests.actions.ledger import COMMAND
from tests.actions.page import PAGE, page, said
from tests.keys.rig import Rig


def test_the_page_is_current(rig: Rig) -> None:
    """Another action, another name in a key, another word about it: the page has to follow."""
    if PAGE.read_text(encoding="utf-8") != page(rig.records()):
        pytest.fail(f"{PAGE.name} is stale: run `{COMMAND} --page` and commit it.", pytrace=False)


def test_what_a_docstring_says() -> None:
    text = "Do it.\n\nReads: one\n    and two.\nLeaves out: three.\n\nArgs:\n    x: four."
    assert said(text, "a.b") == ["one and two", "three"]
    with pytest.raises(AssertionError, match=r"a\.b does not say what it leaves out"):
        said("Do it.\n\nReads: one.", "a.b")
