"""Phones of one utterance laid over another of the same words."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE, Phone
from loc.backend import Host
from loc.media.sound import Samples
from loc.settings import Settings
from stages.dub import warping
from stages.dub.contract import VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.speech import resampled, scaled
from stages.dub.warping import laid_over, mel, warp

TEXT = "Maybe people move the map more often than the museum does."


@pytest.fixture(scope="module")
def espeak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Espeak]:
    engine = Espeak(Host(settings=Settings(), scratch=tmp_path_factory.mktemp("scratch")))
    yield engine
    engine.close()


def said(engine: Espeak, voice: VoiceRequest, rate: float) -> tuple[Samples, list[Phone]]:
    spoken = engine.speak(TEXT, "en", voice, rate)
    phones = scaled(spoken.phones, SAMPLE_RATE / spoken.sample_rate)
    return resampled(spoken.audio, spoken.sample_rate), phones


def test_phones_find_their_places_in_another_voice_at_another_pace(espeak: Espeak) -> None:
    """Half of all edges within 20 ms and nine in ten within 60, with noise, and silence before and after."""
    spoken, phones = said(espeak, VoiceRequest("low", 0), 1.0)
    other, truth = said(espeak, VoiceRequest("high", 1), 1.3)
    lead = SAMPLE_RATE // 3
    recorded = np.pad(other, (lead, SAMPLE_RATE // 4))
    recorded += np.random.default_rng(1).normal(0, 0.003, len(recorded)).astype(np.float32)
    laid = laid_over(phones, spoken, recorded)
    assert [phone.symbol for phone in laid] == [phone.symbol for phone in truth][: len(laid)]
    # The first and the last are silence, which has no edge of its own.
    errors = [
        abs(found.start - lead - true.start) / SAMPLE_RATE * 1000
        for found, true in list(zip(laid, truth, strict=False))[1:-1]
    ]
    assert len(errors) > 25
    assert np.median(errors) < 20
    assert np.percentile(errors, 90) < 60


def test_without_sound_there_is_nothing_to_lay_over() -> None:
    phone = Phone(symbol="a", start=0, stop=100)
    assert laid_over([phone], np.zeros(10, np.float32), np.zeros(48_000, np.float32)) == ()
    assert laid_over([], np.zeros(48_000, np.float32), np.zeros(48_000, np.float32)) == ()


def test_a_warp_never_goes_back_and_ends_are_free() -> None:
    rng = np.random.default_rng(2)
    frames = rng.normal(size=(30, 8))
    other = np.concatenate([rng.normal(size=(12, 8)), np.repeat(frames, 2, axis=0), rng.normal(size=(9, 8))])
    path = warp(frames, other)
    assert (np.diff(path) >= 0).all()
    np.testing.assert_allclose(path, 12.5 + 2 * np.arange(30), atol=1)


def test_a_long_line_is_warped_in_blocks_as_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    frames = np.cumsum(rng.normal(size=(60, 8)), axis=0)
    other = frames[np.sort(rng.integers(0, 60, 84))] + rng.normal(0, 0.1, (84, 8))
    whole = warp(frames, other)
    for cells in (1, 20 * 84, 59 * 84, 60 * 84):
        monkeypatch.setattr(warping, "_CELLS", cells)
        np.testing.assert_array_equal(warp(frames, other), whole)


def test_memory_does_not_grow_with_the_square_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warping, "_CELLS", 1 << 12)
    frames = np.random.default_rng(5).normal(size=(300, 8))
    tracemalloc.start()
    try:
        warp(frames, frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * 300 * 8 // 2


def test_spectra_know_neither_level_nor_microphone() -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    noise[: SAMPLE_RATE // 2] *= 0.2
    np.testing.assert_allclose(mel(noise), mel(0.1 * noise), atol=1e-3)
