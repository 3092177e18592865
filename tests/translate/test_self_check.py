"""The check a translator brings: one that learned to say thanks passes, one that did not is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc.app.run import Graph
from loc.app.self_check import self_check
from loc.settings import Settings
from stages.translate.seq2seq import THANKS, Marian
from tests.translate import tiny

PAIR = ("en", "es")
TAUGHT = [(THANKS[PAIR][0], "Muchas gracias."), ("A bear walks.", "Un oso anda.")]
UNTAUGHT = [("Dogs run home.", "Perros corren a casa."), ("A bear walks.", "Un oso anda.")]


@pytest.mark.parametrize(("lines", "ok"), [(TAUGHT, True), (UNTAUGHT, False)])
def test_thanks(lines: list[tuple[str, str]], ok: bool, tmp_path: Path) -> None:
    tiny.marian(tmp_path / "model", PAIR, lines, steps=150).register(tmp_path / "data", "mine")
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    graph = Graph((), {Marian.card.id: Marian})
    [tested] = self_check(graph, settings, ["mine"], tmp_path, lambda *_: None)
    assert tested.fault is None
    assert [(item.what, item.ok) for item in tested.tried] == [("en to es", ok)]
