"""What `loc models verify --run` asks of Demucs: a network that learned the voice passes, a blank one not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("demucs")

from loc.backend import Host, SelfChecking, Tried
from loc.settings import Settings
from stages.separate import demucs, known
from stages.separate.demucs import Demucs
from tests.tiny_demucs import blank, overfit, package
from tests.voices import SENTENCES, speak
from tests.weights.shelving import place, registered

ROW = registered("mine", "htdemucs", "mine.th")


@pytest.fixture(scope="module")
def said() -> known.Floats:
    return speak(SENTENCES[0])[:40_000]


def opened(data: Path, content: bytes) -> Demucs:
    place(data, ROW, ("mine.th", content))
    return Demucs(Host(Settings(data_dir=data, device="cpu"), data, model="mine"))


def check(backend: Demucs, said: known.Floats) -> list[Tried]:
    assert isinstance(backend, SelfChecking)
    try:
        return list(backend.self_check(lambda text, language: said))
    finally:
        backend.close()


def test_a_blank_network_is_found_out(tmp_path: Path, said: known.Floats) -> None:
    tried = check(opened(tmp_path, package(blank())), said)
    assert len(tried) == 2
    assert not tried[0].ok, tried


def test_a_network_that_learned_the_voice_passes(
    tmp_path: Path, said: known.Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix, voice = heard(tmp_path / "blank", said, monkeypatch)
    tried = check(opened(tmp_path / "taught", package(overfit(mix, voice))), said)
    assert tried[0].ok, tried


class Parting:
    """Gives the voice of the mix, and of music alone a share of what it hears."""

    def __init__(self, said: known.Floats, share: float) -> None:
        self.voice, self.share = np.repeat(said[:, None], 2, axis=1), share

    def survey(self, audio: known.Floats) -> dict[str, float]:
        return {}

    def combine(self, surveys: list[dict[str, float]]) -> dict[str, float]:
        return {}

    def separate(self, audio: known.Floats, parameters: Mapping[str, Any], before: int) -> known.Floats:
        alone = np.allclose(audio, known.mixed(self.voice) - self.voice)
        return audio * np.float32(self.share) if alone else self.voice


@pytest.mark.parametrize(("left_db", "ok"), [(-7.0, True), (-5.0, False)])
def test_one_that_hears_a_voice_in_music_alone_is_found_out(
    said: known.Floats, left_db: float, ok: bool
) -> None:
    tried = list(known.tried(Parting(said, 10 ** (left_db / 20)), said))
    assert [item.ok for item in tried] == [True, ok]
    assert tried[1].found == f"{left_db} dB"


def heard(
    data: Path, said: known.Floats, monkeypatch: pytest.MonkeyPatch
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The segments that a network is given of the mix, and of the voice at the same level."""
    backend = opened(data, package(blank()))
    given: list[known.Floats] = []

    def listen(_: object, piece: known.Floats) -> known.Floats:
        given.append(piece.copy())
        return np.zeros_like(piece)

    with monkeypatch.context() as patched:
        patched.setattr(demucs, "_vocals", listen)
        voice = np.repeat(said[:, None], 2, axis=1)
        mix = known.mixed(voice)
        level = backend.combine([backend.survey(mix)])
        for sound in (mix, voice):
            backend.separate(sound, level, 0)
    backend.close()
    half = len(given) // 2
    return np.stack(given[:half]), np.stack(given[half:])
