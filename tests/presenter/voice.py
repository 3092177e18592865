"""Speaks the lines of a script and plays the music under them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from loc.artifacts import SAMPLE_RATE, Phone, Phones
from loc.backend import Host
from loc.settings import Settings
from stages.dub.contract import VoiceRequest
from stages.dub.espeak import Espeak
from tests.presenter.music import play
from tests.presenter.script import LineTruth, Said, Script

Samples = npt.NDArray[np.float32]

SPEECH_RMS = 10 ** (-22 / 20)
"""Level of each line's speech: a usual one for dialogue, with room for the music."""


@dataclass(frozen=True)
class Soundtrack:
    """Float32 [n, 2] at 48 kHz, equally long; `mix` is the sum of the other two."""

    speech: Samples
    music: Samples
    lines: tuple[LineTruth, ...]

    @property
    def mix(self) -> Samples:
        return self.speech + self.music


def soundtrack(script: Script) -> Soundtrack:
    """Speak the lines one after another and lay the music under them."""
    lines, clips = _speak_all(script.lines, script.language)
    samples = lines[-1].stop + round(script.tail * SAMPLE_RATE)
    speech = np.zeros((samples, 2), dtype=np.float32)
    for line, clip in zip(lines, clips, strict=True):
        speech[line.start : line.stop] += clip[:, None]
    music = np.zeros_like(speech)
    if script.music:
        music = play(samples)
        music *= SPEECH_RMS * 10 ** (script.music_db / 20) / float(np.sqrt(np.mean(music**2)))
    return Soundtrack(speech=speech, music=music, lines=tuple(lines))


def _speak_all(said: Sequence[Said], language: str) -> tuple[list[LineTruth], list[Samples]]:
    lines: list[LineTruth] = []
    clips: list[Samples] = []
    at = 0
    with tempfile.TemporaryDirectory() as scratch:
        engine = Espeak(Host(settings=Settings(), scratch=Path(scratch)))
        try:
            for line in said:
                at += round(line.pause * SAMPLE_RATE)
                truth, clip = _speak(engine, line, language, at)
                lines.append(truth)
                clips.append(clip)
                at = truth.stop
        finally:
            engine.close()
    return lines, clips


def _speak(engine: Espeak, said: Said, language: str, at: int) -> tuple[LineTruth, Samples]:
    """One line from sample `at` on, at the level of speech."""
    who = said.speaker
    spoken = engine.speak(said.text, language, VoiceRequest(who.voice_class, who.voice_variant), 1.0)
    clip = np.asarray(soxr.resample(spoken.audio, spoken.sample_rate, SAMPLE_RATE), dtype=np.float32)
    clip *= SPEECH_RMS / float(np.sqrt(np.mean(clip**2)))
    scale = SAMPLE_RATE / spoken.sample_rate
    phones = tuple(
        Phone(symbol=phone.symbol, start=round(phone.start * scale), stop=round(phone.stop * scale))
        for phone in spoken.phones
    )
    truth = LineTruth(
        speaker=who.name,
        voice_class=who.voice_class,
        text=said.text,
        start=at,
        stop=at + len(clip),
        phones=Phones(alphabet=spoken.alphabet, phones=phones),
    )
    return truth, clip
