"""One cold run of the real graph, whose store every test of the keys starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc.backend import installed
from loc.errors import MissingError
from loc.media.fonts import font_for
from loc.weights.shelf import Shelf
from stages.translate.apertium import Apertium
from tests.keys.rig import Rig, draw
from tests.needed import missing


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A film with two sound tracks and its text, localized to Japanese and Spanish. Not to be changed."""
    pairs = Apertium.card.languages.pairs or {}
    shelf = Shelf(Path("no-such-folder"))
    if not all(installed(need, shelf) for need in (*Apertium.card.needs, *pairs["en", "es"])):
        missing("apertium-eng-spa is not installed")
    try:
        font_for("ja")
    except MissingError as error:
        missing(str(error))
    return draw(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def copy(rig: Rig, tmp_path: Path) -> Rig:
    """The same with a store and a folder of its own, to be changed."""
    return rig.copied(tmp_path)
