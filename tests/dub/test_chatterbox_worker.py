"""The worker of Chatterbox against a model that only notes what it is asked, and says nothing."""

from __future__ import annotations

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
        self.asked: list[dict[str, Any]] = []

    def prepare_conditionals(self, wav_fpath: str) -> None:
        self.conds = wav_fpath

    def generate(self, text: str, language_id: str, **more: Any) -> torch.Tensor:
        self.asked.append({"text": text, "language": language_id, "voice": self.conds, **more})
        return torch.zeros(1, 240)


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
