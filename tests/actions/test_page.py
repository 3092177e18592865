"""What the page of actions takes from docstrings."""

from __future__ import annotations

import pytest

from tests.actions.page import said


def test_what_a_docstring_says() -> None:
    text = "Do it.\n\nReads: one\n    and two.\nLeaves out: three.\n\nArgs:\n    x: four."
    assert said(text, "a.b") == ["one and two", "three"]
    with pytest.raises(AssertionError, match=r"a\.b does not say what it leaves out"):
        said("Do it.\n\nReads: one.", "a.b")
