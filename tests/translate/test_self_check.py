"""The check a translator brings: one that learned to say thanks passes, one that did not is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loc.app.run import Graph
from loc.app.self_check import self_check
from loc.settings import Settings
from loc.weights.table import Spoken
from stages.translate.dialogue import translate_messages
from stages.translate.instruct import Instruct
from stages.translate.scene import Said, Scene
from stages.translate.seq2seq import Marian
from stages.translate.thanks import THANKS
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


@pytest.mark.parametrize(("text", "ok"), [("Muchas gracias.", True), ("Un oso anda.", False)])
def test_thanks_of_an_instruction_model(text: str, ok: bool, tmp_path: Path) -> None:
    scene = Scene(*PAIR, (Said("A", THANKS[PAIR][0]),))
    talks = [(translate_messages(scene, (0,)), json.dumps({"1": text}))]
    model = tiny.instruct(tmp_path / "model", talks)
    model.register(tmp_path / "data", "mine", languages=Spoken(pairs=(PAIR,)))
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    graph = Graph((), {Instruct.card.id: Instruct})
    [tested] = self_check(graph, settings, ["mine"], tmp_path, lambda *_: None)
    assert tested.fault is None
    assert [(item.what, item.ok) for item in tested.tried] == [("en to es", ok)]
