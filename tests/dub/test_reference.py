"""Recordings that are imitated: cut from the speaker's own lines by a gate, and from nobody else's."""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from loc.analysis.diarization.contract import Embedding, Scale
from loc.analysis.speakers import measure
from loc.analysis.voice_activity import to_analysis
from loc.artifacts import SAMPLE_RATE, Overlap, Segment, Stems, Transcript
from loc.backend import Card
from loc.errors import ChildError
from loc.media.sound import Samples, store_sound
from loc.runner import Runner
from loc.stage import SPEAKERS
from loc.store.workdir import WorkDir
from stages.dub.contract import Reference
from stages.dub.reference import About, recordings, refusal, spans_of
from tests.hearing import context
from tests.voices import SENTENCES, music, speak

LOW, HIGH = "en+m3", "en+f2"


def segment(index: int, start: float, stop: float, speaker: str | None) -> Segment:
    return Segment(
        id=f"s{index}", start=round(start * SAMPLE_RATE), stop=round(stop * SAMPLE_RATE), speaker=speaker,
        text="", words=(), confidence=None,
    )  # fmt: skip


class Stage:
    """Lines put one after the other, each in a voice, over a background."""

    def __init__(self) -> None:
        self.parts: list[Samples] = []
        self.segments: list[Segment] = []
        self.at = 0
        self.overlaps: list[str] = []

    def say(self, text: str, voice: str, speaker: str, *, level: float = 1.0) -> None:
        audio = speak(text, voice) * np.float32(level)
        start, stop = self.at / SAMPLE_RATE, (self.at + len(audio)) / SAMPLE_RATE
        self.segments.append(segment(len(self.segments), start, stop, speaker))
        self.parts += [audio, np.zeros(SAMPLE_RATE // 2, np.float32)]
        self.at += len(audio) + SAMPLE_RATE // 2

    @property
    def transcript(self) -> Transcript:
        """Its lines, of which those in `overlaps` hold another voice."""
        return Transcript(
            language="en",
            origin="supplied",
            segments=tuple(self.segments),
            dropped=(),
            speakers=(),
            overlaps=tuple(
                Overlap(segment=ident, speakers=("low", "high"), by="turns") for ident in self.overlaps
            ),
        )

    def stems(self, store: WorkDir, background: Samples | None = None) -> Stems:
        speech = np.concatenate(self.parts)[:, None]
        bed = np.zeros_like(speech) if background is None else np.resize(background, speech.shape)
        return Stems(
            speech=store_sound(store, [speech.repeat(2, axis=1)], 2),
            background=store_sound(store, [bed.repeat(2, axis=1)], 2),
            speech_snr_db=None,
        )


def cut(runner: Runner, stage: Stage, stems: Stems) -> dict[str, Reference | About]:
    wanted = sorted({item.speaker for item in stage.segments if item.speaker})
    return dict(recordings(context(runner), stems, stage.transcript, wanted))


def sound_of(runner: Runner, found: Reference | About) -> Samples:
    assert isinstance(found, Reference)
    audio, rate = soundfile.read(io.BytesIO(found.path.read_bytes()), dtype="float32")
    assert rate == SAMPLE_RATE
    return np.asarray(audio)


def two_people() -> Stage:
    stage = Stage()
    for index, text in enumerate(SENTENCES[:6]):
        who = (LOW, "low") if index % 2 == 0 else (HIGH, "high")
        stage.say(text, *who)
    return stage


def test_each_is_cut_from_their_own_lines(runner: Runner, store: WorkDir) -> None:
    stage = two_people()
    found = cut(runner, stage, stage.stems(store))
    for speaker, voice in (("low", LOW), ("high", HIGH)):
        audio = sound_of(runner, found[speaker])
        assert 4 < len(audio) / SAMPLE_RATE < 14
        own = measure(to_analysis(audio[:, None])).f0_hz
        alone = measure(to_analysis(speak(SENTENCES[0], voice)[:, None])).f0_hz
        assert own is not None
        assert alone is not None
        assert abs(12 * np.log2(own / alone)) < 3


def test_the_language_of_what_is_cut_is_the_sources(runner: Runner, store: WorkDir) -> None:
    stage = two_people()
    found = cut(runner, stage, stage.stems(store))["low"]
    assert isinstance(found, Reference)
    assert found.language == "en"


def test_a_line_that_was_given_to_the_wrong_speaker_is_left_out(runner: Runner, store: WorkDir) -> None:
    stage = two_people()
    stage.say(SENTENCES[7], HIGH, "low")
    found = cut(runner, stage, stage.stems(store))
    pitches = [
        measure(to_analysis(part[:, None])).f0_hz
        for part in np.array_split(sound_of(runner, found["low"]), 4)
    ]
    assert max(pitch for pitch in pitches if pitch) < 150


class Teller:
    """Plays what tells voices: one is loud, another is not. Fails where it is told to."""

    card: ClassVar = Card("speakers", "teller", "1", "tells", "neural", "good", "in-process")
    scale: ClassVar = Scale(joined=0.6, bank=0.75, lead=0.05, other=0.6, unsure=0.05, shortest=16_000)

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def fingerprint(self) -> dict[str, str]:
        return {}

    def close(self) -> None: ...

    def embed(self, audio: Samples) -> Embedding:
        if self.fails:
            raise ChildError("The worker teller died.")
        loud = float(np.abs(audio).max()) > 0.3
        whole = np.array([1.0, 0.4] if loud else [-0.2, 1.0], np.float32)
        return Embedding(whole / np.linalg.norm(whole), np.zeros((0, 2), np.float32))


@pytest.mark.parametrize("fails", [False, True])
def test_a_line_of_somebody_elses_at_the_same_pitch_is_left_out(
    runner: Runner, store: WorkDir, fails: bool
) -> None:
    stage = Stage()
    for index, text in enumerate(SENTENCES[:4]):
        stage.say(text, LOW, "low", level=0.5 if index == 1 else 1.0)
    told = context(runner, {SPEAKERS: Teller(fails=fails)})
    [found] = recordings(told, stage.stems(store), stage.transcript, ["low"]).values()
    assert isinstance(found, Reference)
    [record] = [record for record in store.actions() if record.name == "dub.reference"]
    assert record.detail.get("other", 0) == (0 if fails else 1)


def test_a_line_in_which_another_voice_was_heard_is_left_out(runner: Runner, store: WorkDir) -> None:
    stage = two_people()
    stage.overlaps = [item.id for item in stage.segments if item.speaker == "low"][1:]
    found = cut(runner, stage, stage.stems(store))
    assert isinstance(found["low"], About)
    assert isinstance(found["high"], Reference)


def test_where_two_are_heard_neither_is_imitated() -> None:
    lines = [segment(0, 0, 3, "a"), segment(1, 2.5, 5, "b"), segment(2, 6, 9, "a"), segment(3, 10, 11, "a")]
    assert spans_of("a", lines) == [(6 * SAMPLE_RATE, 9 * SAMPLE_RATE)]
    assert spans_of("b", lines) == []


@pytest.mark.parametrize("why", ["noisy", "faint"])
def test_what_cannot_be_imitated_is_refused_with_a_reason(runner: Runner, store: WorkDir, why: str) -> None:
    stage = Stage()
    for text in SENTENCES[:4]:
        stage.say(text, LOW, "low", level=0.004 if why == "faint" else 1.0)
    bed = music(3).mean(axis=1, keepdims=True) if why == "noisy" else None
    about = cut(runner, stage, stage.stems(store, bed))["low"]
    assert isinstance(about, About)
    assert about.refused == {why: 4}
    assert why in refusal(about)


def test_clipped_lines_are_refused(runner: Runner, store: WorkDir) -> None:
    stage = Stage()
    for text in SENTENCES[:4]:
        stage.say(text, LOW, "low")
    stage.parts = [np.clip(8 * part, -0.9, 0.9).astype(np.float32) for part in stage.parts]
    about = cut(runner, stage, stage.stems(store))["low"]
    assert isinstance(about, About)
    assert about.refused == {"clipped": 4}


def test_too_little_is_refused(runner: Runner, store: WorkDir) -> None:
    stage = Stage()
    stage.say(SENTENCES[0], LOW, "low")
    about = cut(runner, stage, stage.stems(store))["low"]
    assert isinstance(about, About)
    assert "4 s are needed" in refusal(about)


def test_it_is_cut_once_and_rests_on_nobody_elses_lines(runner: Runner, store: WorkDir) -> None:
    stage = two_people()
    first = cut(runner, stage, stage.stems(store))
    made = runner.misses
    cut(runner, stage, stage.stems(store))
    assert runner.misses == made
    other = two_people()
    other.parts[2] = other.parts[2][::-1].copy()
    again = cut(runner, other, other.stems(store))
    assert isinstance(first["low"], Reference)
    assert again["low"] == first["low"]
