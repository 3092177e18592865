"""The worker of Chatterbox against a model that only notes what it is asked, and says nothing."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from stages.dub.chatterbox_worker import FOREIGN_GUIDANCE, GUIDANCE, Chatterbox, say
from stages.dub.model_serving import Line


class Model:
    """In the place of `ChatterboxMultilingualTTS`."""

    sr = 24_000
    conds = "stock"

    def __init__(self) -> None:
        self.tokenizer = Tokenizer()
        self.asked: list[dict[str, Any]] = []

    def prepare_conditionals(self, wav_fpath: str) -> None:
        self.conds = wav_fpath

    def generate(self, text: str, language_id: str, **more: Any) -> torch.Tensor:
        self.asked.append({"text": text, "language": language_id, "voice": self.conds, **more})
        return torch.zeros(1, 240)


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker takes of the package, whose environment is not this one: it cleans a text up."""
    part = ModuleType("chatterbox.mtl_tts")
    part.punc_norm = lambda text: text  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chatterbox", ModuleType("chatterbox"))
    monkeypatch.setitem(sys.modules, "chatterbox.mtl_tts", part)


def line(text: str = "Papá baila.", language: str = "es", **voice: str) -> Line:
    return Line(text, language, {"class": "low", "variant": 0, **voice}, 1.0, 0, {})


@pytest.mark.parametrize(
    ("voice", "guidance"),
    [
        ({"reference": "a.wav", "reference_language": "en"}, FOREIGN_GUIDANCE),
        ({"reference": "a.wav", "reference_language": "es"}, GUIDANCE),
        ({"reference": "a.wav"}, GUIDANCE),
        ({}, GUIDANCE),
    ],
)
def test_a_recording_in_another_language_does_not_guide_a_line(
    voice: dict[str, str], guidance: float
) -> None:
    model = Model()
    say(Chatterbox(model, "stock"), line(**voice))
    [asked] = model.asked
    assert asked["voice"] == voice.get("reference", "stock")
    assert asked["cfg_weight"] == guidance


class Tokenizer:
    """One token for the language, each letter, and each other sign."""

    def text_to_tokens(self, text: str, language_id: str) -> torch.Tensor:
        return torch.zeros(1, 1 + len(text))


@pytest.mark.parametrize(
    ("text", "said"), [("Ja.", "Ja."), ("Ja", "Ja ."), ("¿", "¿ ."), ("No hay nada.", "No hay nada.")]
)
def test_a_line_that_is_too_short_for_the_package_gets_stops(text: str, said: str) -> None:
    model = Model()
    say(Chatterbox(model, "stock"), line(text))
    assert model.asked[0]["text"] == said
