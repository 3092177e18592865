"""The shelf: sets that are whole are found, and what is wrong with the others is said."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from loc.errors import MissingError
from loc.weights.shelf import Shelf
from loc.weights.table import published
from tests.weights.shelving import place, registered

ROW = registered("mine", None, "a.bin", "b.bin")


def test_a_whole_set_is_found_with_its_digests(tmp_path: Path) -> None:
    place(tmp_path, ROW, ("a.bin", b"one"), ("b.bin", b"two"))
    found = Shelf(tmp_path).find("mine")
    assert found.files["a.bin"].read_bytes() == b"one"
    assert found.fingerprint() == {
        "weights a.bin": hashlib.sha256(b"one").hexdigest(),
        "weights b.bin": hashlib.sha256(b"two").hexdigest(),
    }


def test_a_set_that_lies_elsewhere_is_used_where_it_lies(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    place(tmp_path / "data", ROW, ("a.bin", b"one"), ("b.bin", b"two"), elsewhere=tree)
    assert Shelf(tmp_path / "data").find("mine").files["b.bin"] == tree / "b.bin"


def test_what_is_missing_or_changed_is_named(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with pytest.raises(MissingError, match="no weights 'mine'"):
        shelf.find("mine")
    place(tmp_path, ROW, ("a.bin", b"one"), ("b.bin", b"two"))
    path = tmp_path / "weights" / "mine" / "a.bin"
    os.utime(path, ns=(1, 1))
    with pytest.raises(MissingError) as caught:
        shelf.find("mine")
    assert "a.bin was changed" in caught.value.why
    assert caught.value.fix == "loc models verify mine"
    path.unlink()
    with pytest.raises(MissingError) as caught:
        shelf.find("mine")
    assert caught.value.fix == "Put the file back, or `loc models remove mine` and add it again."


def test_a_path_that_leaves_the_folder_is_no_row() -> None:
    for path in ("../a", "/a", "a/../../b", "a\\b", ""):
        with pytest.raises(ValueError, match="leaves the folder"):
            ROW.model_validate({**ROW.model_dump(), "files": [{"path": path}]})


def test_every_published_row_can_be_read() -> None:
    assert "whisper-tiny" in published()


def test_of_every_published_row_the_size_is_told() -> None:
    assert [row.id for row in published().values() if not row.size] == []


UNPINNED: frozenset[str] = frozenset()
"""Sets of a hub whose commit nobody public has named yet."""


def test_every_set_of_a_hub_is_fetched_at_one_commit() -> None:
    """What a branch holds can change under a name; so a new row without a commit is red here."""
    known = {row.id: row.source.revision or "" for row in published().values() if row.source.kind == "hub"}
    loose = {name for name, revision in known.items() if not re.fullmatch("[0-9a-f]{40}", revision)}
    assert loose == UNPINNED
