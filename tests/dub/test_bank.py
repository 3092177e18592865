"""Voices that a cast file names: an engine's own, or a recording of the bank, and never in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile

from loc.artifacts import SAMPLE_RATE
from loc.cast import CastFile
from loc.errors import InputError
from loc.events import Event, EventBus, Notice
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.workdir import WorkDir
from stages.dub.bank import cast_voices
from stages.dub.contract import Traits, VoiceRequest
from stages.dub.espeak import Espeak
from tests.voices import SENTENCES, speak

REQUESTS = {"speaker1": VoiceRequest("low", 0), "speaker2": VoiceRequest("high", 0)}


@dataclass
class Engine:
    """As much of an engine as is asked."""

    traits: Traits
    card: Any = Espeak.card


@dataclass
class Bank:
    """A data folder with voices, and a job whose cast file names some."""

    folder: Path
    store: WorkDir

    def cast(self, traits: Traits, voices: Mapping[str, Mapping[str, str]]) -> tuple[Any, list[Notice]]:
        said: list[Event] = []
        runner = Runner(self.store, EventBus(said.append))
        job = Job(
            Path("talk.mp4"),
            "0" * 64,
            1,
            ("es",),
            "en",
            cast=CastFile("talk.cast.toml", frozenset(), voices=voices),
        )
        context = Context(runner, Settings(data_dir=self.folder), job, lambda *_: None, "es")  # type: ignore[arg-type]
        try:
            return cast_voices(context, Engine(traits), REQUESTS), [  # type: ignore[arg-type]
                event for event in said if isinstance(event, Notice)
            ]
        finally:
            runner.close()

    def keep(self, name: str, seconds: float) -> None:
        (self.folder / "voices").mkdir(parents=True, exist_ok=True)
        audio = speak(" ".join(SENTENCES[:3]))[: round(seconds * SAMPLE_RATE)]
        soundfile.write(self.folder / "voices" / f"{name}.wav", audio, SAMPLE_RATE)


@pytest.fixture
def bank(tmp_path: Path, store: WorkDir) -> Bank:
    return Bank(tmp_path / "data", store)


def test_a_recording_of_the_bank_is_imitated_and_kept_by_its_sound(bank: Bank) -> None:
    bank.keep("anna", 6)
    clones = Traits(clones=True)
    first, _ = bank.cast(clones, {"speaker2": {"": "anna"}})
    assert first["speaker1"] == REQUESTS["speaker1"]
    reference = first["speaker2"].reference
    assert reference is not None
    assert soundfile.info(str(reference.path)).frames == 6 * SAMPLE_RATE
    again, _ = bank.cast(clones, {"speaker2": {"es": "anna"}})
    assert again["speaker2"].reference == reference
    elsewhere, _ = bank.cast(clones, {"speaker2": {"ja": "anna"}})
    assert elsewhere == REQUESTS


def test_the_language_of_a_recording_is_what_stands_beside_it(bank: Bank) -> None:
    bank.keep("anna", 6)
    clones, voices = Traits(clones=True), {"speaker2": {"": "anna"}}

    def taken() -> VoiceRequest:
        request: VoiceRequest = bank.cast(clones, voices)[0]["speaker2"]
        return request

    assert "reference_language" not in taken().params()
    (bank.folder / "voices" / "anna.toml").write_text('[recording]\nlanguage = "DE-at"\n')
    assert taken().params()["reference_language"] == "de"


def test_an_engines_own_voice_is_asked_for_by_name(bank: Bank) -> None:
    named, said = bank.cast(Traits(has_names=True), {"speaker1": {"": "af_heart", "es": "em_alex"}})
    assert named["speaker1"].name == "em_alex"
    assert not said


@pytest.mark.parametrize("kept", [False, True])
def test_what_an_engine_cannot_do_is_said(bank: Bank, kept: bool) -> None:
    if kept:
        bank.keep("anna", 6)
    requests, said = bank.cast(Traits(), {"speaker1": {"": "anna"}})
    assert requests == REQUESTS
    assert [event.code for event in said] == ["voice-not-taken"]


def test_what_cannot_be_imitated_is_an_error(bank: Bank) -> None:
    bank.keep("anna", 2)
    with pytest.raises(InputError, match="too short"):
        bank.cast(Traits(clones=True), {"speaker1": {"": "anna"}})
    (bank.folder / "voices" / "anna.wav").write_bytes(b"no sound")
    with pytest.raises(InputError, match="cannot be read"):
        bank.cast(Traits(clones=True), {"speaker1": {"": "anna"}})
    # Who says no line needs no voice; whether there is such a speaker is asked of the transcript.
    assert bank.cast(Traits(), {"speaker9": {"": "anna"}}) == bank.cast(Traits(), {})
